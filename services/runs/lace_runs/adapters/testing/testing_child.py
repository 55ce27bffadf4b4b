"""Runs a suite in a child process: its entry, and what travels to it and back."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from lace_core.ir import Artifact
from lace_core.suites.facts import Facts
from lace_core.suites.results import SuiteResult
from lace_core.suites.running import run_suite
from lace_core.suites.suite import parse


class Order(Struct, frozen=True):
    """A suite by its text, the document, and what is told beside it."""

    text: str
    artifact: Artifact
    facts: Facts


def run(argument: bytes) -> bytes:
    """JSON of the SuiteResult to the JSON of an Order; the entry of the child process."""
    order = msgspec.json.decode(argument, type=Order)
    return msgspec.json.encode(run_suite(parse(order.text), order.artifact, order.facts))


def pack(order: Order) -> bytes:
    """The argument of `run`."""
    return msgspec.json.encode(order)


def decode(answer: bytes) -> SuiteResult:
    """The result out of what `run` gave. Raises ValueError for what it cannot have given."""
    return msgspec.json.decode(answer, type=SuiteResult)
