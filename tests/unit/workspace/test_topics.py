"""The registry of topics names all that is published and consumed, and nobody consumes what it does not name."""

from __future__ import annotations

import re
from pathlib import Path

from lace_compiler.api import consumers as compiler
from lace_control.api import consumers as control
from lace_core.topics import TOPICS
from lace_ingest.api import consumers as ingest
from lace_llm_gateway.api import consumers as llm_gateway
from lace_provenance.api import consumers as provenance
from lace_runs.api import consumers as runs
from lace_runs.app import rollback
from lace_runs.app.runs import DISPATCH_TOPIC
from lace_runs.domain import openlineage
from lace_runs.domain.event_types import EVENT_TYPES

ROOT = Path(__file__).parents[3]
# 000 section 6.E, the least that there must be.
_ASKED = """
pipeline.run.requested pipeline.run.started pipeline.run.progress pipeline.run.pause.requested pipeline.run.paused
pipeline.run.resume.requested pipeline.run.resumed pipeline.run.completed pipeline.run.failed pipeline.run.cancelled
pipeline.step.started pipeline.step.progress pipeline.step.completed pipeline.step.failed pipeline.llm.prompt
pipeline.llm.response pipeline.llm.usage pipeline.validation.result pipeline.apply.result pipeline.compile.result
pipeline.warning pipeline.error compile.requested rollback.requested provenance.logged openlineage.start
openlineage.complete
""".split()


def test_every_topic_that_was_asked_for_is_there() -> None:
    assert set(_ASKED) <= set(TOPICS)


def test_every_type_of_event_has_its_topic() -> None:
    assert {name for name, topic in TOPICS.items() if topic.is_event} == set(EVENT_TYPES)
    assert {openlineage.START_TOPIC, openlineage.COMPLETE_TOPIC} <= set(TOPICS)


def test_groups_are_those_that_subscribe() -> None:
    assert TOPICS[compiler.COMPILE_REQUESTED].groups == (compiler.GROUP,)
    assert TOPICS[ingest.REQUESTED].groups == (ingest.GROUP,)
    assert TOPICS[ingest.IMPORT_REQUESTED].groups == (ingest.IMPORT_GROUP,)
    assert TOPICS[ingest.CANCELLED].groups == (ingest.CANCEL_GROUP,)
    assert TOPICS[provenance.TOPIC].groups == (provenance.GROUP,)
    assert TOPICS[control.TOPIC].groups == (control.GROUP,)
    assert TOPICS[llm_gateway.BATCH_REQUESTED].groups == (llm_gateway.GROUP,)
    of_runs = {name for name, topic in TOPICS.items() if runs.GROUP in topic.groups}
    assert of_runs == {DISPATCH_TOPIC, rollback.TOPIC, *runs._RESULTS}


def test_no_subscription_is_left_out() -> None:
    """Each call of `subscribe` on a bus is in a file whose constants are compared above."""
    consumers = (compiler, control, ingest, llm_gateway, provenance, runs)
    known = {Path(module.__file__) for module in consumers if module.__file__}
    files = (path for path in (ROOT / "services").rglob("*.py") if re.search(r"\bbus\.subscribe\(", path.read_text()))
    assert set(files) == known
