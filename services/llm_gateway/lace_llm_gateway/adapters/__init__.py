"""Providers, token counters and the ledger."""
