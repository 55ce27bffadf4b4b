"""Reviewing what could not be decided."""
