"""Paragraphs by specification: what may be asked, what an answer may hold, and what stands of it."""
