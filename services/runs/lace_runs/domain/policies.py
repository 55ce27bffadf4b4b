"""Versions of policies as they are kept, and which of them hold from when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class PolicyVersion:
    """A version, which never changes; `extends` is name@version of its parent, and empty where it stands by itself."""

    tenant_id: str
    name: str
    version: int
    sha256: str
    text: str
    description: str
    extends: str
    created_by: str
    created_at: datetime
    active: bool = False

    @property
    def full_name(self) -> str:
        """name@version."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class Activation:
    """From a moment on a version holds for the tenant; of several the one that is effective last."""

    tenant_id: str
    activation_id: str
    name: str
    version: int
    sha256: str
    effective_at: datetime
    activated_by: str
    activated_at: datetime
    reason: str = ""
