"""What an adapter says of its provider's wire, without any input or output of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lace_core.errors import LaceError
from lace_llm_gateway.domain.exchange import ProviderAnswer, ProviderRequest


@dataclass(frozen=True)
class HttpCall:
    """A POST: the path under the provider's address, the JSON body, headers beside those of every call."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A status that is not 200, with what the server said."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


@dataclass(frozen=True)
class Plainer:
    """A plainer way to ask; `lasting` where the model refuses the other one always, not only for this request."""

    dialect: Dialect
    lasting: bool = True


class Reading(Protocol):
    """Puts an answer together, from one body or from the events of a stream."""

    def whole(self, body: bytes) -> None:
        """Take an answer that came in one. Raises ValueError for what is none."""
        ...

    def piece(self, data: bytes) -> str:
        """Take the data of an event; the text that it adds. Raises ValueError, or LaceError for an error in it."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the stream has said that nothing more will come."""
        ...

    def answer(self) -> ProviderAnswer:
        """The answer at the end. Raises LaceError where the end came before the answer was whole."""
        ...


class Dialect(Protocol):
    """One way to ask a provider's model; servers and models differ in what they accept."""

    def call(self, request: ProviderRequest, *, stream: bool) -> HttpCall:
        """The request on the wire. Raises LaceError for what the wire cannot say."""
        ...

    def reading(self, request: ProviderRequest) -> Reading:
        """Reads what is answered to that."""
        ...

    def plainer(self, said: str, request: ProviderRequest) -> Plainer | None:
        """What to try in place of what the server refused with these words; None where there is nothing."""
        ...


class Wire(Protocol):
    """A provider's wire."""

    @property
    def dialect(self) -> Dialect:
        """The first way to ask: what the provider itself documents."""
        ...

    @property
    def models_path(self) -> str:
        """Where the provider lists its models."""
        ...

    def models(self, body: bytes) -> tuple[str, ...]:
        """The names in that list. Raises ValueError for what is none."""
        ...

    def failure(self, refused: Refused) -> LaceError:
        """A refusal as a coded failure."""
        ...
