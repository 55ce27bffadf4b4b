"""From the pieces that an extractor found to units: the rules of reading."""
