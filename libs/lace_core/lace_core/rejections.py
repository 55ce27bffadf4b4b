"""The closed set of reasons for which a proposal, or an action of it, is refused; everyone who refuses names one."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RejectionCode(StrEnum):
    """Stable codes; one that was released is never renamed, and new ones come at the end of their part."""

    # the proposal as a text
    PROPOSAL_TOO_LARGE = "PROPOSAL_TOO_LARGE"
    NOT_JSON = "NOT_JSON"
    TOO_DEEP = "TOO_DEEP"
    NOT_THE_SCHEMA = "NOT_THE_SCHEMA"
    TOO_MANY_ACTIONS = "TOO_MANY_ACTIONS"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"
    TEXT_INVALID = "TEXT_INVALID"
    # the proposal as a whole
    DOCUMENT_BROKEN = "DOCUMENT_BROKEN"
    BASE_CHANGED = "BASE_CHANGED"
    # an action and the document
    KEY_REUSED = "KEY_REUSED"
    CONFLICT = "CONFLICT"
    NODE_NOT_FOUND = "NODE_NOT_FOUND"
    BLOCK_NOT_FOUND = "BLOCK_NOT_FOUND"
    SIBLING_NOT_FOUND = "SIBLING_NOT_FOUND"
    EVIDENCE_NOT_FOUND = "EVIDENCE_NOT_FOUND"
    ROOT_EXISTS = "ROOT_EXISTS"
    ROOT_STAYS = "ROOT_STAYS"
    CYCLE = "CYCLE"
    NODE_FINAL = "NODE_FINAL"
    STATE_ILLEGAL = "STATE_ILLEGAL"
    TABLE_RAGGED = "TABLE_RAGGED"
    # an action and what the run may do
    OUT_OF_SCOPE = "OUT_OF_SCOPE"
    REMOVAL_OUT_OF_SCOPE = "REMOVAL_OUT_OF_SCOPE"
    SHRINK_OUT_OF_SCOPE = "SHRINK_OUT_OF_SCOPE"
    SPLIT_OUT_OF_SCOPE = "SPLIT_OUT_OF_SCOPE"
    ACTION_NOT_ALLOWED = "ACTION_NOT_ALLOWED"
    NO_SPLIT = "NO_SPLIT"
    BLOCK_REPEATED = "BLOCK_REPEATED"
    # what would come of all actions together
    NODE_LOST = "NODE_LOST"
    TEXT_LOST = "TEXT_LOST"
    TEXT_CHANGED = "TEXT_CHANGED"
    CITATION_LOST = "CITATION_LOST"


_C = RejectionCode
REMEDIES: Mapping[RejectionCode, tuple[str, str]] = {
    _C.PROPOSAL_TOO_LARGE: ("The proposal has more bytes than are read.", "Send its actions in several proposals."),
    _C.NOT_JSON: ("The proposal is no JSON text.", "Send UTF-8 JSON; the pointer is empty, the message has the place."),
    _C.TOO_DEEP: ("Values are nested deeper than any action is.", "Send actions as the schema has them."),
    _C.NOT_THE_SCHEMA: (
        "What is at the pointer is not what the proposal's schema asks for there.",
        "Compare it with the schema (`lace_core.actions.proposal_schema`).",
    ),
    _C.TOO_MANY_ACTIONS: ("The proposal has more actions than are applied at once.", "Send several proposals."),
    _C.TEXT_TOO_LONG: ("A text is longer than is kept.", "Shorten it, or make several blocks of it."),
    _C.TEXT_INVALID: ("A text holds a lone surrogate or U+0000.", "Send well-formed Unicode without U+0000."),
    _C.DOCUMENT_BROKEN: (
        "The document is no tree of nodes in order, or an id is in it twice.",
        "Bring an earlier revision back (`lace rollback`).",
    ),
    _C.BASE_CHANGED: (
        "The actions were made for another revision than the head.",
        "Read the head and make them anew, or ask for rebase and name the base revision.",
    ),
    _C.KEY_REUSED: (
        "The action's key stands for another action, in this proposal or in the document's history.",
        "Give every action a key of its own; the same key only to send the same action again.",
    ),
    _C.CONFLICT: (
        "What the action is about was changed, moved or removed since its base, and not in the same way.",
        "Read the head, decide between the two, and make the action for the head.",
    ),
    _C.NODE_NOT_FOUND: ("The document has no such node.", "Take node ids from the document as it is now."),
    _C.BLOCK_NOT_FOUND: ("The document has no such block.", "Take block ids from the document as it is now."),
    _C.SIBLING_NOT_FOUND: (
        "What it is to come after is not there, or elsewhere.",
        'Name a sibling of that place, "" for first or "end" for last.',
    ),
    _C.EVIDENCE_NOT_FOUND: (
        "A citation is given no evidence, and the node has none of that id.",
        "Give the evidence with the action.",
    ),
    _C.ROOT_EXISTS: ("A document has one root, and this one is there.", "Name the root as the parent."),
    _C.ROOT_STAYS: ("The root cannot be moved or removed.", "Remove what is below it."),
    _C.CYCLE: ("A node cannot be put below itself.", "Name another parent."),
    _C.NODE_FINAL: ("The node is closed.", "Reopen it: set_node_state to draft."),
    _C.STATE_ILLEGAL: ("The node cannot go from its state to that one.", "See the table of states."),
    _C.TABLE_RAGGED: ("A row has not as many cells as the table has columns.", "Fill it up with empty cells."),
    _C.OUT_OF_SCOPE: ("It is outside what the run may change.", "Ask for a run with a wider scope."),
    _C.REMOVAL_OUT_OF_SCOPE: ("The run may not remove content.", "Ask for a run that may (patch or regenerate)."),
    _C.SHRINK_OUT_OF_SCOPE: (
        "The new block drops more than half of the old one's words, and the run may not remove content.",
        "Keep what is there, or ask for a run that may remove content.",
    ),
    _C.SPLIT_OUT_OF_SCOPE: ("The run may not make nodes.", "Write into the node itself."),
    _C.ACTION_NOT_ALLOWED: ("The run's way of changing has no such action.", "Ask for a run of another pipeline."),
    _C.NO_SPLIT: ("The node's constraints forbid it children.", "Write into the node itself."),
    _C.BLOCK_REPEATED: ("Two edits of one proposal are about the same block.", "Make one edit of both."),
    _C.NODE_LOST: ("A section would be gone.", "Leave it where it is."),
    _C.TEXT_LOST: ("A block or summary would be gone.", "Leave it where it is."),
    _C.TEXT_CHANGED: ("Text would change that this way of changing leaves as it is.", "Leave it as it is."),
    _C.CITATION_LOST: ("A citation would be gone.", "Keep the citations that are there."),
}
