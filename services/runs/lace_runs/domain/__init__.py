"""Values and rules of artifacts and runs; no I/O."""
