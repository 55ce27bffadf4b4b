"""Renderers, storage, bus and child processes behind the compiler's ports."""
