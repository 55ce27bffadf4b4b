"""Tenants, principals, tokens, settings and the audit log."""
