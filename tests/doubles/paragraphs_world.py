"""What tests of paragraphs do to a world of runs: facts, specifications, and the runs that write to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lace_core.canonical import canonical_json, sha256_hex
from lace_core.contracts import WrittenSentence
from lace_core.paragraphs.spec import ParagraphSpec
from lace_core.settings import resolve
from lace_platform.clock import utc_now
from lace_runs.app.paragraphs import editing, rebuilding, specs, starting
from lace_runs.app.ports import Caller, Resolved
from lace_runs.domain.paragraphs.records import GENERATE, VERIFY, Paragraph
from lace_runs.domain.runs import Run
from tests.doubles.runs_world import World

COST = "The bridge cost 4.2 million pounds in 2021."
PAID = "The council paid 3.0 million pounds of the cost."
TESTED = "Inspectors tested the bridge on 3 May 2022."
FACTS = {"fct_cost": ("unt_cost", COST), "fct_paid": ("unt_cost", PAID), "fct_tested": ("unt_safety", TESTED)}


@dataclass
class Paragraphs:
    """Paragraphs of a world; every method acts for its one caller."""

    world: World

    def __post_init__(self) -> None:
        for fact_id, (unit_id, quote) in FACTS.items():
            self.world.facts.state(fact_id, unit_id, quote)

    def caller(self, **more: Any) -> Caller:
        return replace(self.world.caller(), **more)

    async def create(self, place: specs.Place = specs.Place(), **more: Any) -> Paragraph:
        spec = spec_of(**more)
        facts = await specs.sound_facts(self.world.facts, spec)
        async with self.world.open(self.world.tenant_id) as work:
            made = await specs.create(work, self.caller(), spec, place, facts, utc_now())
            await work.commit()
        return made.paragraph

    async def start(
        self, paragraph: Paragraph, pipeline_id: str = GENERATE, settings: Mapping[str, Any] | None = None
    ) -> Run:
        values = {**resolve([]).values, **(settings or {})}
        resolved = Resolved(values, sha256_hex(canonical_json(values)), "")
        asked = starting.start_of(pipeline_id, paragraph.paragraph_id, {})
        async with self.world.open(self.world.tenant_id) as work:
            started = await starting.start(work, self.caller(), asked, "", resolved, utc_now())
            await work.commit()
        return await self.world.get(started.run_id)

    async def generate(self, paragraph: Paragraph, settings: Mapping[str, Any] | None = None) -> Run:
        run = await self.start(paragraph, GENERATE, settings)
        async with self.world.worker():
            return await self.world.until(run.run_id, "succeeded", "failed", "cancelled")

    async def verify(self, paragraph: Paragraph, settings: Mapping[str, Any] | None = None) -> Run:
        run = await self.start(paragraph, VERIFY, settings)
        async with self.world.worker():
            return await self.world.until(run.run_id, "succeeded", "failed", "cancelled")

    async def edit(self, paragraph: Paragraph, *sentences: tuple[str, tuple[str, ...]]) -> specs.Shown:
        written = tuple(WrittenSentence(text=text, fact_ids=fact_ids) for text, fact_ids in sentences)
        asked = editing.Edit(paragraph.paragraph_id, written)
        facts = await editing.cited_facts(self.world.facts, asked)
        async with self.world.open(self.world.tenant_id) as work:
            shown = await editing.edit(work, self.caller(), asked, facts, utc_now())
            await work.commit()
        return shown

    async def show(self, paragraph: Paragraph, **caller: Any) -> specs.Shown:
        async with self.world.open(self.world.tenant_id) as work:
            return await specs.show(work, self.caller(**caller), paragraph.paragraph_id)

    async def texts(self, paragraph: Paragraph) -> tuple[list[str], list[str]]:
        """What stands, and what is withheld."""
        shown = await self.show(paragraph)
        assert shown.text is not None
        return [s.text for s in shown.text.standing], [s.text for s in shown.text.withheld]

    async def rebuild(self, paragraph: Paragraph) -> rebuilding.Rebuilt:
        return await rebuilding.rebuild(self.world.open, self.world.snapshots, self.caller(), paragraph.paragraph_id)


def spec_of(**more: Any) -> ParagraphSpec:
    """A specification over two facts on the cost."""
    values = {"title": "Cost", "purpose": "To say what it cost.", "allowed_fact_ids": ("fct_cost", "fct_paid"), **more}
    return ParagraphSpec(**values)
