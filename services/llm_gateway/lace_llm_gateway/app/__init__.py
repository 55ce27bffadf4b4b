"""Use cases of calling models and the ports that they need."""
