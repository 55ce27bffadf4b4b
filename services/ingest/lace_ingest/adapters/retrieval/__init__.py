"""Words and vectors in Postgres and in memory: how units are found."""
