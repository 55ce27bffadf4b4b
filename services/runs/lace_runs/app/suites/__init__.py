"""Suites: keeping them, running them over documents, and reading what came of it."""
