"""Models as the model gateway gives them."""
