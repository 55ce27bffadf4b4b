"""The service towards gRPC and the bus."""
