"""The history of the schema `ingest`."""
