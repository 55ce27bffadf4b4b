"""The use cases of sources and retrieval, one function for each."""
