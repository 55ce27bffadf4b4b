"""What a schema cannot say of a policy: patterns that can be read, words that do not contradict one another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import re2
from msgspec import UNSET

from lace_core.contracts import CONTRACTS
from lace_core.marked_yaml import MarkedYaml, Problem, did_you_mean
from lace_core.policies.model import Models, Policy, Rules, Term
from lace_core.settings import SETTINGS

_PATTERN_MEMORY = 8 << 20
_MODEL = re.compile(r"[^*?\[\]\s]+\*?")
_PROVIDER_SETTINGS = ("llm.provider", "llm.embedding_provider", "llm.rerank_provider")
PROVIDERS = tuple(sorted({name for key in _PROVIDER_SETTINGS for name in SETTINGS[key].choices}))


def problems_of_meaning(policy: Policy, marked: MarkedYaml) -> Iterator[Problem]:
    """Everything that is wrong beyond the schema, part by part."""
    if policy.extends in (policy.policy, f"{policy.policy}@{policy.version}"):
        chain = f"{policy.policy}@{policy.version} → {policy.extends}"
        yield marked.problem("/extends", f"A policy cannot extend itself: {chain}.", "LOOP")
    yield from _rules(policy.constraints, "/constraints", marked)
    yield from _sections(policy, marked)
    for index, pattern in enumerate(policy.redaction.patterns):
        problem = pattern_problem(pattern)
        if problem:
            yield marked.problem(f"/redaction/patterns/{index}", problem, "PATTERN")
    for contract in policy.prompts:
        if contract not in CONTRACTS:
            message = f"There is no contract {contract[:100]}.{did_you_mean(contract, CONTRACTS)}"
            yield marked.problem(f"/prompts/{contract.replace('~', '~0').replace('/', '~1')}", message)
    if isinstance(policy.models, Models):
        yield from _models(policy.models, marked)


def _sections(policy: Policy, marked: MarkedYaml) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, section in enumerate(policy.sections):
        at = f"/sections/{index}"
        problem = glob_problem(section.title)
        key = section.title.casefold()
        if key in seen:
            problem = f"The same heading stands in /sections/{seen[key]}; write both as one."
        if problem:
            yield marked.problem(f"{at}/title", problem, "PATTERN")
        seen.setdefault(key, index)
        yield from _rules(section.constraints, f"{at}/constraints", marked)


def glob_problem(pattern: str) -> str:
    """What is wrong with a pattern of headings; empty where nothing is."""
    if not pattern.strip():
        return "The heading is empty; * stands for every one."
    opened = pattern.rfind("[")
    if opened >= 0 and "]" not in pattern[opened + 2 :]:
        return f"The [ in {pattern!r} is never closed; write [[] for the letter itself."
    return ""


def pattern_problem(pattern: str) -> str:
    """What is wrong with a regular expression of what is to be redacted; empty where nothing is."""
    options = re2.Options()
    options.max_mem, options.log_errors = _PATTERN_MEMORY, False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        told = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        return f"{pattern!r} cannot be read as a regular expression (RE2): {told}."
    if compiled.groupindex:
        return f"{pattern!r} names a group; write (…) without a name."
    return f"{pattern!r} matches where there is nothing." if compiled.fullmatch("") else ""


def _rules(rules: Rules, at: str, marked: MarkedYaml) -> Iterator[Problem]:
    values: Mapping[str, object] = {name: getattr(rules, name) for name in rules.__struct_fields__}
    low, high = values["min_words"], values["max_words"]
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield marked.problem(f"{at}/min_words", f"At least {low} words and at most {high} cannot both hold.")
    for index, name in enumerate(rules.locked):
        if name in rules.locked[:index]:
            yield marked.problem(f"{at}/locked/{index}", f"{name} is there twice.")
    phrases = rules.forbidden_phrases if rules.forbidden_phrases is not UNSET else ()
    for index, phrase in enumerate(phrases):
        if not phrase.strip():
            yield marked.problem(f"{at}/forbidden_phrases/{index}", "The phrase is empty.")
    if rules.glossary is not UNSET:
        yield from _terms(rules.glossary, phrases, f"{at}/glossary", marked)


def _terms(glossary: Sequence[Term], phrases: Sequence[str], at: str, marked: MarkedYaml) -> Iterator[Problem]:
    wanted: dict[str, int] = {}
    forbidden = [phrase.casefold() for phrase in phrases if phrase.strip()]
    for index, entry in enumerate(glossary):
        key = entry.term.strip().casefold()
        if not key or key in wanted:
            said = f"{entry.term!r} is explained twice." if key else "The term is empty."
            yield marked.problem(f"{at}/{index}/term", said)
        wanted.setdefault(key, index)
        if any(phrase in key for phrase in forbidden):
            yield marked.problem(f"{at}/{index}/term", f"{entry.term!r} is to be used, and holds a forbidden phrase.")
    for index, entry in enumerate(glossary):
        for place, word in enumerate(entry.avoid):
            here = f"{at}/{index}/avoid/{place}"
            if not word.strip():
                yield marked.problem(here, "The word to avoid is empty.")
            elif word.strip().casefold() in wanted:
                yield marked.problem(here, f"{word!r} is to be avoided for {entry.term!r}, and is a term itself.")


def _models(models: Models, marked: MarkedYaml) -> Iterator[Problem]:
    for index, allowed in enumerate(models.allow):
        provider, slash, model = allowed.partition("/")
        at = f"/models/allow/{index}"
        if provider not in PROVIDERS:
            yield marked.problem(at, f"There is no provider {provider!r}.{did_you_mean(provider, PROVIDERS)}")
        elif slash and not _MODEL.fullmatch(model):
            yield marked.problem(
                at, f"{allowed!r} names no model; write provider/model, provider/begin* or the provider."
            )
