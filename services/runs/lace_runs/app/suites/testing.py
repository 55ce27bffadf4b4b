"""Running a suite over a revision of a document: what it needs is gathered first, then it is checked off the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from lace_core.contracts import DOCUMENT_JUDGE, DocumentJudgement
from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_core.ir import Artifact
from lace_core.suites import checks
from lace_core.suites.facts import Facts, Judged, SourceStanding
from lace_core.suites.judging import Asked, failed_calls, judge_input, judged_of
from lace_core.suites.passages import Reading
from lace_core.suites.stale import quotes_gone
from lace_core.suites.suite import ReadSuite, parse
from lace_core.verification.standing import ACCEPTED
from lace_runs.app import artifacts
from lace_runs.app.model_ports import Models
from lace_runs.app.ports import Caller, OpenUnitOfWork, Settings, UnitOfWork
from lace_runs.app.source_ports import Sources
from lace_runs.app.suites.keeping import show
from lace_runs.app.suites.ports import Standings, SuiteRunner
from lace_runs.domain.suites import DocumentTest
from lace_runs.domain.verdicts import WantedVerdicts

_ACCEPTED_AT_ONCE = 1000


@dataclass(frozen=True)
class Testers:
    """What testing asks of the outside."""

    open: OpenUnitOfWork
    settings: Settings
    sources: Sources
    standings: Standings
    models: Models
    runner: SuiteRunner


@dataclass(frozen=True)
class Wanted:
    """A suite, by name or as a text, on a revision; empty: the head."""

    artifact_id: str
    suite: str = ""
    suite_version: int = 0
    text: str = ""
    revision_id: str = ""


@dataclass(frozen=True)
class Subject:
    """A committed revision, and which of its sentences a person accepted."""

    artifact: Artifact
    revision_id: str
    accepted: frozenset[str]


async def try_suite(testers: Testers, caller: Caller, wanted: Wanted, now: datetime) -> DocumentTest:
    """The test of a revision by a suite, not kept yet.

    Raises LaceError ARTIFACT_, REVISION_, SUITE_NOT_FOUND, SUITE_INVALID, SUITE_RULE_UNKNOWN, INVALID_ARGUMENT.
    """
    if bool(wanted.suite) == bool(wanted.text):
        message = "Name a suite that is kept, or give the text of one: one of them."
        raise LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail("/suite", message)])
    async with testers.open(caller.tenant_id) as work:
        subject = await subject_of(work, caller, wanted.artifact_id, wanted.revision_id)
        version, text = 0, wanted.text
        if wanted.suite:
            kept = await show(work, caller.tenant_id, wanted.suite, wanted.suite_version)
            version, text = kept.version, kept.text
    return await run(testers, caller, subject, parse(text), version, now)


async def subject_of(work: UnitOfWork, caller: Caller, artifact_id: str, revision_id: str) -> Subject:
    """What is tested; raises LaceError ARTIFACT_, REVISION_NOT_FOUND."""
    await artifacts.require_visible(work, caller, artifact_id, revision_id)
    shown = await artifacts.show(work, caller.tenant_id, artifact_id, revision_id)
    if shown.revision is None:
        raise LaceError(Reason.REVISION_NOT_FOUND, f"{artifact_id} has no committed revision yet; write it first.")
    found = shown.revision.revision_id
    return Subject(shown.document, found, await _accepted(work, caller.tenant_id, artifact_id, found))


async def _accepted(work: UnitOfWork, tenant_id: str, artifact_id: str, revision_id: str) -> frozenset[str]:
    """Sentences that stand although no check says that their evidence supports them: a person vouched for them."""
    wanted = WantedVerdicts(artifact_id, revision_id, in_document=True)
    found: set[str] = set()
    after = 0
    while True:
        page = await work.artifacts.verdicts(tenant_id, wanted, after, _ACCEPTED_AT_ONCE)
        found.update(row["sentence_id"] for _, row in page if row["standing"] == ACCEPTED)
        if len(page) < _ACCEPTED_AT_ONCE:
            return frozenset(found)
        after = page[-1][0]


async def run(
    testers: Testers, caller: Caller, subject: Subject, suite: ReadSuite, version: int, now: datetime
) -> DocumentTest:
    """The test; a key asked for again makes the same id, and the same question of a model is asked once."""
    key = (subject.artifact.artifact_id, subject.revision_id, suite.sha256, str(version))
    test_id = derive("tst", caller.tenant_id, *key, caller.principal_id, caller.idempotency_key)
    facts = await _facts(testers, subject, suite, test_id)
    result = await testers.runner.run(suite, subject.artifact, facts)
    return DocumentTest(
        tenant_id=caller.tenant_id,
        test_id=test_id,
        artifact_id=subject.artifact.artifact_id,
        revision_id=subject.revision_id,
        suite_version=version,
        result=result,
        created_by=caller.principal_id,
        created_at=now,
    )


async def _facts(testers: Testers, subject: Subject, suite: ReadSuite, test_id: str) -> Facts:
    standing: Mapping[str, SourceStanding] | None = None
    gone: frozenset[str] = frozenset()
    if any(isinstance(check, checks.StaleCitations | checks.Answers) for check in suite.suite.checks):
        standing = await testers.standings.of(cited_ids(subject.artifact))
    if standing is not None and any(isinstance(check, checks.StaleCitations) for check in suite.suite.checks):
        gone = await gone_quotes(testers.sources, subject.artifact, standing)
    judged = await _judged(testers, subject, suite, test_id)
    return Facts(standing=standing, quotes_gone=gone, accepted=subject.accepted, judged=judged)


def cited_ids(artifact: Artifact) -> list[str]:
    """Ids of the sources that a document cites, in its order."""
    return list(dict.fromkeys(evidence.source_id for node in artifact.nodes for evidence in node.evidence))


async def gone_quotes(sources: Sources, artifact: Artifact, standing: Mapping[str, SourceStanding]) -> frozenset[str]:
    """Evidence whose words the newest version of its source, or its unit as it was read, does not hold."""
    evidence = [each for node in artifact.nodes for each in node.evidence]
    present = [each for each in evidence if not standing.get(each.source_id, SourceStanding()).is_gone]
    units = await sources.unit_texts((each.source_id, each.extraction) for each in present)
    newest = {each.newest_source_id for each in standing.values() if each.newest_source_id}
    texts = {source_id: await sources.unit_texts([(source_id, "")]) for source_id in sorted(newest)}
    return await asyncio.to_thread(quotes_gone, present, units, standing, texts)


async def _judged(testers: Testers, subject: Subject, suite: ReadSuite, test_id: str) -> Mapping[str, Judged]:
    """What the model in force says, in one call for all that the suite asks of it."""
    asked = judge_input(suite.suite, Reading(subject.artifact))
    if asked is None:
        return {}
    try:
        return await _asked(testers, asked, test_id)
    except LaceError as error:
        return failed_calls(suite.suite, f"{error.reason.value}: {error.message}")


async def _asked(testers: Testers, asked: Asked, test_id: str) -> Mapping[str, Judged]:
    settings = (await testers.settings.resolve({})).values
    answer = await testers.models.generate(
        DOCUMENT_JUDGE,
        msgspec.json.encode(asked.asked).decode(),
        run_id=test_id,
        step_id="judge",
        attempt=1,
        settings=settings,
        progress=lambda _: None,
    )
    judgement = msgspec.json.decode(answer.output, type=DocumentJudgement)
    call = answer.call
    model = call.get("answered_model") or call.get("resolved_model") or call.get("requested_model") or ""
    by = {
        "provider": str(call.get("provider", "")),
        "model": str(model),
        "contract": DOCUMENT_JUDGE.name,
        "prompt": str(call.get("template_hash", "")),
        "call_id": str(call.get("call_id", "")),
    }
    return judged_of(asked, judgement, by)
