"""Log lines carry the ids of what they are about."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import structlog
from opentelemetry import context, propagate

from lace_platform import telemetry
from lace_platform.auth import Identity
from lace_platform.config import ProcessConfig, load_process_config
from lace_platform.rpc import CallContext, acting_as

_SECRETS = {"LACE_DB_ROLE_SECRET": "a", "LACE_SERVICE_SECRET": "b", "LACE_URL_SIGNING_SECRET": "c"}


@pytest.fixture
def config() -> ProcessConfig:
    return load_process_config(None, _SECRETS)


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What went to standard error; logging is put back as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(written: Callable[[], str]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in written().splitlines()]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_it_is_known_whether_a_line_would_be_written(
    written: Callable[[], str], config: ProcessConfig, level: Any
) -> None:
    telemetry.configure("runs", replace(config, log_level=level))
    telemetry.get_logger().info("said")
    assert telemetry.is_logged(logging.INFO) is bool(written())
    assert telemetry.is_logged(logging.ERROR)


def test_a_line_says_what_it_belongs_to(written: Callable[[], str], config: ProcessConfig) -> None:
    telemetry.configure("runs", config)
    now = datetime.now(UTC)
    none: frozenset[str] = frozenset()
    identity = Identity("prn", "ten", none, none, none, "run", "run_1", None, now, now, 0)
    with acting_as(CallContext(identity, "req_1", "cor_1")), telemetry.bind(step_id="stp_1"):
        telemetry.get_logger().info("step_done", ms=5)
    telemetry.get_logger().info("later")
    first, second = _lines(written)
    expected = {
        "event": "step_done",
        "service": "runs",
        "run_id": "run_1",
        "step_id": "stp_1",
        "correlation_id": "cor_1",
        "ms": 5,
        "level": "info",
    }
    assert {name: first[name] for name in expected} == expected
    assert first["timestamp"].endswith("Z")
    assert "step_id" not in second
    assert "correlation_id" not in second


def test_trace_id_of_the_caller_is_on_the_line(written: Callable[[], str], config: ProcessConfig) -> None:
    telemetry.configure("runs", config)
    parent = propagate.extract({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    token = context.attach(parent)
    telemetry.get_logger().info("traced")
    context.detach(token)
    assert _lines(written)[0]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


def test_level_is_kept_and_exceptions_are_written_whole(written: Callable[[], str], config: ProcessConfig) -> None:
    telemetry.configure("runs", replace(config, log_level="warning"))
    telemetry.get_logger().info("too low")
    try:
        raise ValueError("broken")
    except ValueError:
        telemetry.get_logger().exception("failed")
    (line,) = _lines(written)
    assert "ValueError: broken" in line["exception"]


def test_libraries_write_the_same_form(written: Callable[[], str], config: ProcessConfig) -> None:
    telemetry.configure("runs", config)
    logging.getLogger("some.library").warning("watch %s", "out")
    logging.getLogger("some.library").info("chatter")
    (line,) = _lines(written)
    assert (line["event"], line["level"], line["service"]) == ("watch out", "warning", "runs")


def test_console_form(written: Callable[[], str], config: ProcessConfig) -> None:
    telemetry.configure("runs", replace(config, log_format="console"))
    telemetry.get_logger().info("hello", number=1)
    text = written()
    assert "hello" in text
    assert "number=1" in text


def test_metrics_are_in_prometheus_form() -> None:
    assert b"# HELP python_info" in telemetry.metrics()


def test_a_standard_error_that_was_replaced_and_closed_does_not_silence_the_logs(
    config: ProcessConfig, written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stderr", first)
    telemetry.configure("test", config)
    telemetry.get_logger().info("one")
    monkeypatch.setattr("sys.stderr", second)
    first.close()
    telemetry.get_logger().info("two")
    assert '"event":"two"' in second.getvalue().replace(": ", ":")
