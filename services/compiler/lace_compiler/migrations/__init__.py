"""The history of the schema `compiler`."""
