"""Paragraphs by specification: making, writing, editing, landing and rebuilding them."""
