"""The result type of every step, in one registry: what a checkpoint holds and what the next steps take."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from lace_core.actions import Action
from lace_core.contracts import Enriched, Intent, Outline, Patched, SourceOutline, Strategy, Written
from lace_core.ir import Source
from lace_core.planning import Grounds
from lace_core.reviewing import Withheld
from lace_core.writing import SentenceVerdict
from lace_runs.domain.paragraphs.steps import Commissioned, Composed, SettledText, SupportedText


class _Output(Struct, frozen=True, kw_only=True):
    pass


class Loaded(_Output, frozen=True):
    """The head that the run starts from: revision and hash, both empty for an empty document."""

    base_revision_id: str
    base_hash: str
    has_outline: bool


class Opened(_Output, frozen=True):
    """The committed revision that a change starts from, and the nodes in its scope, in document order."""

    base_revision_id: str
    base_hash: str
    title: str
    language: str
    node_ids: tuple[str, ...]


class Resolved(_Output, frozen=True):
    """What the pinned settings come to for the document."""

    settings_hash: str
    must_cite: bool
    judge: bool
    provider: str


class Selected(_Output, frozen=True):
    """The sources that the document is made of, as the artifact cites them and as planning sees them."""

    sources: tuple[Source, ...]
    outlines: tuple[SourceOutline, ...]


class PlannedNode(_Output, frozen=True):
    """A node to be written: `key` is the action key from which its id is derived; empty for one that exists."""

    node_id: str
    parent_id: str
    key: str
    title: str
    brief: str
    queries: tuple[str, ...]
    path: tuple[str, ...]
    depth: int


class Planned(_Output, frozen=True):
    """The root and the sections directly below it, in order."""

    root: PlannedNode
    sections: tuple[PlannedNode, ...]


class Scoped(_Output, frozen=True):
    """The nodes that are changed, in document order; how many nodes the document has, and how many below its root."""

    nodes: tuple[PlannedNode, ...]
    sections: int
    total: int


class NodeGrounds(_Output, frozen=True):
    """The facts that one node may use."""

    node_id: str
    grounds: tuple[Grounds, ...]


class Context(_Output, frozen=True):
    """The facts of every node, each in one node only; the root's summary may use the best of all."""

    nodes: tuple[NodeGrounds, ...]


class NodeStrategy(_Output, frozen=True):
    """What becomes of a node: the facts it keeps, and the children it is split into with theirs."""

    strategy: Strategy
    kept: tuple[str, ...]
    children: tuple[PlannedNode, ...]
    child_facts: tuple[tuple[str, ...], ...]


class NodeWritten(_Output, frozen=True):
    """A section as the model wrote it."""

    written: Written
    call_id: str


class NodeRevised(_Output, frozen=True):
    """What the model proposes for a section that is written: further evidence, or edits; the other one is None."""

    call_id: str
    enriched: Enriched | None = None
    patched: Patched | None = None


class NodeVerified(_Output, frozen=True):
    """The verdicts on a section, the actions that its supported part comes to, and what could not be decided."""

    verdicts: tuple[SentenceVerdict, ...]
    actions: tuple[Action, ...]
    withheld: tuple[Withheld, ...] = ()


class Recalled(_Output, frozen=True):
    """What a rollback is about: the head that it starts from, and the earlier revision whose content comes back."""

    base_revision_id: str
    base_hash: str
    revision_id: str
    ir_hash: str
    content_hash: str


class DroppedCitation(_Output, frozen=True):
    """A citation that a change took out of its node."""

    node_id: str
    evidence_id: str
    source_id: str
    quote: str


class Staged(_Output, frozen=True):
    """The revision that apply made, or its base where nothing changed; and what of the base is not cited any more."""

    revision_id: str
    ir_hash: str
    content_hash: str
    nodes: int
    blocks: int
    applied: int
    changed: bool = True
    dropped: tuple[DroppedCitation, ...] = ()
    dropped_citations: int = 0


class Committed(_Output, frozen=True):
    """The committed revision, what it holds, and which citations of its base it does not hold any more.

    `review_items` counts the sentences of the run that wait for a person to decide.
    """

    artifact_id: str
    revision_id: str
    ir_hash: str
    content_hash: str
    sentences: int
    cited_sentences: int
    cited_sources: int
    dropped: tuple[DroppedCitation, ...] = ()
    dropped_citations: int = 0
    review_items: int = 0


class ImportedObject(_Output, frozen=True):
    """What became of one object of the inbox: the source that it is, or why it was not taken."""

    name: str
    source_id: str = ""
    error_code: str = ""
    error_message: str = ""


class Imported(_Output, frozen=True):
    """What lay in the inbox, sorted by name."""

    objects: tuple[ImportedObject, ...]


class Surveyed(_Output, frozen=True):
    """How a source is parted for taking facts out of it; `ok` is false where it is not read, and the rest is empty.

    A part is (place of the first unit, of its first span, place of the last unit, one past its last span).
    """

    source_id: str
    ok: bool
    source: Source | None = None
    extraction: str = ""
    language: str = ""
    parts: tuple[tuple[int, int, int, int], ...] = ()


class FactsKept(_Output, frozen=True):
    """What came of one part: facts that are new, that were there, of both those for review; refused ones by reason."""

    added: int
    known: int
    review: int
    refused: dict[str, int]


class Ingested(_Output, frozen=True):
    """What came of reading one source. `duration_ms` counts from its being sent to a reader."""

    source_id: str
    filename: str
    ok: bool
    units: int
    error_code: str = ""
    error_message: str = ""
    words: int = 0
    pages: int = 0
    warnings: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    duration_ms: int = 0


class Compiled(_Output, frozen=True):
    """What came of compiling one target."""

    target: str
    ok: bool
    compiled_id: str
    bundle_hash: str = ""
    bundle_uri: str = ""
    size_bytes: int = 0
    error_code: str = ""
    message: str = ""


class Nothing(_Output, frozen=True):
    """The result of a step that does nothing."""


OUTPUTS: Mapping[str, type[Struct]] = {
    "Loaded": Loaded,
    "Opened": Opened,
    "Resolved": Resolved,
    "Intent": Intent,
    "Selected": Selected,
    "Outline": Outline,
    "Planned": Planned,
    "Scoped": Scoped,
    "Context": Context,
    "Strategy": NodeStrategy,
    "Written": NodeWritten,
    "Revised": NodeRevised,
    "Verified": NodeVerified,
    "Recalled": Recalled,
    "Staged": Staged,
    "Committed": Committed,
    "Imported": Imported,
    "Surveyed": Surveyed,
    "FactsKept": FactsKept,
    "Ingested": Ingested,
    "Compiled": Compiled,
    "Commissioned": Commissioned,
    "Composed": Composed,
    "SupportedText": SupportedText,
    "SettledText": SettledText,
    "Nothing": Nothing,
}


def encode(output: Struct) -> bytes:
    """Canonical JSON of a step's result (no floats, ASCII keys: see lace_core.canonical)."""
    return msgspec.json.encode(output, order="sorted")


def decode(output_type: str, data: bytes | str) -> Struct:
    """The result that a checkpoint holds; raises KeyError or ValueError where it does not fit its type."""
    return msgspec.json.decode(data, type=OUTPUTS[output_type])
