"""What the gateway's use cases need of the services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from lace_gateway.domain.frames import Page
from lace_gateway.domain.identity import SignedIdentity


class Identities(Protocol):
    """Turns bearer tokens into signed identities."""

    async def issue(self, bearer: str) -> SignedIdentity:
        """A fresh identity; raises LaceError TOKEN_* for a token that is not good."""

    def check(self, identity: SignedIdentity) -> None:
        """Raises LaceError TOKEN_* for an identity that has ended or was revoked since it was issued."""


class Viewer(Protocol):
    """Someone who watches a run, and under whose rights it is read."""

    @property
    def tenant_id(self) -> str:
        """The viewer's tenant."""

    @property
    def schema_version(self) -> int:
        """The event schema that the viewer understands; 0 for the newest."""

    @property
    def request_id(self) -> str:
        """The request that watches."""

    @property
    def correlation_id(self) -> str:
        """Ties the request to others."""

    async def identity(self) -> SignedIdentity:
        """The viewer's identity as it is now; raises LaceError TOKEN_* once the token is not good any more."""


class EventLog(Protocol):
    """The events of runs, as the runs service keeps them."""

    async def replay(self, viewer: Viewer, run_id: str, after_event_id: str, limit: int) -> Page:
        """At most `limit` frames out of the table.

        Raises LaceError RUN_NOT_FOUND, EVENT_CURSOR_INVALID, PERMISSION_DENIED.
        """

    def watch(self, viewer: Viewer, run_id: str, after_event_id: str) -> AsyncIterator[Page]:
        """Pages as they come, to the run's end; raises LaceError."""


class StoredSource(Protocol):
    """A source as the ingest service has stored it."""

    @property
    def source_id(self) -> str:
        """Id of the source."""


@dataclass(frozen=True)
class Upload:
    """A document on its way in: its name, the labels for it, and its bytes in pieces, to be read once.

    `version_of` is a source that it is a newer version of; a private one is its giver's alone.
    """

    filename: str
    labels: Sequence[str]
    content: AsyncIterator[bytes]
    version_of: str = ""
    private: bool = False


S_co = TypeVar("S_co", bound=StoredSource, covariant=True)


class Sources(Protocol[S_co]):
    """Where documents go."""

    async def store(self, upload: Upload) -> S_co:
        """Stores one document; raises LaceError SOURCE_* while it still comes in, where it is not wanted."""

    async def start_reading(self, source_ids: Sequence[str], intake_hash: str) -> str:
        """Starts the run that reads the sources, and returns its id; the hash is of all that was asked for.

        Raises LaceError IDEMPOTENCY_KEY_REUSED for another request under the same key.
        """


class Health(Protocol):
    """Whether the services behind the gateway answer."""

    async def states(self) -> dict[str, str]:
        """`serving`, `not_serving` or `unreachable`, by name of the service."""
