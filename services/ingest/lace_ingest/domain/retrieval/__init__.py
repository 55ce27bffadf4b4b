"""Questions to the sources, and what they find."""
