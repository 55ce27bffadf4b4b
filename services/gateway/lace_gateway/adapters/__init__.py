"""The ports of the gateway over gRPC."""
