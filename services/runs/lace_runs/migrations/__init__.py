"""The Alembic history of the schema runs."""
