"""How good verdicts are: labelled pairs, what a scorer made of them, and how well a document's citations carry it."""
