"""Publishing a revision where every gate is open, and withdrawing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lace_core.errors import Detail, LaceError, Reason
from lace_core.ids import derive
from lace_core.policies.in_force import PolicyInForce
from lace_core.policies.publishing import may_publish
from lace_core.suites.suite import parse
from lace_runs.app import artifacts, audit
from lace_runs.app.policies.pinning import in_force
from lace_runs.app.ports import Caller, UnitOfWork
from lace_runs.app.suites.testing import Testers, cited_ids, gone_quotes, run, subject_of
from lace_runs.domain.publications import Publication, ShutGate
from lace_runs.domain.suites import DocumentTest


@dataclass(frozen=True)
class Wanted:
    """A revision (empty: the head), the suites that must pass beside the policy's, and what is said of it."""

    artifact_id: str
    revision_id: str = ""
    suites: tuple[str, ...] = ()
    refuse_stale: bool = False
    note: str = ""


@dataclass(frozen=True)
class Tried:
    """What was found before the transaction that publishes: the revision, its tests, and gates that are shut."""

    wanted: Wanted
    revision_id: str
    tests: tuple[DocumentTest, ...]
    shut: tuple[ShutGate, ...]
    standing: Publication | None


async def attempt(testers: Testers, caller: Caller, wanted: Wanted, now: datetime) -> Tried:
    """Runs what must pass on that very revision, and keeps the tests; one that is out already is not tried again.

    Raises LaceError ARTIFACT_, REVISION_NOT_FOUND.
    """
    async with testers.open(caller.tenant_id) as work:
        subject = await subject_of(work, caller, wanted.artifact_id, wanted.revision_id)
        standing = await work.publications.standing(caller.tenant_id, wanted.artifact_id, subject.revision_id)
        policy = await _policy(work, caller, now)
        suites = {name: await work.suites.find(caller.tenant_id, name) for name in _names(policy, wanted)}
    if standing is not None:
        return Tried(wanted, subject.revision_id, (), (), standing)
    known = [suite for suite in suites.values() if suite is not None]
    shut = [_unknown(name) for name, suite in suites.items() if suite is None]
    tests = []
    for suite in known:
        tests.append(await run(testers, caller, subject, parse(suite.text), suite.version, now))
    async with testers.open(caller.tenant_id) as work:
        for test in tests:
            await work.suites.keep_test(caller.tenant_id, test)  # so that who is refused can read what failed
        await work.commit()
    shut += [_failed(test) for test in tests if not test.is_passed]
    if wanted.refuse_stale:
        stale = await testers.standings.of(cited_ids(subject.artifact))
        gone = await gone_quotes(testers.sources, subject.artifact, stale)
        outdated = sum(bool(each.newest_source_id or each.is_gone) for each in stale.values())
        if outdated or gone:
            message = (
                f"{outdated} cited sources have newer versions or are gone, {len(gone)} quotes do not stand any more."
            )
            shut.append(ShutGate("stale", f"{message} Test it with stale_citations to see which."))
    return Tried(wanted, subject.revision_id, tuple(tests), tuple(shut), None)


async def publish(work: UnitOfWork, caller: Caller, tried: Tried, now: datetime) -> Publication:
    """The publication; the caller commits. A revision that is out already is left as it is.

    Raises LaceError PUBLISH_REFUSED with a detail for each gate that is shut.
    """
    tenant_id, artifact_id = caller.tenant_id, tried.wanted.artifact_id
    await artifacts.require_visible(work, caller, artifact_id, tried.revision_id)
    await work.publications.lock(tenant_id, artifact_id)
    policy = await _policy(work, caller, now)
    if standing := await work.publications.standing(tenant_id, artifact_id, tried.revision_id):
        return standing
    shut = [*_not_allowed(policy, caller), *tried.shut, *await _asked_by(policy, work, tried, tenant_id)]
    if shut:
        raise _refused(artifact_id, tried.revision_id, shut)
    publication = Publication(
        tenant_id=tenant_id,
        publication_id=derive("pub", tenant_id, artifact_id, caller.principal_id, caller.idempotency_key),
        artifact_id=artifact_id,
        revision_id=tried.revision_id,
        published_by=caller.principal_id,
        published_at=now,
        policy=policy.link.name if policy else "",
        policy_sha256=policy.link.sha256 if policy else "",
        tests=tried.tests,
        note=tried.wanted.note,
    )
    await work.publications.add(tenant_id, publication)
    details = {
        "revision_id": tried.revision_id,
        "policy": publication.policy,
        "tests": [t.test_id for t in tried.tests],
    }
    work.send(audit.entry(caller, "artifact.publish", artifact_id, details, now))
    return publication


