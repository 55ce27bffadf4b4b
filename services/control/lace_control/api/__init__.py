"""The gRPC face: decode, one use case, encode."""
