"""The built-in verifier in child processes."""
