"""Rules of the edge that need no server: request headers, problems, origins, windows of frames."""
