"""Every model provider behind one contract."""
