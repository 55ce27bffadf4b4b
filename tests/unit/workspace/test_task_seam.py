"""What asks for work knows the seam alone: no code of queues in the HTTP layer, in servicers or in use cases."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GATEWAY = ROOT / "services" / "gateway" / "lace_gateway"
LLM = ROOT / "services" / "llm_gateway" / "lace_llm_gateway"
QUEUE_MODULES = ("lace_platform.bus", "lace_platform.outbox", "lace_platform.jobs", "aiokafka", "celery", "redis")
QUEUE_NAMES = {"QueueTaskRunner", "RequestedWork", "BatchConsumer", "OutboxRelay"}
# Who takes from the queue, and who builds it.
ALLOWED = {LLM / "api" / "consumers.py", LLM / "app" / "batches" / "tasks.py"}


def _guarded() -> list[Path]:
    folders = (GATEWAY, LLM / "api", LLM / "app", LLM / "domain")
    return [path for folder in folders for path in sorted(folder.rglob("*.py")) if path not in ALLOWED]


def _offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(QUEUE_MODULES))
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            named = [f"{module}.{alias.name}" for alias in node.names]
            yield from (name for name in named if name.startswith(QUEUE_MODULES))
            yield from (alias.name for alias in node.names if alias.name in QUEUE_NAMES)
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in QUEUE_NAMES:
                yield name


def test_nothing_that_asks_for_work_knows_the_queue() -> None:
    found = {str(path.relative_to(ROOT)): list(_offences(path.read_text())) for path in _guarded()}
    assert {path: offences for path, offences in found.items() if offences} == {}


def test_the_guard_looks_at_the_http_layer_and_the_servicers() -> None:
    names = {path.name for path in _guarded()}
    assert {"template_servicer.py", "batch_servicer.py", "run_batch.py", "run_template.py"} <= names
    assert any(path.is_relative_to(GATEWAY / "api") for path in _guarded())


@pytest.mark.parametrize(
    "source",
    [
        "import aiokafka",
        "import celery.app",
        "from lace_platform import bus",
        "from lace_platform.bus import Envelope",
        "from lace_platform import outbox",
        "from lace_llm_gateway.app.batches.tasks import QueueTaskRunner",
        "from lace_llm_gateway.app.batches import tasks\nrunner = tasks.QueueTaskRunner",
    ],
)
def test_the_guard_finds_what_it_must(source: str) -> None:
    assert list(_offences(source))


def test_the_guard_lets_the_seam_pass() -> None:
    assert not list(_offences("from lace_llm_gateway.app.batches.tasks import TaskRunner"))
