"""Checks that no passage of a document states what it must not, found as evidence is held against a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from lace_core.suites import checks
from lace_core.suites.passages import Passage, Reading
from lace_core.suites.patterns import compiled_pattern
from lace_core.suites.results import Finding
from lace_core.verification.grounding import Verdict, verify
from lace_core.verification.wording import Statement, statements


def forbidden_claim(check: checks.ForbiddenClaim, reading: Reading) -> Iterator[Finding]:
    """Passages that state the claim, or hold the pattern."""
    sections, missing = reading.chosen(check.sections)
    yield from missing
    held = (passage for section in sections for passage in section.passages)
    if check.pattern:
        pattern = compiled_pattern(check.pattern)
        for passage in held:
            if found := pattern.search(passage.text):
                message = f"{found.group(0)!r} may not be stated; take it out."
                yield Finding(code="CLAIM_STATED", message=message, places=(passage.place,))
        return
    claims = statements(check.claim)
    for passage in held:
        if is_stated(check.claim, claims, passage):
            message = f"This states what may not be stated: {check.claim!r}; take it out or reword it."
            yield Finding(code="CLAIM_STATED", message=message, places=(passage.place,))


def is_stated(claim: str, claims: tuple[Statement, ...], passage: Passage) -> bool:
    """Whether a passage, taken as evidence, supports a claim; what denies the claim does not."""
    wanted = frozenset().union(*(statement.stems for statement in claims))
    there = frozenset().union(*(statement.stems for statement in statements(passage.stated)))
    # What supports a claim says nearly all its words; comparing the rest in full would take long.
    if len(wanted & there) * 2 < len(wanted):
        return False
    return verify(claim, [passage.stated]).verdict is Verdict.SUPPORTED
