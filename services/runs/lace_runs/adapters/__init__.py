"""The ports, kept in Postgres and spoken over gRPC."""
