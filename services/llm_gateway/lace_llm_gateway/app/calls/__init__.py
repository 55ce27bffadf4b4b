"""A call from its order to its settlement."""
