"""The history of documents: one function per verb."""
