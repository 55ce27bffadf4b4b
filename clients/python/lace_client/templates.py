"""Prompts that are written once, and their runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lace.llm_gateway.v1 import templates_pb2
from lace_client.transport import Transport, segment
from lace_proto.json import from_json

_PATH = "/v1/templates"


class Templates:
    """The templates behind the API; see `LaceClient.templates`. Every method raises LaceApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, content: Mapping[str, Any], *, key: str | None = None) -> templates_pb2.Template:
        """Keep a template for good: its name, version, messages, variables and so on, as the contract has them.

        The same content again gives the template that is there; TEMPLATE_CONFLICT tells the RFC 6902 difference.
        """
        answer = self._transport.change("POST", _PATH, content, key=key)
        return from_json(templates_pb2.Template, answer, tolerant=True)

    def get(self, template_id: str) -> templates_pb2.Template:
        """A template as it was written."""
        return self._transport.read(templates_pb2.Template, f"{_PATH}/{segment(template_id)}")

    def list(self, *, name: str = "") -> Iterator[templates_pb2.Template]:
        """Your own templates and those of the pipelines, by name and newest version first."""
        for page in self._transport.pages(templates_pb2.ListTemplatesResponse, _PATH, {"name": name}):
            yield from page.templates

    def run(
        self,
        template_id: str,
        *,
        variables: Mapping[str, Any] | None = None,
        locale: str = "",
        grounding: str = "",
        respond_async: bool = False,
        key: str | None = None,
    ) -> templates_pb2.TemplateRun:
        """Run a template and wait for its answer; with `respond_async` the run as it is taken on, to be asked for.

        Grounding is none, preferred or required, and not looser than the template's.
        """
        asked = {"locale": locale, "grounding": grounding, "respond_async": respond_async}
        body = {"variables": dict(variables or {}), **{name: value for name, value in asked.items() if value}}
        answer = self._transport.change("POST", f"{_PATH}/{segment(template_id)}/run", body, key=key)
        return from_json(templates_pb2.TemplateRun, answer, tolerant=True)

    def get_run(self, template_id: str, run_id: str) -> templates_pb2.TemplateRun:
        """A run, under way or ended."""
        return self._transport.read(templates_pb2.TemplateRun, f"{_PATH}/{segment(template_id)}/runs/{segment(run_id)}")

    def list_runs(self, template_id: str, **filters: Any) -> Iterator[templates_pb2.TemplateRun]:
        """The runs of a template, newest first; filters are those of the API, such as state, locale or grounded."""
        path = f"{_PATH}/{segment(template_id)}/runs"
        for page in self._transport.pages(templates_pb2.ListTemplateRunsResponse, path, filters):
            yield from page.runs
