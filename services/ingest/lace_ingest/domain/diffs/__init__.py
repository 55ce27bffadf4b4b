"""What differs between two versions: the document's text, its units, and what that does to quotes taken from it."""
