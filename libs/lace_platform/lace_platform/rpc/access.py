"""Who may call a method, as the contract's own method option says it."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf import descriptor_pool

from lace.api.v1 import rest_pb2
from lace_core.errors import LaceError, Reason
from lace_platform.auth import Identity, require_identity, require_scope


@dataclass(frozen=True)
class Access:
    """Open to all, to service identities only, or to those who hold the scope (any identity where it is empty)."""

    open: bool = False
    internal: bool = False
    scope: str = ""

    def check(self, identity: Identity | None) -> None:
        """Raises LaceError TOKEN_MISSING or PERMISSION_DENIED."""
        if self.open:
            return
        known = require_identity(identity)
        if self.internal and known.kind != "service":
            raise LaceError(Reason.PERMISSION_DENIED, "This is for the services of the installation only.")
        if self.scope:
            require_scope(known, self.scope)


def access_of(method: str) -> Access:
    """Access to `/lace.runs.v1.RunService/StartRun`; a method that the contract does not know needs an identity."""
    service, _, name = method.lstrip("/").partition("/")
    try:
        found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return Access()
    rest = found.GetOptions().Extensions[rest_pb2.rest]
    return Access(open=rest.open, internal=rest.internal, scope=rest.scope)
