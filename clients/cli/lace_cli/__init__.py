"""The lace command."""
