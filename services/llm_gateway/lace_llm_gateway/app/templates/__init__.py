"""Prompts that are written once, and their runs."""
