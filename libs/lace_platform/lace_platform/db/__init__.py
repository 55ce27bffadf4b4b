"""Postgres: connections under a service's own role, transactions in a tenant, schemas and their migrations."""
