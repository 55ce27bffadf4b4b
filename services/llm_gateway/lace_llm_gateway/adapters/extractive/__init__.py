"""The provider that needs no model and no network: it composes documents out of sentences of their sources."""
