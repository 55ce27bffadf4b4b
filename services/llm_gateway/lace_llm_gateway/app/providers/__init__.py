"""What providers are, can do and have."""
