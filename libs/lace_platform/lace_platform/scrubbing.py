"""Takes the process's own secrets out of what it writes about itself, wherever they got into it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from lace_platform.config import ProcessConfig

MASK = "[secret]"
# Shorter ones would take innocent words with them; and no key is that short.
_SHORTEST = 8
_SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSW|CREDENTIAL")


class Scrubber:
    """Knows the secrets of a process as they are at the moment.

    Nothing of ours logs a secret. An error of a library can hold a header, and a provider can repeat in its words the
    key that it was called with: this is the net below.
    """

    def __init__(self, config: ProcessConfig) -> None:
        self._config = config
        self._version = -1
        self._values: tuple[str, ...] = ()

    def __call__(self, text: str) -> str:
        """The text with a mark in place of every secret, also where it is written as JSON writes it."""
        for value in self._secrets():
            if value in text:
                text = text.replace(value, MASK)
        return text

    def _secrets(self) -> Sequence[str]:
        version = self._config.secrets.version()
        if version != self._version:
            self._values, self._version = tuple(sorted(self._read(), key=len, reverse=True)), version
        return self._values

    def _read(self) -> set[str]:
        config = self._config
        named = [name for name in config.secrets.names() if _SECRET_NAME.search(name)]
        found = {secret.reveal() for name in named if (secret := config.secrets.get(name))}
        found |= {config.db_role_secret, config.service_secret, config.url_signing_secret, config.minio_secret_key}
        found |= {json.dumps(value)[1:-1] for value in found}
        return {value for value in found if len(value) >= _SHORTEST}


class ScrubbedSpans(SpanExporter):
    """Exports spans without secrets in their attributes, their events (exceptions) and the words of their status."""

    def __init__(self, exporter: SpanExporter, scrub: Callable[[str], str]) -> None:
        self._exporter = exporter
        self._scrub = scrub

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hands them on."""
        return self._exporter.export([self._clean(span) for span in spans])

    def shutdown(self) -> None:
        """Ends the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Sends what is held."""
        return self._exporter.force_flush(timeout_millis)

    def _clean(self, span: ReadableSpan) -> ReadableSpan:
        if not span.events and not span.status.description:
            return span
        status = span.status
        return ReadableSpan(
            name=span.name,
            context=span.get_span_context(),
            parent=span.parent,
            resource=span.resource,
            attributes=self._values(span.attributes),
            events=[Event(each.name, self._values(each.attributes), each.timestamp) for each in span.events],
            links=span.links,
            kind=span.kind,
            status=Status(status.status_code, self._scrub(status.description)) if status.description else status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _values(self, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            name: self._scrub(value) if isinstance(value, str) else value for name, value in (attributes or {}).items()
        }
