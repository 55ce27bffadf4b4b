"""The gRPC face and the bus consumers."""
