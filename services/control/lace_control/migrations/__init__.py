"""The history of the schema `control`."""
