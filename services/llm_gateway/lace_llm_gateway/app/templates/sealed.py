"""Templates behind their seal: what is written gets one, and what is read without a good one is refused."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.app.gateway import Gateway
from lace_llm_gateway.app.ports import Clock, DeterminismMetrics
from lace_llm_gateway.app.templates.ports import Seals, TemplateMetrics, TemplateUnit, TemplateUnits
from lace_llm_gateway.domain.als import SeedKeys
from lace_llm_gateway.domain.stored_templates import Template, TemplateContent

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sealing:
    """Seals records, and refuses those whose seal is broken."""

    seals: Seals
    metrics: TemplateMetrics
    now: Clock
    new_id: Callable[[str], str]

    def sealed(self, tenant_id: str, content: TemplateContent, created_by: str) -> Template:
        """A new record of the content, under the newest key."""
        canonical = content.canonical()
        template = Template(
            tenant_id=tenant_id,
            template_id=self.new_id("tpl"),
            template_sha256=sha256_hex(canonical),
            name=content.name,
            version=content.version,
            content_json=canonical.decode(),
            created_at=self.now(),
            created_by=created_by,
            hmac_key_id=self.seals.key_id,
        )
        return replace(template, record_hmac=self.seals.seal(template.hmac_key_id, template.sealed_bytes()))

    def checked(self, template: Template) -> Template:
        """The record, when its seal is whole; raises LaceError TEMPLATE_CORRUPT, counted and logged, when it is not."""
        try:
            expected = self.seals.seal(template.hmac_key_id, template.sealed_bytes())
        except KeyError:
            expected = ""
        whole = hmac.compare_digest(expected.encode(), template.record_hmac.encode())
        if whole and sha256_hex(template.content_json.encode()) == template.template_sha256:
            return template
        self.metrics.record_tampered("templates")
        log.error(
            "template_tampered",
            tenant_id=template.tenant_id,
            template_id=template.template_id,
            hmac_key_id=template.hmac_key_id,
        )
        raise LaceError(
            Reason.TEMPLATE_CORRUPT,
            f"The record of {template.template_id} does not match its seal: it was changed after it was written, or "
            f"the key {template.hmac_key_id} is not the one that sealed it.",
        )


@dataclass(frozen=True)
class Templates:
    """What the use cases of templates share; `differences` gives the RFC 6902 operations between two JSON texts."""

    units: TemplateUnits
    gateway: Gateway
    sealing: Sealing
    seed_keys: SeedKeys
    determinism: DeterminismMetrics
    differences: Callable[[bytes | None, bytes], Sequence[Detail]]

    @property
    def als_limit(self) -> int:
        """NFC characters that a context block may have."""
        return int(self.gateway.defaults()["llm.als_limit"])

    def sealed(self, tenant_id: str, content: TemplateContent, created_by: str) -> Template:
        """See Sealing.sealed."""
        return self.sealing.sealed(tenant_id, content, created_by)

    def checked(self, template: Template) -> Template:
        """See Sealing.checked."""
        return self.sealing.checked(template)

    async def read(self, unit: TemplateUnit, tenant_id: str, template_id: str) -> Template:
        """The template; raises LaceError TEMPLATE_NOT_FOUND, TEMPLATE_CORRUPT."""
        template = await unit.templates.get(tenant_id, template_id)
        if template is None:
            raise LaceError(Reason.TEMPLATE_NOT_FOUND, f"No template {template_id}.")
        return self.checked(template)
