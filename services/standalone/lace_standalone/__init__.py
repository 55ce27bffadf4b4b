"""All services in one process on embedded defaults."""

from __future__ import annotations

import os

# Read by gRPC when it loads. It has nothing to do in our children, which start other programs; without this it
# complains on stderr whenever one is started.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
