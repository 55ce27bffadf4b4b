"""HTTP and WebSocket, made from the contract."""
