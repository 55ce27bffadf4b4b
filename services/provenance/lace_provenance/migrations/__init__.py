"""The history of the schema `provenance`."""
