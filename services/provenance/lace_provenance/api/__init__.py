"""The gRPC face and the consumer of the bus: decode, one use case, encode."""
