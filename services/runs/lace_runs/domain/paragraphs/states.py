"""The life of a paragraph as one table.

A paragraph is a draft until somebody writes it: a run (generating), or a person, whose sentences are held against
their facts before they are shown (verifying). What came of it decides the state: all stands (verified), some does
(partial), nothing does (unsupported). A run that fails or is cancelled makes it failed, with the run's cause, in the
transaction that ends the run; an earlier text stays what it was. While something writes or verifies it nobody else
may: whoever wants to cancels the run first. A deleted paragraph never changes again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from lace_core.errors import LaceError, Reason


class ParagraphState(StrEnum):
    """Where a paragraph is in its life."""

    DRAFT = "draft"
    GENERATING = "generating"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    PARTIAL = "partial"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    DELETED = "deleted"


class ParagraphTrigger(StrEnum):
    """What moves a paragraph: what is asked of it, and what came of writing and verifying it."""

    GENERATE = "generate"
    VERIFY = "verify"
    EDIT = "edit"
    CHANGE_SPEC = "change_spec"
    LAND = "land"
    DELETE = "delete"
    ALL_STAND = "all_stand"
    SOME_STAND = "some_stand"
    NONE_STANDS = "none_stands"
    FAIL = "fail"


_S, _T = ParagraphState, ParagraphTrigger

# Every transition there is; a pair that is not here is refused.
TRANSITIONS: Mapping[tuple[ParagraphState, ParagraphTrigger], ParagraphState] = {
    (_S.DRAFT, _T.GENERATE): _S.GENERATING,
    (_S.DRAFT, _T.EDIT): _S.VERIFYING,
    (_S.DRAFT, _T.CHANGE_SPEC): _S.DRAFT,
    (_S.DRAFT, _T.DELETE): _S.DELETED,
    (_S.GENERATING, _T.ALL_STAND): _S.VERIFIED,
    (_S.GENERATING, _T.SOME_STAND): _S.PARTIAL,
    (_S.GENERATING, _T.NONE_STANDS): _S.UNSUPPORTED,
    (_S.GENERATING, _T.FAIL): _S.FAILED,
    (_S.VERIFYING, _T.ALL_STAND): _S.VERIFIED,
    (_S.VERIFYING, _T.SOME_STAND): _S.PARTIAL,
    (_S.VERIFYING, _T.NONE_STANDS): _S.UNSUPPORTED,
    (_S.VERIFYING, _T.FAIL): _S.FAILED,
    (_S.VERIFIED, _T.GENERATE): _S.GENERATING,
    (_S.VERIFIED, _T.VERIFY): _S.VERIFYING,
    (_S.VERIFIED, _T.EDIT): _S.VERIFYING,
    (_S.VERIFIED, _T.CHANGE_SPEC): _S.DRAFT,
    (_S.VERIFIED, _T.LAND): _S.VERIFIED,
    (_S.VERIFIED, _T.DELETE): _S.DELETED,
    (_S.PARTIAL, _T.GENERATE): _S.GENERATING,
    (_S.PARTIAL, _T.VERIFY): _S.VERIFYING,
    (_S.PARTIAL, _T.EDIT): _S.VERIFYING,
    (_S.PARTIAL, _T.CHANGE_SPEC): _S.DRAFT,
    (_S.PARTIAL, _T.LAND): _S.PARTIAL,
    (_S.PARTIAL, _T.DELETE): _S.DELETED,
    (_S.UNSUPPORTED, _T.GENERATE): _S.GENERATING,
    (_S.UNSUPPORTED, _T.VERIFY): _S.VERIFYING,
    (_S.UNSUPPORTED, _T.EDIT): _S.VERIFYING,
    (_S.UNSUPPORTED, _T.CHANGE_SPEC): _S.DRAFT,
    (_S.UNSUPPORTED, _T.DELETE): _S.DELETED,
    (_S.FAILED, _T.GENERATE): _S.GENERATING,
    (_S.FAILED, _T.VERIFY): _S.VERIFYING,
    (_S.FAILED, _T.EDIT): _S.VERIFYING,
    (_S.FAILED, _T.CHANGE_SPEC): _S.DRAFT,
    (_S.FAILED, _T.LAND): _S.FAILED,  # the text of before still stands
    (_S.FAILED, _T.DELETE): _S.DELETED,
}

UNDER_WAY = frozenset(state for state, trigger in TRANSITIONS if trigger is ParagraphTrigger.FAIL)
"""The states that somebody's work ends: what a run's failure moves."""


def transition(state: ParagraphState, trigger: ParagraphTrigger) -> ParagraphState:
    """The state after the trigger; raises LaceError PARAGRAPH_TRANSITION_ILLEGAL for a pair not in the table."""
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        verb = trigger.value.replace("_", " ")
        hint = " Cancel its run, or wait for it." if state in UNDER_WAY else ""
        message = f"A paragraph that is {state.value} takes no {verb}.{hint}"
        raise LaceError(Reason.PARAGRAPH_TRANSITION_ILLEGAL, message) from None


def outcome(standing: int, withheld: int, unmet: int) -> ParagraphTrigger:
    """What came of writing or verifying: of so many sentences, and of the rules that are not met."""
    if not standing:
        return ParagraphTrigger.NONE_STANDS
    return ParagraphTrigger.SOME_STAND if withheld or unmet else ParagraphTrigger.ALL_STAND
