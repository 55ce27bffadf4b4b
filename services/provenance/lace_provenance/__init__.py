"""Transformation logs and lineage."""
