"""Use cases of the compiler and the ports they need."""
