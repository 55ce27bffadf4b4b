"""Differences as they are read: what the pages of all differences share, and those of documents."""
