"""Documents that runs wrote, tested and published: by a model's judgement, under policies, in child processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import ANY

import pytest

from lace_core.errors import LaceError, Reason
from lace_core.settings import resolve
from lace_core.suites.facts import Facts, SourceStanding
from lace_core.suites.running import run_suite
from lace_core.suites.suite import parse
from lace_platform.clock import utc_now
from lace_runs.adapters.testing import child_runner
from lace_runs.adapters.testing.child_runner import ChildSuiteRunner
from lace_runs.app.policies import activating, keeping
from lace_runs.app.ports import Caller, Resolved
from lace_runs.app.publications import publishing
from lace_runs.app.publications.publishing import attempt, publish, withdraw
from lace_runs.app.suites import testing
from lace_runs.app.suites.keeping import keep
from lace_runs.domain.publications import Publication
from lace_runs.domain.suites import DocumentTest
from tests.doubles.runs_world import World

pytestmark = pytest.mark.slow  # the same gates are tried through the API in tests/e2e/test_document_tests.py

_CITED = "lace_suite: 1\nname: cited\nchecks:\n- {rule: min_sources, at_least: 1}\n- {rule: stale_citations}\n"
_JUDGED = """
lace_suite: 1
name: judged
checks:
- {id: tone, rule: llm_judge, criterion: 'WORDS'}
- {rule: max_depth, at_most: 9}
"""


@dataclass
class Standings:
    """Sources as they are told to stand."""

    told: dict[str, SourceStanding] = field(default_factory=dict)

    async def of(self, source_ids: Iterable[str]) -> Mapping[str, SourceStanding]:
        return {source_id: self.told.get(source_id, SourceStanding()) for source_id in source_ids}


class FixedSettings:
    """The defaults."""

    async def resolve(self, overrides: Mapping[str, Any], policy: str = "") -> Resolved:
        return Resolved(resolve([]).values, "", "")


@dataclass
class Desk:
    """A document that a run wrote, and what tests and publishes it."""

    world: World
    testers: testing.Testers
    standings: Standings
    artifact_id: str

    async def test(self, text: str) -> DocumentTest:
        wanted = testing.Wanted(self.artifact_id, text=text)
        return await testing.try_suite(self.testers, self.world.caller(), wanted, utc_now())

    async def kept(self, text: str) -> str:
        async with self.world.open(self.world.tenant_id) as work:
            suite = await keep(work, self.world.caller(), text, utc_now())
            await work.commit()
        return suite.name

    async def rule(self, text: str) -> None:
        async with self.world.open(self.world.tenant_id) as work:
            await keeping.keep(work, self.world.caller(), text, utc_now())
            await activating.activate(work, self.world.caller(), "house", None, "", utc_now())
            await work.commit()

    async def publish(self, caller: Caller | None = None, **wanted: Any) -> Publication:
        who = caller or self.world.caller()
        tried = await attempt(self.testers, who, publishing.Wanted(self.artifact_id, **wanted), utc_now())
        async with self.world.open(self.world.tenant_id) as work:
            made = await publish(work, who, tried, utc_now())
            await work.commit()
        return made

    async def refused(self, caller: Caller | None = None, **wanted: Any) -> list[str]:
        with pytest.raises(LaceError) as caught:
            await self.publish(caller, **wanted)
        assert caught.value.reason is Reason.PUBLISH_REFUSED
        return [detail.field for detail in caught.value.details]


@pytest.fixture
async def desk(world: World) -> Desk:
    run = await world.start("generate", {"compile.targets": []}, title="The bridge")
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.error_message == ""
    standings = Standings()
    runner = ChildSuiteRunner(20, 2)
    testers = testing.Testers(world.open, FixedSettings(), world.sources, standings, world.model, runner)
    return Desk(world, testers, standings, run.artifact_id)


async def test_a_model_judges_all_criteria_in_one_call_and_is_named(desk: Desk) -> None:
    text = _JUDGED.replace("WORDS", "4.2 million") + "- {rule: llm_judge, criterion: no such words}\n"
    asked = len(desk.world.model.asked)
    found = await desk.test(text)
    assert [check.status for check in found.result.checks] == ["failed", "passed", "passed"]
    assert "4.2 million" in found.result.checks[0].findings[0].places[0].text
    assert found.result.checks[0].judged_by == {
        "provider": "rule", "model": "rule", "contract": "lace.document_judge.v1", "prompt": "", "call_id": ANY,
    }  # fmt: skip
    assert desk.world.model.asked[asked:] == ["judge"]


async def test_a_model_that_is_away_is_an_error_of_its_checks_alone(desk: Desk) -> None:
    desk.world.model.fail_first.append(LaceError(Reason.PROVIDER_UNAVAILABLE, "It is away."))
    found = await desk.test(_JUDGED)
    assert [check.status for check in found.result.checks] == ["error", "passed"]
    assert found.result.checks[0].message == "PROVIDER_UNAVAILABLE: It is away."
    assert not found.is_passed


async def test_sources_are_asked_how_they_stand(desk: Desk) -> None:
    assert (await desk.test(_CITED)).is_passed
    document = (await _document(desk)).nodes
    cited = {evidence.source_id for node in document for evidence in node.evidence}
    for source_id in cited:
        desk.standings.told[source_id] = SourceStanding(is_gone=True)
    stale = (await desk.test(_CITED)).result.checks[1]
    assert {finding.code for finding in stale.findings} == {"SOURCE_GONE"}


async def _document(desk: Desk) -> Any:
    async with desk.world.open(desk.world.tenant_id) as work:
        return (await testing.subject_of(work, desk.world.caller(), desk.artifact_id, "")).artifact


async def test_a_child_finds_the_same_and_is_stopped_where_it_takes_too_long(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, artifact = parse(_CITED), await _document(desk)
    facts = Facts(standing={"src_1": SourceStanding(("src_0",))}, accepted=frozenset({"sen_1"}))
    monkeypatch.setattr(child_runner, "_LITTLE", 0)
    assert await ChildSuiteRunner(20, 1).run(suite, artifact, facts) == run_suite(suite, artifact, facts)
    with pytest.raises(LaceError, match=r"The suite cited takes longer than 0\.01 s") as caught:
        await ChildSuiteRunner(0.01, 1).run(suite, artifact, facts)
    assert caught.value.reason is Reason.SUITE_LIMIT_EXCEEDED


async def test_the_policy_in_force_says_who_may_and_what_must_pass(desk: Desk) -> None:
    failing = await desk.kept("lace_suite: 1\nname: short\nchecks:\n- {rule: word_count, at_most: 1}\n")
    await desk.rule(f"policy: house\nversion: 1\npublish:\n  roles: [reviewer]\n  suites: [{failing}, absent]\n")
    editor = replace(desk.world.caller(), roles=frozenset({"reviewer"}))
    assert await desk.refused() == ["/policy", "/suites/absent", "/suites/short"]
    assert await desk.refused(editor) == ["/suites/absent", "/suites/short"]
    await desk.rule("policy: house\nversion: 2\npublish:\n  roles: [reviewer]\n  min_supported_percent: 100\n")
    made = await desk.publish(editor)
    assert (made.policy, len(made.policy_sha256), made.published_by) == ("house@2", 64, "prn_test")
    with pytest.raises(LaceError) as caught:
        await _withdrawn(desk, desk.world.caller(), made)
    assert [detail.field for detail in caught.value.details] == ["/policy"]
    assert (await _withdrawn(desk, editor, made)).withdrawn_by == "prn_test"


async def _withdrawn(desk: Desk, caller: Caller, made: Publication) -> Publication:
    async with desk.world.open(desk.world.tenant_id) as work:
        found = await withdraw(work, caller, desk.artifact_id, made.publication_id, "Why not.", utc_now())
        await work.commit()
    return found


async def test_what_waits_for_review_and_what_is_not_verified_can_shut_a_gate(desk: Desk) -> None:
    await desk.rule("policy: house\nversion: 1\npublish:\n  empty_review_queue: true\n  min_supported_percent: 100\n")
    await desk.world.sql(
        "INSERT INTO runs.review_items SELECT (jsonb_populate_record(NULL::runs.review_items, jsonb_build_object("
        "'tenant_id', CAST(:tenant_id AS text), 'review_item_id', 'rvi_1', 'artifact_id', CAST(:artifact_id AS text), "
        "'run_id', '', 'node_id', '', 'block_id', '', 'node_title', '', 'text', '', 'verdict', 'partially', "
        "'judged', '{}'::jsonb, 'place', '{}'::jsonb, 'evidence', '[]'::jsonb, 'sources', '[]'::jsonb, "
        "'labels', '[]'::jsonb, 'state', 'open', 'version', 1, 'created_by', '', 'created_at', now(), 'assignee', '', "
        "'settled_by', '', 'reason', '', 'new_text', '', 'revision_id', '', 'paragraph_id', ''))).*",
        tenant_id=desk.world.tenant_id,
        artifact_id=desk.artifact_id,
    )
    await desk.world.sql(
        "UPDATE runs.verdicts SET standing = 'authored' WHERE artifact_id = :artifact_id AND in_document",
        artifact_id=desk.artifact_id,
    )
    assert await desk.refused() == ["/reviews", "/supported"]


async def test_of_many_who_publish_at_once_all_get_the_one_publication(desk: Desk) -> None:
    name = await desk.kept(_CITED)
    made = await asyncio.gather(*(desk.publish(suites=(name,)) for _ in range(5)))
    assert len({each.publication_id for each in made}) == 1
    assert [test.result.suite for test in made[0].tests] == ["cited"]
    async with desk.world.open(desk.world.tenant_id) as work:
        listed = await work.publications.page(desk.world.tenant_id, desk.artifact_id, frozenset(), None, 10)
        standing = await work.publications.standing(desk.world.tenant_id, desk.artifact_id)
    assert list(listed) == [standing]


async def test_nothing_is_published_of_a_document_without_a_revision(world: World, desk: Desk) -> None:
    with pytest.raises(LaceError) as caught:
        await desk.publish(revision_id="rev_none")
    assert caught.value.reason is Reason.REVISION_NOT_FOUND
