"""Paragraphs by specification: their life, and what is kept of them."""
