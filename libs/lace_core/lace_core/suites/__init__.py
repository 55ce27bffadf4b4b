"""Tests of documents: suites of checks written in YAML, run over a document, with results for people and programs."""
