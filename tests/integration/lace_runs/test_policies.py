"""Runs under a policy: what it asks of a document is written down, and what it forbids is kept out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest

from lace_core.errors import LaceError, Reason
from lace_core.ir import Artifact, cited_parts
from lace_core.policies.parsing import parse
from lace_core.policies.resolving import resolve
from lace_core.policies.settings import under
from lace_core.settings import resolve as resolve_settings
from lace_platform.clock import utc_now
from lace_runs.app.policies import activating, keeping
from lace_runs.app.policies.pinning import in_force
from lace_runs.domain.runs import Run
from tests.doubles.runs_world import RuleModel, World

HOUSE = """\
policy: house
version: 1
constraints:
  must_cite: true
  forbidden_phrases: [council paid]
  glossary:
    - {term: structure, definition: what carries the load, avoid: [bridge]}
  locked: [must_cite, forbidden_phrases]
sections:
  - title: safe*
    constraints: {max_words: 400, audience: inspectors}
house_rules:
  all: [Write soberly.]
  outline: [Begin with the cost.]
"""


def under_policy(*texts: str) -> dict[str, Any]:
    """The settings of a run under policies, of which the first extends the others."""
    return under(resolve([parse(text) for text in texts]).policy, resolve_settings([]).values)


async def _written(world: World, settings: Mapping[str, Any], pipeline: str = "generate", **asked: Any) -> Run:
    run = await world.start(pipeline, {**settings, "compile.targets": []}, title="The bridge", **asked)
    async with world.worker():
        done = await world.until(run.run_id, "succeeded", "failed")
    assert done.error_message == ""
    return done


async def _head(world: World, artifact_id: str) -> Artifact:
    async with world.open(world.tenant_id) as work:
        record = await work.artifacts.get(world.tenant_id, artifact_id)
        return await work.artifacts.document(world.tenant_id, artifact_id, record.head_revision_id)


def _texts(document: Artifact) -> list[str]:
    return [part.text for node in document.nodes for block in node.blocks for part in cited_parts(block)]


async def _findings(world: World, run: Run, stage: str) -> Sequence[Mapping[str, Any]]:
    told = [event.draft.payload.get("validation_result", {}) for event in await world.events(run.run_id)]
    return [finding for result in told if result.get("stage") == stage for finding in result["findings"]]


async def test_constraints_stand_on_the_nodes_with_their_locks(world: World) -> None:
    run = await _written(world, under_policy(HOUSE))
    document = await _head(world, run.artifact_id)
    asked = document.root.constraints
    assert (asked.must_cite, asked.forbidden_phrases) == (True, ("council paid",))
    assert asked.locked == ("forbidden_phrases", "must_cite")
    by_title = {node.title: node.constraints for node in document.nodes}
    assert (by_title["Safety"].max_words, by_title["Safety"].audience) == (400, "inspectors")
    assert by_title["Cost"].max_words is None


async def test_a_sentence_with_a_forbidden_phrase_is_kept_out_and_the_run_succeeds(world: World) -> None:
    run = await _written(world, under_policy(HOUSE))
    texts = _texts(await _head(world, run.artifact_id))
    assert "The bridge cost 4.2 million pounds in 2021." in texts
    assert not [text for text in texts if "council paid" in text]
    told = await _findings(world, run, "proposal")
    assert {finding["code"] for finding in told} == {"PHRASE_FORBIDDEN"}
    warning = next(w for w in run.warnings if w["code"] == "SENTENCES_KEPT_OUT")
    assert "1 sentences with a forbidden phrase" in warning["message"]
    assert "unsupported" not in warning["message"]


async def test_an_avoided_term_is_a_finding_and_no_failure(world: World) -> None:
    run = await _written(world, under_policy(HOUSE))
    told = await _findings(world, run, "document")
    assert {(finding["code"], finding["severity"]) for finding in told} == {("TERM_AVOIDED", "warning")}


async def test_house_rules_reach_the_model_and_change_what_is_asked(world: World) -> None:
    class Listening(RuleModel):
        heard: dict[str, Mapping[str, Any]]

        async def generate(self, contract: Any, input_json: str, **rest: Any) -> Any:
            self.__dict__.setdefault("heard", {})[contract.name] = orjson.loads(input_json)
            return await super().generate(contract, input_json, **rest)

    world.model = model = Listening()
    plain = await _written(world, {})
    assert {"lace.outline.v1", "lace.write.v1"} <= set(model.heard)
    world.model = model = Listening()
    ruled = await _written(world, under_policy(HOUSE))
    assert model.heard["lace.outline.v2"]["house_rules"] == ["Write soberly.", "Begin with the cost."]
    written = model.heard["lace.write.v3"]
    assert written["house_rules"][0] == "Write soberly."
    assert written["house_rules"][-1] == "Write structure (what carries the load); avoid bridge."
    assert written["forbidden_phrases"] == ["council paid"]
    assert not {"lace.outline.v1", "lace.write.v1"} & set(model.heard)
    assert plain.settings_hash != ruled.settings_hash


@pytest.mark.slow
async def test_blocks_with_too_little_evidence_are_kept_out(world: World) -> None:
    wanted = "policy: strict\nversion: 1\nconstraints: {min_citations_per_block: 3}\n"
    run = await _written(world, under_policy(wanted))
    document = await _head(world, run.artifact_id)
    # A section's block rests on two sentences of its source, the summary's on four.
    assert {node.title for node in document.nodes if node.blocks} == {"The bridge"}
    assert [w for w in run.warnings if w["code"] == "BLOCKS_KEPT_OUT"]


@pytest.mark.slow
async def test_a_change_is_held_to_the_policy_and_leaves_what_others_wrote(world: World) -> None:
    first = await _written(world, {})
    cost = next(node for node in (await _head(world, first.artifact_id)).nodes if node.title == "Cost")
    again = await _written(
        world, under_policy(HOUSE), "regenerate", artifact_id=first.artifact_id, node_id=cost.node_id, scope="node"
    )
    document = await _head(world, first.artifact_id)
    assert [part.text for block in document.node(cost.node_id).blocks for part in cited_parts(block)] == [
        "The bridge cost 4.2 million pounds in 2021."
    ]
    # The document's own summary still holds the phrase: it was not asked to be changed, so nothing is locked on it yet.
    assert [text for text in _texts(document) if "council paid" in text]
    assert document.root.constraints.locked == ()
    assert [w["code"] for w in again.warnings if w["code"] == "POLICY_NOT_MET"]
    whole = await _written(world, under_policy(HOUSE), "regenerate", artifact_id=first.artifact_id)
    assert "POLICY_NOT_MET" not in {w["code"] for w in whole.warnings}
    assert (await _head(world, first.artifact_id)).root.constraints.locked == ("forbidden_phrases", "must_cite")


async def _keep(world: World, text: str) -> str:
    async with world.open(world.tenant_id) as work:
        made, _ = await keeping.keep(work, world.caller(), text, utc_now())
        await work.commit()
    return made.full_name


async def test_a_policy_holds_from_its_time_on_until_another_does(world: World) -> None:
    now = utc_now()
    for version in (1, 2):
        await _keep(world, f"policy: house\nversion: {version}\n")
    async with world.open(world.tenant_id) as work:
        later = now + timedelta(days=2)
        await activating.activate(work, world.caller("late"), "house@2", later, "", now)
        await activating.activate(work, world.caller("soon"), "house@1", None, "", now)
        held = [await work.policies.active(world.tenant_id, now + timedelta(days=day)) for day in (-1, 0, 1, 2)]
        await work.commit()
    assert [policy and policy.full_name for policy in held] == [None, "house@1", "house@1", "house@2"]


async def test_of_two_texts_that_come_at_once_under_one_version_one_is_kept(world: World) -> None:
    texts = [f"policy: house\nversion: 1\ndescription: '{at}'\n" for at in range(4)]
    told = await asyncio.gather(*(_keep(world, text) for text in texts), return_exceptions=True)
    refused = [error.reason for error in told if isinstance(error, LaceError)]
    assert sorted(refused) == [Reason.POLICY_VERSION_EXISTS] * 3
    assert told.count("house@1") == 1


async def test_what_is_extended_stays_what_it_was_when_the_policy_came(world: World) -> None:
    await _keep(world, "policy: house\nversion: 1\nconstraints: {max_words: 5}\n")
    await _keep(world, "policy: team\nversion: 1\nextends: house\n")
    await _keep(world, "policy: house\nversion: 2\nconstraints: {max_words: 9}\n")
    async with world.open(world.tenant_id) as work:
        policy = await in_force(work.policies, world.tenant_id, "team", frozenset(), utc_now())
    assert policy is not None
    assert ([link.name for link in policy.chain], policy.constraints.max_words) == (["team@1", "house@1"], 5)
