"""What deterministic apply is made of: the document under change, its actions, and their comparison with a base."""
