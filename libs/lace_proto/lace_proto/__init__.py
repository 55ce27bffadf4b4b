"""The wire contract beside its generated code: the REST JSON form and what the descriptors say."""
