"""The pure document engine: IR, canonical form, apply, validators, pipelines."""
