"""The ports on Postgres, and their twins in memory."""
