"""The use cases of templates over either engine of the store, around a provider that says what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from lace_core.canonical import canonical_json
from lace_llm_gateway.adapters.memory_ledger import MemoryLedger
from lace_llm_gateway.adapters.record_seals import HmacSeals
from lace_llm_gateway.app.templates.create_template import Kept, create_template
from lace_llm_gateway.app.templates.ports import TemplateUnits
from lace_llm_gateway.app.templates.prompts import StoredPrompts
from lace_llm_gateway.app.templates.run_template import RunAsk, run_template
from lace_llm_gateway.app.templates.sealed import Sealing, Templates
from lace_llm_gateway.domain.als import SeedKeys
from lace_llm_gateway.domain.exchange import FinishReason, ProviderAnswer
from lace_llm_gateway.domain.stored_templates import Template, TemplateContent, TemplateRun
from lace_platform.auth import Identity
from lace_platform.idempotency import differences
from lace_platform.ids import new_id
from lace_platform.rpc import CallContext, acting_as
from tests.doubles.batch_world import Counts
from tests.doubles.open_gateway import Scripted, open_gateway

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, UTC)
SEALS = {"k1": b"a key of sixteen bytes or more"}


def forget_prompts(admin_dsn: str) -> None:
    """Removes the pipelines' prompts from the tests' one server: whoever comes with other keys cannot read them."""
    with psycopg.connect(admin_dsn, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")  # who may do this is above every trigger
        superuser.execute("DELETE FROM llm_gateway.templates WHERE tenant_id = 'system'")


class StandingClock:
    """A time that stands until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def said(text: str, **more: Any) -> ProviderAnswer:
    """An answer of gpt-4o."""
    told = {"answered_model": "gpt-4o-2024-08-06", "fingerprint": "fp_1", "input_tokens": 1000, "output_tokens": 100}
    return ProviderAnswer(text, FinishReason.STOP, "gpt-4o", **{**told, "response_api": "responses", **more})


@dataclass
class TemplateWorld:
    """The use cases, the provider, what was counted, and who asks."""

    templates: Templates
    tenant_id: str
    speaker: Scripted
    counts: Counts
    prompts: StoredPrompts
    ledger: MemoryLedger

    async def create(self, content: TemplateContent, key: str = "", principal: str = "prn_1") -> Kept:
        """Under an Idempotency-Key, one of its own where none is given."""
        with self.asking(key, principal):
            asked = ("create", content.canonical())
            return await create_template(self.templates, self.tenant_id, principal, content, asked)

    async def run(
        self, template: Template, key: str = "", remaining_s: float | None = 20, later: Any = None, **ask: Any
    ) -> TemplateRun:
        """The run of a template, likewise."""
        asked = RunAsk(template.template_id, **ask)
        with self.asking(key):
            request = ("run", canonical_json({"template_id": asked.template_id, "variables": dict(asked.variables)}))
            who = (self.tenant_id, "prn_1")
            return await run_template(self.templates, *who, asked, request, remaining_s, later)

    def asking(self, key: str = "", principal: str = "prn_1") -> Any:
        """A caller."""
        none: frozenset[str] = frozenset()
        identity = Identity(principal, self.tenant_id, none, none, none, "user", None, None, NOW, NOW, 0)
        return acting_as(CallContext(identity, "req_1", "req_1", idempotency_key=key or new_id("key")))


@asynccontextmanager
async def template_world(
    units: TemplateUnits, clock: Callable[[], datetime], tenant_id: str, **settings: Any
) -> AsyncIterator[TemplateWorld]:
    """The world; `settings` are the defaults of the gateway, with an underscore for the dot behind llm."""
    speaker, counts, ledger = Scripted(said("It depends.")), Counts(), MemoryLedger()
    sealing = Sealing(HmacSeals(SEALS), counts, clock, new_id)
    prompts = StoredPrompts(units, sealing)
    defaults = {"llm.provider": "openai", "llm.retries": 0, "llm.als_limit": 350, **settings}
    async with open_gateway(
        {"openai": speaker}, settings=defaults, ledger=ledger, now=clock, prompts=prompts
    ) as gateway:
        templates = Templates(
            units=units,
            gateway=gateway,
            sealing=sealing,
            seed_keys=SeedKeys({"k1": b"a seed key of the tests"}),
            determinism=counts,
            differences=differences,
        )
        yield TemplateWorld(templates, tenant_id, speaker, counts, prompts, ledger)
