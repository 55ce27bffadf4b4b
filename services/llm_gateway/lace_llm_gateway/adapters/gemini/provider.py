"""The provider itself: where it is and how it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lace_core.errors import LaceError
from lace_llm_gateway.adapters.gemini.content import ContentDialect
from lace_llm_gateway.adapters.gemini.failures import lace_error
from lace_llm_gateway.adapters.http.client import HttpClient
from lace_llm_gateway.adapters.http.environment import first
from lace_llm_gateway.adapters.http.models import gemini_names
from lace_llm_gateway.adapters.http.provider import HttpProvider
from lace_llm_gateway.adapters.http.wire import Refused

NAME = "gemini"
_OWN = "https://generativelanguage.googleapis.com"


@dataclass(frozen=True)
class GeminiSettings:
    """The key, which is never shown, and the address where it is another than Google's own."""

    api_key: str
    base_url: str = ""
    model: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> GeminiSettings:
        """From the environment: LACE_GEMINI_API_KEY, GEMINI_API_KEY or GOOGLE_API_KEY, and so on."""
        return cls(
            api_key=first(environ, "LACE_GEMINI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
            base_url=first(environ, "LACE_GEMINI_BASE_URL", "GOOGLE_GEMINI_BASE_URL"),
            model=first(environ, "GEMINI_MODEL"),
        )

    def __repr__(self) -> str:
        return f"GeminiSettings(base_url={self.base_url!r}, model={self.model!r})"


class GeminiWire:
    """See adapters.http.wire.Wire."""

    def __init__(self, settings: GeminiSettings) -> None:
        self._key = settings.api_key
        self.models_path = "/v1/models?pageSize=1000"
        self.dialect = ContentDialect()

    def models(self, body: bytes) -> tuple[str, ...]:
        """See adapters.http.wire.Wire.models."""
        return gemini_names(body)

    def failure(self, refused: Refused) -> LaceError:
        """A refusal as a coded failure."""
        return lace_error(refused, self._key)


class GeminiProvider(HttpProvider):
    """Calls generateContent."""

    def __init__(self, settings: GeminiSettings) -> None:
        super().__init__(NAME, settings.model, gemini_client(settings), GeminiWire(settings))


def gemini_client(settings: GeminiSettings) -> HttpClient | None:
    """The connections; None where there is no key."""
    if not settings.api_key:
        return None
    return HttpClient(settings.base_url or _OWN, {"x-goog-api-key": settings.api_key})
