"""The provider `local`: embeddings and relevance computed in this process, without network."""
