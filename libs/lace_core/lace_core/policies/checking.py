"""Checking policies that are files, without a server: each by itself, and against those that it extends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lace_core.policies.chain import Reference, at_key, joined, parent_of
from lace_core.policies.findings import PolicyFinding, PolicyRefused, ordered
from lace_core.policies.parsing import Parsed, examine
from lace_core.policies.resolving import resolve


@dataclass(frozen=True)
class Checked:
    """What was found in one file; `chain` is the policy with all that it extends, None where that is not known."""

    findings: Sequence[PolicyFinding]
    chain: tuple[Parsed, ...] | None = None

    @property
    def is_valid(self) -> bool:
        """Whether no error is among the findings."""
        return not any(found.severity == "error" for found in self.findings)


def check_files(texts: Mapping[str, bytes], beside: Iterable[bytes] = ()) -> dict[str, Checked]:
    """What is wrong with each of the texts, by its name; `beside` are others that they may extend.

    A policy that extends one which is in none of them is checked by itself, and a warning says so.
    """
    examined = {name: examine(text) for name, text in texts.items()}
    known = [parsed for parsed, _ in examined.values() if parsed is not None]
    known += [parsed for parsed in (examine(text)[0] for text in beside) if parsed is not None]
    return {
        name: Checked(findings) if parsed is None else _checked(parsed, known)
        for name, (parsed, findings) in examined.items()
    }


def _checked(policy: Parsed, known: Sequence[Parsed]) -> Checked:
    chain: tuple[Parsed, ...] = (policy,)
    others = [each for each in known if each.name == policy.name and each.sha256 != policy.sha256]
    if others:
        message = f"Another file here is {policy.name} too; count the version up."
        return Checked(at_key(policy, "/version", "VALUE", message).findings)
    while (wanted := parent_of(chain[-1])) is not None:
        parent = _find(known, wanted)
        if parent is None:
            return Checked(_unknown(chain, wanted))
        try:
            chain = joined(chain, parent)
        except PolicyRefused as error:
            return Checked(error.findings)
    return Checked(resolve(chain).findings, chain)


def _find(known: Sequence[Parsed], wanted: Reference) -> Parsed | None:
    same = [each for each in known if each.policy.policy == wanted.name]
    if wanted.version:
        return next((each for each in same if each.policy.version == wanted.version), None)
    return max(same, key=lambda each: each.policy.version, default=None)


def _unknown(chain: Sequence[Parsed], wanted: Reference) -> list[PolicyFinding]:
    """What the policy says by itself, and that what it extends was not looked at."""
    of = f" (extended by {chain[-1].name})" if len(chain) > 1 else ""
    message = f"{wanted}{of} is in no file here, so this was checked without it; the server says more."
    problem = chain[0].marked.problem("/extends", message, "PARENT_UNKNOWN")
    return ordered([PolicyFinding.of(problem, "warning"), *resolve(chain).findings])
