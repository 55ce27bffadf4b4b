"""Every failure is told in words with its code and what to do, and never as a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lace_cli import failures
from lace_cli.failures import FAILED, NOT_ALLOWED, NOT_FOUND, CommandError, explain, show
from lace_core.errors import Detail, LaceError, Reason
from lace_standalone.bootstrap import PortTakenError, TokenLostError
from lace_standalone.embedded_postgres import EmbeddedPostgresError
from lace_standalone.folder import AlreadyRunningError, RunningInstance


def test_a_coded_failure_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(LaceError(Reason.RUN_NOT_FOUND, "No run run_x."), as_json=False) == NOT_FOUND
    told = capsys.readouterr().err
    assert told.splitlines()[0] == "lace: No run run_x. [RUN_NOT_FOUND]"
    assert "lace runs" in told


def test_details_that_the_message_does_not_hold_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    error = LaceError(Reason.INVALID_ARGUMENT, "Two fields are wrong.", details=[Detail("/title", "is too long")])
    show(error, as_json=False)
    assert "/title: is too long" in capsys.readouterr().err


@pytest.mark.parametrize("reason", [Reason.TOKEN_INVALID, Reason.TOKEN_MISSING, Reason.PERMISSION_DENIED])
def test_refusals_have_an_exit_code_of_their_own(reason: Reason) -> None:
    assert explain(LaceError(reason, "no")).exit_code == NOT_ALLOWED


def test_when_to_try_again_is_told() -> None:
    assert "Try again in 2 s." in explain(LaceError(Reason.RATE_LIMITED, "slow down", retry_after=2.0)).advice


def test_programs_get_json(capsys: pytest.CaptureFixture[str]) -> None:
    show(CommandError("No.", code="NOT_RUNNING", advice="Start it."), as_json=True)
    told = json.loads(capsys.readouterr().err)
    assert (told["error_code"], told["message"], told["advice"]) == ("NOT_RUNNING", "No.", "Start it.")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AlreadyRunningError(Path(".lace"), RunningInstance("http://127.0.0.1:8080", 7)), "ALREADY_RUNNING"),
        (PortTakenError("taken"), "PORT_TAKEN"),
        (TokenLostError("lost"), "TOKEN_LOST"),
        (EmbeddedPostgresError("initdb failed"), "DATABASE_NOT_STARTED"),
        (FileNotFoundError(2, "No such file or directory", "brief.txt"), "SYSTEM_ERROR"),
        (ZeroDivisionError("division by zero"), "UNEXPECTED"),
    ],
)
def test_every_kind_of_failure_has_a_code(error: Exception, code: str) -> None:
    told = explain(error)
    assert (told.code, told.exit_code) == (code, FAILED)
    assert told.message


def test_advice_is_for_reasons_that_there_are() -> None:
    assert set(failures._ADVICE) <= {reason.value for reason in Reason}
    assert set(failures._NOT_ALLOWED) <= {reason.value for reason in Reason}
