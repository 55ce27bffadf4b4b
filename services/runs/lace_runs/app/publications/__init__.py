"""Publications: letting revisions of documents out, and withdrawing them."""
