"""The history of documents: lineages, names, and what is told of revisions."""
