"""Over the public API: a document from a private bundle, and everything about it as others see it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from lace.provenance.v1 import provenance_pb2
from lace.runs.v1 import runs_pb2
from lace_client import LaceClient
from lace_core.errors import LaceError, Reason
from lace_platform.ids import new_id
from tests.e2e.conftest import RunningInstallation

FIRST = """# Ferry line

## Costs

The ferry line cost 3.1 million pounds in 2021. The city paid 2.0 million pounds of it. Tickets paid the rest of the
costs within four years. The boats were bought from a yard in Leith for 1.4 million pounds.

## Boats

Two boats cross the firth every hour. Each boat carries 140 people. The older boat was built in 2012 and was repaired in
2019. The newer boat runs on batteries and crosses in eleven minutes.
"""


@pytest.fixture
def other(installation: RunningInstallation) -> Iterator[LaceClient]:
    """Another principal of the tenant, with as much right."""

    def made(path: str, **body: object) -> dict[str, str]:
        headers = {"authorization": f"Bearer {installation.token}", "idempotency-key": new_id("idk")}
        answer = httpx.post(f"{installation.url}{path}", json=body, headers=headers, timeout=30, trust_env=False)
        found: dict[str, str] = answer.raise_for_status().json()
        return found

    principal = made("/v1/principals", name="other", roles=["system_admin"])
    token = made("/v1/tokens", name="other", principal_id=principal["principal_id"])
    with LaceClient(installation.url, token["secret"]) as opened:
        yield opened


def ended(api: LaceClient, run_id: str) -> runs_pb2.Run:
    for _ in api.watch_run(run_id):
        pass
    run = api.get_run(run_id)
    assert run.state == runs_pb2.RUN_STATE_SUCCEEDED, run.error_message
    return run


def recorded(api: LaceClient, run_id: str) -> list[provenance_pb2.TransformationLog]:
    """The logs of the run's steps, once all have come in over the bus."""
    steps = {step.step_id for step in api.list_steps(run_id)}
    until = time.monotonic() + 30
    while True:
        logs = list(api.run_provenance(run_id))
        if steps <= {log.activity_name for log in logs}:
            return logs
        assert time.monotonic() < until, steps - {log.activity_name for log in logs}
        time.sleep(0.05)


@pytest.mark.slow
def test_a_private_bundle_and_what_is_written_from_it(client: LaceClient, other: LaceClient, tmp_path: Path) -> None:
    path = tmp_path / f"{new_id('x')}.md"
    path.write_text(FIRST)
    given = client.ingest([path], private=True)
    ended(client, given.run_id)
    first = client.get_source(given.sources[0].source_id)
    [owner] = first.labels
    assert owner == f"owner:{first.created_by}"
    name = new_id("b")
    made = client.bundles.create(name, [first.source_id])
    assert list(made.labels) == [owner]

    path.write_text(FIRST + "\nThe line carried 900 people a day in 2023.\n")
    newer = client.ingest([path], version_of=first.source_id)
    ended(client, newer.run_id)
    second = client.bundles.refresh(name)
    assert (second.version, list(second.source_ids)) == (2, [newer.sources[0].source_id])

    started = client.start_run(
        "generate", title="The ferry line", bundle=f"{name}", bundle_version=1, targets=["md"],
        settings={"runs.target_words": 300},
    )  # fmt: skip
    run = ended(client, started.run_id)
    assert (run.bundle_id, run.bundle_version, list(run.source_ids)) == (made.bundle_id, 1, [first.source_id])
    logs = recorded(client, run.run_id)
    used = {(e.entity_id, e.content_hash) for log in logs for e in log.inputs if e.kind == "bundle"}
    assert used == {(made.bundle_id, made.latest.sha256)}

    document = client.get_artifact(run.artifact_id)
    assert {label for source in document.sources for label in source.labels} == {owner}
    cited = [e for node in document.nodes for e in client.get_node(run.artifact_id, node.node_id).node.evidence]
    assert cited
    for evidence in cited:
        found = client.readings.quote(
            evidence.unit_id, start=evidence.start, end=evidence.end, quote_hash=evidence.quote_hash
        )
        assert (found.quote, found.matches) == (evidence.quote, True)
        assert found.quote_hash == hashlib.sha256(evidence.quote.encode()).hexdigest()

    root = document.nodes[0].node_id
    hidden: dict[str, Callable[[], object]] = {
        "document": lambda: other.get_artifact(run.artifact_id),
        "section": lambda: other.get_node(run.artifact_id, root),
        "revisions": lambda: list(other.list_revisions(run.artifact_id)),
        "check": lambda: other.verify_artifact(run.artifact_id),
        "change": lambda: other.start_run("expand", artifact_id=run.artifact_id),
        "way back": lambda: other.rollback_artifact(run.artifact_id, document.revision_id, dry_run=True),
    }
    for what, ask in hidden.items():
        with pytest.raises(LaceError) as refused:
            ask()
        assert refused.value.reason is Reason.ARTIFACT_NOT_FOUND, what
    assert list(client.list_compiled(run.artifact_id))
    assert not list(other.list_compiled(run.artifact_id))
    refusals: dict[Reason, Callable[[], object]] = {
        Reason.SOURCE_NOT_FOUND: lambda: other.get_source(first.source_id),
        Reason.BUNDLE_NOT_FOUND: lambda: other.start_run("generate", title="T", bundle=name),
        Reason.UNIT_NOT_FOUND: lambda: other.readings.quote(cited[0].unit_id),
    }
    for reason, ask in refusals.items():
        with pytest.raises(LaceError) as refused:
            ask()
        assert refused.value.reason is reason
    assert first.source_id not in {source.source_id for source in other.list_sources()}
    assert name not in {bundle.name for bundle in other.bundles.list()}
    seen = {log.id for log in other.run_provenance(run.run_id)}
    assert seen < {log.id for log in logs}  # what rests on the source is not there for others
