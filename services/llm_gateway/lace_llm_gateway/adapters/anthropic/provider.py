"""The provider itself: where it is and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lace_core.errors import LaceError
from lace_llm_gateway.adapters.anthropic.failures import lace_error
from lace_llm_gateway.adapters.anthropic.messages import NEWEST, VERSION, MessagesDialect
from lace_llm_gateway.adapters.http.client import HttpClient
from lace_llm_gateway.adapters.http.environment import first
from lace_llm_gateway.adapters.http.models import model_names
from lace_llm_gateway.adapters.http.provider import HttpProvider
from lace_llm_gateway.adapters.http.wire import Refused

NAME = "anthropic"
_OWN = "https://api.anthropic.com"


@dataclass(frozen=True)
class AnthropicSettings:
    """The key, which is never shown, and the address where it is another than Anthropic's own."""

    api_key: str
    base_url: str = ""
    model: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> AnthropicSettings:
        """From the environment: LACE_ANTHROPIC_API_KEY or ANTHROPIC_API_KEY, and so on."""
        return cls(
            api_key=first(environ, "LACE_ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
            base_url=first(environ, "LACE_ANTHROPIC_BASE_URL", "ANTHROPIC_BASE_URL"),
            model=first(environ, "ANTHROPIC_MODEL"),
        )

    def __repr__(self) -> str:
        return f"AnthropicSettings(base_url={self.base_url!r}, model={self.model!r})"


class AnthropicWire:
    """See adapters.http.wire.Wire."""

    def __init__(self, settings: AnthropicSettings) -> None:
        self._key = settings.api_key
        self.models_path = "/v1/models?limit=1000"
        self.dialect = MessagesDialect()

    def models(self, body: bytes) -> tuple[str, ...]:
        """See adapters.http.wire.Wire.models."""
        return model_names(body)

    def failure(self, refused: Refused) -> LaceError:
        """A refusal as a coded failure."""
        return lace_error(refused, self._key)


class AnthropicProvider(HttpProvider):
    """Calls /v1/messages."""

    def __init__(self, settings: AnthropicSettings) -> None:
        super().__init__(NAME, settings.model, anthropic_client(settings), AnthropicWire(settings))


def anthropic_client(settings: AnthropicSettings) -> HttpClient | None:
    """The connections; None where there is no key."""
    if not settings.api_key:
        return None
    headers = {"x-api-key": settings.api_key, VERSION: NEWEST}
    return HttpClient(settings.base_url or _OWN, headers)
