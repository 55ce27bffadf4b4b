"""Artifacts, revisions and durable runs."""
