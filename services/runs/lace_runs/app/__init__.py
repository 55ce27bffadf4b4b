"""What the service does, one function per verb, against ports."""
