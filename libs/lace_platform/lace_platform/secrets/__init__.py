"""Keys and passwords: one port, and where they can come from."""

from __future__ import annotations

from lace_platform.secrets.layered import LayeredSecrets, SecretEnvironment, open_secrets
from lace_platform.secrets.port import Secret, Secrets
from lace_platform.secrets.sources import DotenvSecrets, EnvironmentSecrets, FolderSecrets

__all__ = [
    "DotenvSecrets",
    "EnvironmentSecrets",
    "FolderSecrets",
    "LayeredSecrets",
    "Secret",
    "SecretEnvironment",
    "Secrets",
    "open_secrets",
]
