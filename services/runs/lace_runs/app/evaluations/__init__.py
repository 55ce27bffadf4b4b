"""Measuring how good verdicts are."""
