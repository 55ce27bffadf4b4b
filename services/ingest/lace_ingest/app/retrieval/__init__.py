"""Finding the units that answer questions."""
