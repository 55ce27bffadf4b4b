"""Documents of earlier IR schema versions: how each becomes one of the next, and what they hash to as they are."""
