"""The REST, SSE and WebSocket face of LACE, made from the contract."""