async def withdraw(
    work: UnitOfWork, caller: Caller, artifact_id: str, publication_id: str, reason: str, now: datetime
) -> Publication:
    """The publication withdrawn; the caller commits. Raises LaceError PUBLICATION_NOT_FOUND, PUBLISH_REFUSED."""
    await artifacts.require_visible(work, caller, artifact_id)
    await work.publications.lock(caller.tenant_id, artifact_id)
    found = await work.publications.get(caller.tenant_id, artifact_id, publication_id)
    await artifacts.require_visible(work, caller, artifact_id, found.revision_id)
    if not found.stands:
        return found
    if shut := list(_not_allowed(await _policy(work, caller, now), caller)):
        raise _refused(artifact_id, found.revision_id, shut)
    withdrawn = replace(found, withdrawn_by=caller.principal_id, withdrawn_at=now, withdrawn_reason=reason)
    await work.publications.withdraw(caller.tenant_id, withdrawn)
    details = {"publication_id": publication_id, "revision_id": found.revision_id, "reason": reason}
    work.send(audit.entry(caller, "artifact.withdraw", artifact_id, details, now))
    return withdrawn


async def _policy(work: UnitOfWork, caller: Caller, now: datetime) -> PolicyInForce | None:
    return await in_force(work.policies, caller.tenant_id, "", caller.scopes, now)


def _names(policy: PolicyInForce | None, wanted: Wanted) -> list[str]:
    asked = policy.publish.suites if policy else ()
    return list(dict.fromkeys((*asked, *wanted.suites)))


def _not_allowed(policy: PolicyInForce | None, caller: Caller) -> Iterator[ShutGate]:
    for reason in may_publish(policy, caller.roles, caller.principal_id).reasons:
        yield ShutGate("policy", reason)


async def _asked_by(policy: PolicyInForce | None, work: UnitOfWork, tried: Tried, tenant_id: str) -> list[ShutGate]:
    """What the policy asks for and does not hold, in the transaction that publishes."""
    if policy is None:
        return []
    rule, artifact_id, name = policy.publish, tried.wanted.artifact_id, policy.link.name
    shut = []
    ran = {test.result.suite for test in tried.tests} | {gate.gate.removeprefix("suites/") for gate in tried.shut}
    for suite in rule.suites:
        if suite not in ran:
            shut.append(ShutGate(f"suites/{suite}", f"{name} asks for {suite} since a moment ago; try again."))
    if rule.empty_review_queue and (waiting := await work.publications.open_reviews(tenant_id, artifact_id)):
        message = f"{name} wants nothing left to review, and {waiting} sentences wait: lace review list."
        shut.append(ShutGate("reviews", message))
    if rule.min_supported_percent is not None:
        verified, total = await work.publications.supported(tenant_id, artifact_id, tried.revision_id)
        if verified * 100 < rule.min_supported_percent * total:
            message = f"{verified} of {total} pieces are verified; {name} wants {rule.min_supported_percent} %."
            shut.append(ShutGate("supported", message))
    return shut


def _unknown(name: str) -> ShutGate:
    return ShutGate(f"suites/{name}", f"There is no suite {name}; keep it first: lace suite push FILE.")


def _failed(test: DocumentTest) -> ShutGate:
    result = test.result
    if result.status == "skipped":
        message = f"The suite {result.suite} checked nothing: all of its checks were skipped."
    else:
        wrong = [check for check in result.checks if check.status in ("failed", "error")]
        told = "; ".join(f"{check.check_id}: {check.message.rstrip('.')}" for check in wrong[:5])
        noun = "check" if len(wrong) == 1 else "checks"
        message = f"The suite {result.suite} failed in {len(wrong)} {noun} ({test.test_id}). {told}."
    return ShutGate(f"suites/{result.suite}", message)


def _refused(artifact_id: str, revision_id: str, shut: Sequence[ShutGate]) -> LaceError:
    gates = ", ".join(gate.gate for gate in shut)
    message = f"{revision_id} of {artifact_id} cannot be published: {gates}. See details."
    return LaceError(Reason.PUBLISH_REFUSED, message, details=[Detail(f"/{gate.gate}", gate.message) for gate in shut])
