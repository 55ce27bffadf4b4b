"""The provider itself: where it is, how it is opened, and what it is asked on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from lace_core.errors import LaceError
from lace_llm_gateway.adapters.http.client import HttpClient
from lace_llm_gateway.adapters.http.environment import first
from lace_llm_gateway.adapters.http.models import model_names
from lace_llm_gateway.adapters.http.provider import HttpProvider
from lace_llm_gateway.adapters.http.wire import Refused
from lace_llm_gateway.adapters.openai.chat import ChatDialect
from lace_llm_gateway.adapters.openai.failures import lace_error

NAME = "openai"
_OWN = "https://api.openai.com/v1"


@dataclass(frozen=True)
class OpenAISettings:
    """Where the server is and how it is opened; an own server may need no key. The key is never shown.

    With an `api_version` the address is that of an Azure resource, and the models are its deployments.
    """

    api_key: str
    base_url: str
    model: str
    api_version: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> OpenAISettings:
        """From the environment: LACE_OPENAI_API_KEY or OPENAI_API_KEY, and so on; LACE_LLM_MODEL or OPENAI_MODEL."""
        return cls(
            api_key=first(environ, "LACE_OPENAI_API_KEY", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"),
            base_url=first(environ, "LACE_OPENAI_BASE_URL", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"),
            model=first(environ, "LACE_LLM_MODEL", "OPENAI_MODEL"),
            api_version=first(environ, "LACE_OPENAI_API_VERSION", "OPENAI_API_VERSION"),
        )

    def __repr__(self) -> str:
        return f"OpenAISettings(base_url={self.base_url!r}, model={self.model!r}, api_version={self.api_version!r})"


class OpenAIWire:
    """See adapters.http.wire.Wire."""

    def __init__(self, settings: OpenAISettings) -> None:
        self._key = settings.api_key
        query = f"?api-version={quote(settings.api_version)}" if settings.api_version else ""
        self.models_path = f"{'/openai' if query else ''}/models{query}"
        self.dialect = ChatDialect(query=query, deployments=bool(query))

    def models(self, body: bytes) -> tuple[str, ...]:
        """See adapters.http.wire.Wire.models."""
        return model_names(body)

    def failure(self, refused: Refused) -> LaceError:
        """A refusal as a coded failure."""
        return lace_error(refused, self._key)


class OpenAIProvider(HttpProvider):
    """Calls /chat/completions, and /responses where web search is asked for."""

    def __init__(self, settings: OpenAISettings) -> None:
        super().__init__(NAME, settings.model, openai_client(settings), OpenAIWire(settings))


def openai_client(settings: OpenAISettings) -> HttpClient | None:
    """The connections; None where there is neither a key nor a server of one's own."""
    if not settings.api_key and not settings.base_url:
        return None
    named = "api-key" if settings.api_version else "authorization"
    value = settings.api_key if settings.api_version else f"Bearer {settings.api_key}"
    return HttpClient(settings.base_url or _OWN, {named: value} if settings.api_key else {})
