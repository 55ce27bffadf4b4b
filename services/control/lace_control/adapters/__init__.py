"""The ports on Postgres, blobs and keys, and their twins in memory."""
