"""What is different between two policies in force, by meaning: what became stricter, looser, or only other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from lace_core.ir import Constraints, GlossaryTerm
from lace_core.policies.in_force import PolicyInForce, Publishers, PublishRule
from lace_core.policies.model import REDACTED_BEFORE
from lace_core.policies.resolving import allows

Effect = Literal["stricter", "looser", "changed"]
_MORE_IS_STRICTER = ("min_citations_per_block", "min_words")
_TEXTS = ("audience", "tone", "language")
_LISTS = ("forbidden_phrases", "competency_questions")


@dataclass(frozen=True)
class PolicyChange:
    """A difference at a path; None on a side says that nothing stood there."""

    pointer: str
    effect: Effect
    before: Any
    after: Any


def compare(before: PolicyInForce, after: PolicyInForce) -> list[PolicyChange]:
    """Every difference, in the order of the parts; what a policy is called and where a value stands is none."""
    return [
        *_constraints("/constraints", before.constraints, after.constraints),
        *_sections(before, after),
        *_house_rules(before.house_rules, after.house_rules),
        *_prompts(before.prompts, after.prompts),
        *_redaction(before, after),
        *_models(before.models, after.models),
        *_publish(before.publish, after.publish),
    ]


def _constraints(at: str, old: Constraints, new: Constraints) -> Iterator[PolicyChange]:
    for name in ("must_cite", "no_split"):
        yield from _number(f"{at}/{name}", getattr(old, name), getattr(new, name), greater="stricter")
    for name in _MORE_IS_STRICTER:
        yield from _number(f"{at}/{name}", getattr(old, name), getattr(new, name), greater="stricter")
    yield from _number(f"{at}/max_words", old.max_words, new.max_words, greater="looser")
    for name in _TEXTS:
        if getattr(old, name) != getattr(new, name):
            yield PolicyChange(f"{at}/{name}", "changed", getattr(old, name), getattr(new, name))
    yield from _glossary(f"{at}/glossary", old.glossary or (), new.glossary or ())
    for name in _LISTS:
        yield from _items(f"{at}/{name}", getattr(old, name) or (), getattr(new, name) or ())
    yield from _allowed(f"{at}/allowed_fact_ids", old.allowed_fact_ids, new.allowed_fact_ids)
    yield from _items(f"{at}/locked", old.locked, new.locked)


def _number(pointer: str, old: Any, new: Any, *, greater: Effect) -> Iterator[PolicyChange]:
    if old == new:
        return
    less: Effect = "looser" if greater == "stricter" else "stricter"
    if old is None or new is None:
        # A flag that says no forbids nothing: setting it, or leaving it out, only says more.
        effect: Effect = "changed" if False in (old, new) else "stricter" if old is None else "looser"
    else:
        effect = greater if new > old else less
    yield PolicyChange(pointer, effect, old, new)


def _items(pointer: str, old: Sequence[str], new: Sequence[str]) -> Iterator[PolicyChange]:
    """Of lists in which each item forbids or asks for something."""
    for item in old:
        if item not in new:
            yield PolicyChange(pointer, "looser", item, None)
    for item in new:
        if item not in old:
            yield PolicyChange(pointer, "stricter", None, item)


def _allowed(pointer: str, old: Sequence[str] | None, new: Sequence[str] | None) -> Iterator[PolicyChange]:
    """Of lists in which each item is a permission, and no list at all permits everything."""
    if old is None or new is None:
        if old is not new:
            yield PolicyChange(pointer, "stricter" if old is None else "looser", _list(old), _list(new))
        return
    for item in old:
        if item not in new:
            yield PolicyChange(pointer, "stricter", item, None)
    for item in new:
        if item not in old:
            yield PolicyChange(pointer, "looser", None, item)


def _glossary(pointer: str, old: Sequence[GlossaryTerm], new: Sequence[GlossaryTerm]) -> Iterator[PolicyChange]:
    was, now = ({entry.term: entry for entry in terms} for terms in (old, new))
    for term in dict.fromkeys((*was, *now)):
        before, after = was.get(term), now.get(term)
        at = f"{pointer}/{term}"
        if before is None or after is None:
            avoids = (before or after or GlossaryTerm(term=term)).avoid
            effect: Effect = "changed" if not avoids else "stricter" if before is None else "looser"
            yield PolicyChange(at, effect, _plain(before), _plain(after))
            continue
        if before.definition != after.definition:
            yield PolicyChange(f"{at}/definition", "changed", before.definition, after.definition)
        yield from _items(f"{at}/avoid", before.avoid, after.avoid)


def _sections(before: PolicyInForce, after: PolicyInForce) -> Iterator[PolicyChange]:
    was, now = ({each.title.casefold(): each for each in policy.sections} for policy in (before, after))
    for key in dict.fromkeys((*was, *now)):
        title = (now.get(key) or was[key]).title
        old = was[key].constraints if key in was else Constraints()
        new = now[key].constraints if key in now else Constraints()
        yield from _constraints(f"/sections/{title}", old, new)


def _house_rules(before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> Iterator[PolicyChange]:
    for kind in sorted({*before, *after}):
        old, new = before.get(kind, ()), after.get(kind, ())
        pointer = f"/house_rules/{kind}"
        yield from (PolicyChange(pointer, "changed", rule, None) for rule in old if rule not in new)
        yield from (PolicyChange(pointer, "changed", None, rule) for rule in new if rule not in old)


def _prompts(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[PolicyChange]:
    for contract in sorted({*before, *after}):
        if before.get(contract) != after.get(contract):
            yield PolicyChange(f"/prompts/{contract}", "changed", before.get(contract), after.get(contract))


def _redaction(before: PolicyInForce, after: PolicyInForce) -> Iterator[PolicyChange]:
    old, new = (REDACTED_BEFORE.index(policy.redact_before) for policy in (before, after))
    if old != new:
        effect: Effect = "stricter" if new > old else "looser"
        yield PolicyChange("/redaction/before", effect, before.redact_before, after.redact_before)
    yield from _items("/redaction/kinds", before.redaction_kinds, after.redaction_kinds)
    yield from _items("/redaction/patterns", before.redaction_patterns, after.redaction_patterns)


def _models(old: Sequence[str] | None, new: Sequence[str] | None) -> Iterator[PolicyChange]:
    if old is None or new is None:
        yield from _allowed("/models/allow", old, new)
        return
    for name in old:
        if name not in new:
            yield PolicyChange("/models/allow", "changed" if allows(new, name) else "stricter", name, None)
    for name in new:
        if name not in old:
            yield PolicyChange("/models/allow", "changed" if allows(old, name) else "looser", None, name)


def _publish(old: PublishRule, new: PublishRule) -> Iterator[PolicyChange]:
    yield from _who(old.who, new.who)
    yield from _items("/publish/suites", old.suites, new.suites)
    percents = (old.min_supported_percent, new.min_supported_percent)
    yield from _number("/publish/min_supported_percent", *percents, greater="stricter")
    yield from _number(
        "/publish/empty_review_queue", old.empty_review_queue, new.empty_review_queue, greater="stricter"
    )


def _who(old: Sequence[Publishers], new: Sequence[Publishers]) -> Iterator[PolicyChange]:
    """Each of the rules must let who publishes, so that one more is stricter; one of the same policy is compared."""
    was, now = ({rule.policy.partition("@")[0]: rule for rule in rules} for rules in (old, new))
    for name in dict.fromkeys((*was, *now)):
        before, after = was.get(name), now.get(name)
        if before is None or after is None:
            yield PolicyChange(
                "/publish/who", "stricter" if before is None else "looser", _plain(before), _plain(after)
            )
            continue
        yield from _allowed("/publish/who/roles", before.roles, after.roles)
        yield from _allowed("/publish/who/principals", before.principals, after.principals)


def _list(items: Sequence[str] | None) -> list[str] | None:
    return None if items is None else list(items)


def _plain(value: Any) -> Any:
    return None if value is None else msgspec.json.decode(msgspec.json.encode(value))
