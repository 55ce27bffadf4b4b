"""A suite: its YAML text read into checks, with every mistake told by line, column and pointer."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from lace_core import marked_yaml
from lace_core.errors import Detail, LaceError, Reason
from lace_core.marked_yaml import MarkedYaml, MarkedYamlError, Problem, did_you_mean
from lace_core.suites.checks import RULES, AnyCheck, Check, ForbiddenClaim, ForbiddenWords, LlmJudge
from lace_core.suites.patterns import pattern_problem

_MOST_TOLD = 50
_MOST_CHECKS = 200
MOST_JUDGED = 10


class Suite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a document is held to. `lace_suite` is the version of the language, 1."""

    lace_suite: Annotated[int, Meta(ge=1, le=1, description="Version of the language: 1.")]
    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.-]{0,63}$", description="Name of the suite.")]
    checks: Annotated[tuple[AnyCheck, ...], Meta(min_length=1, max_length=_MOST_CHECKS)]
    description: Annotated[str, Meta(max_length=2000)] = ""

    def named_checks(self) -> Iterator[tuple[str, AnyCheck]]:
        """Each check with the name it goes by: its own, or its rule with the number of its place."""
        for number, check in enumerate(self.checks, 1):
            yield check.id or f"{rule_of(check)}-{number}", check


@dataclass(frozen=True)
class ReadSuite:
    """A suite with the text that it was read from, and the SHA-256 of that."""

    suite: Suite
    text: str
    sha256: str


def rule_of(check: Check) -> str:
    """The name of a check's rule."""
    return str(check.__struct_config__.tag)


@lru_cache(maxsize=1)
def json_schema() -> dict[str, Any]:
    """The language as JSON Schema (2020-12)."""
    schema = msgspec.json.schema(Suite)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "LACE suite: tests of a document",
        **schema,
    }


@lru_cache(maxsize=1)
def _head_schema() -> dict[str, Any]:
    """What holds of a suite, whatever its checks are."""
    head = dict(json_schema()["$defs"]["Suite"])
    checks = {"type": "array", "minItems": 1, "maxItems": _MOST_CHECKS, "items": {"type": "object"}}
    return {**head, "properties": {**head["properties"], "checks": checks}}


def _rule_schema(kind: type[Check]) -> dict[str, Any]:
    """What holds of one kind of check."""
    return {"$ref": f"#/$defs/{kind.__name__}", "$defs": json_schema()["$defs"]}


def parse(text: str | bytes) -> ReadSuite:
    """The suite of a YAML text. Raises LaceError SUITE_RULE_UNKNOWN, SUITE_INVALID; the details name every place."""
    try:
        marked = marked_yaml.read(text)
    except MarkedYamlError as error:
        raise _refused(Reason.SUITE_INVALID, [error.problem]) from None
    if unknown := list(_unknown_rules(marked)):
        raise _refused(Reason.SUITE_RULE_UNKNOWN, unknown)
    problems = list(_problems(marked))
    if problems:
        raise _refused(Reason.SUITE_INVALID, problems)
    raw = text.encode() if isinstance(text, str) else text
    suite = msgspec.convert(marked.value, Suite)
    if late := list(_late_problems(marked, suite)):
        raise _refused(Reason.SUITE_INVALID, late)
    return ReadSuite(suite, raw.decode(), hashlib.sha256(raw).hexdigest())


def _refused(reason: Reason, problems: list[Problem]) -> LaceError:
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    details = [Detail(problem.pointer, str(problem)) for problem in problems[:_MOST_TOLD]]
    return LaceError(reason, f"{problems[0]}{more}", details=details)


def _checks(marked: MarkedYaml) -> list[Any]:
    found = marked.value.get("checks") if isinstance(marked.value, dict) else None
    return found[:_MOST_CHECKS] if isinstance(found, list) else []


def _unknown_rules(marked: MarkedYaml) -> Iterator[Problem]:
    for number, check in enumerate(_checks(marked)):
        rule = check.get("rule") if isinstance(check, dict) else None
        if isinstance(rule, str) and rule not in RULES:
            message = f"There is no rule {rule[:100]!r}.{did_you_mean(rule, RULES)}"
            yield marked.problem(f"/checks/{number}/rule", message)


def _problems(marked: MarkedYaml) -> Iterator[Problem]:
    yield from marked_yaml.schema_problems(marked, _head_schema())
    for number, check in enumerate(_checks(marked)):
        if not isinstance(check, dict):
            continue
        at = f"/checks/{number}"
        rule = check.get("rule")
        if isinstance(rule, str):
            yield from marked_yaml.schema_problems(marked, _rule_schema(RULES[rule]), at)
        else:
            yield marked.problem(f"{at}/rule", f"A check needs a rule.{did_you_mean('', RULES)}")


def _late_problems(marked: MarkedYaml, suite: Suite) -> Iterator[Problem]:
    """What no schema can say."""
    names = Counter(name for name, _ in suite.named_checks())
    judged = 0
    for number, (name, check) in enumerate(suite.named_checks()):
        at = f"/checks/{number}"
        if names[name] > 1:
            yield marked.problem(f"{at}/id", f"{names[name]} checks are named {name!r}; give each a name of its own.")
        judged += isinstance(check, LlmJudge)
        if judged > MOST_JUDGED and isinstance(check, LlmJudge):
            yield marked.problem(at, f"There are more than {MOST_JUDGED} checks for a model.")
        low, high = getattr(check, "at_least", None), getattr(check, "at_most", None)
        if low is not None and high is not None and low > high:
            yield marked.problem(f"{at}/at_least", f"Nothing is at least {low} and at most {high}.")
        yield from _pattern_problems(marked, at, check)


def _pattern_problems(marked: MarkedYaml, at: str, check: AnyCheck) -> Iterator[Problem]:
    given: list[tuple[str, str]] = []
    if isinstance(check, ForbiddenClaim):
        if bool(check.claim) == bool(check.pattern):
            yield marked.problem(at, "Give a claim or a pattern: one of them.")
        given = [(f"{at}/pattern", check.pattern)] if check.pattern else []
    elif isinstance(check, ForbiddenWords):
        if not check.words and not check.patterns:
            yield marked.problem(at, "Give words or patterns.")
        given = [(f"{at}/patterns/{place}", pattern) for place, pattern in enumerate(check.patterns)]
    for pointer, pattern in given:
        if said := pattern_problem(pattern):
            yield marked.problem(pointer, said)
