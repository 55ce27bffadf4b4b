"""Rules of an organisation as versioned YAML: read, checked, laid over one another, explained, compared, applied."""
