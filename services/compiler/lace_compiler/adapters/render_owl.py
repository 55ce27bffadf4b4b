"""OWL 2 DL in Turtle: the document's structure, its statements, their evidence and the sources, as individuals.

IRIs are made of ids, never of titles, and encoded without loss: two things never share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from lace_compiler.adapters.owl_vocabulary import ARTIFACTS, PREFIXES, VOCABULARY, VOCABULARY_VERSION, write_vocabulary
from lace_compiler.adapters.turtle import Turtle, iri, string, typed
from lace_compiler.app.ports import Rendered
from lace_compiler.domain.document import Document
from lace_compiler.domain.settings import CompileSettings
from lace_compiler.domain.text import visible
from lace_compiler.domain.version import COMPILER_VERSION, GENERATOR
from lace_core.ir import (
    Block,
    Callout,
    Code,
    Equation,
    Evidence,
    Figure,
    ListBlock,
    Node,
    Opaque,
    Paragraph,
    Quote,
    Row,
    Source,
    Table,
    cited_parts,
)
from lace_core.verification.report import AcceptedPart, Report

Triples = list[tuple[str, str]]

_INDIVIDUAL = ("a", "owl:NamedIndividual")
_KINDS = ("block", "cell", "evidence", "section", "source", "statement")
_STATEMENTS: dict[type[Block], str] = {
    Paragraph: "Sentence",
    Quote: "Sentence",
    Callout: "Sentence",
    ListBlock: "ListItem",
    Table: "TableRow",
}


class OwlRenderer:
    """Writes one ontology per revision; it holds its whole vocabulary and imports nothing."""

    def render(self, document: Document, settings: CompileSettings) -> Rendered:
        """UTF-8 Turtle in document order."""
        return Rendered(_Writer(document).text().encode())


class _Writer:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._artifact = document.artifact
        self._base = f"{ARTIFACTS}{_segment(self._artifact.artifact_id)}"
        self._turtle = Turtle(PREFIXES | {kind: f"{self._base}/{kind}/" for kind in _KINDS})
        self._numbers = {
            reference.evidence.evidence_id: reference.number
            for source in document.sources
            for reference in source.references
        }

        report = document.report
        self._accepted = {part.part_id: _vouched(part) for part in report.accepted} if report else {}

    def text(self) -> str:
        self._header()
        write_vocabulary(self._turtle)
        self._turtle.comment("The document")
        self._root()
        by_parent: dict[str | None, list[Node]] = {}
        for _, node in self._artifact.walk():
            by_parent.setdefault(node.parent_id, []).append(node)
        neighbours = {key: _neighbours([node.node_id for node in nodes]) for key, nodes in by_parent.items()}
        for _, node in self._artifact.walk():
            self._section(node, by_parent.get(node.node_id, []), neighbours[node.parent_id][node.node_id])
        self._turtle.comment("Evidence")
        for evidence in self._evidence():
            self._turtle.subject(self._name("evidence", evidence.evidence_id), self._evidence_triples(evidence))
        self._turtle.comment("Sources")
        for source in self._artifact.sources:
            self._turtle.subject(self._name("source", source.source_id), _source_triples(source))
        return self._turtle.text()

    def _header(self) -> None:
        document = self._document
        triples = [
            ("a", "owl:Ontology"),
            ("dcterms:title", _literal(document.title)),
            ("dcterms:language", string(document.language)),
            ("dcterms:creator", string(GENERATOR)),
            ("owl:versionInfo", string(f"vocabulary {VOCABULARY_VERSION}")),
            ("rdfs:comment", _literal(document.summary)),
            ("rdfs:seeAlso", iri(VOCABULARY)),
        ]
        if document.revision_id:
            triples.append(("owl:versionIRI", iri(f"{self._base}/revision/{_segment(document.revision_id)}")))
        self._turtle.subject(iri(self._base), triples)

    def _root(self) -> None:
        document = self._document
        roots = [node for _, node in self._artifact.walk() if node.parent_id is None]
        triples = _described("Document", self._artifact.artifact_id, document.title)
        triples += [("lace:title", _literal(document.title)), ("lace:language", string(document.language))]
        triples += [("lace:compilerVersion", string(COMPILER_VERSION))]
        triples += _optional("lace:revision", document.revision_id) + _optional("lace:irHash", document.ir_hash)
        triples += [("lace:hasSection", self._name("section", node.node_id)) for node in roots]
        triples += [("lace:usesSource", self._name("source", s.source_id)) for s in self._artifact.sources]
        triples += _verified(document.report) if document.report else []
        self._turtle.subject(iri(f"{self._base}/document"), triples)

    def _section(self, node: Node, children: Sequence[Node], place: Triples) -> None:
        triples = _described("Section", node.node_id, node.title or node.node_id)
        triples += self._placed("section", place) + _optional("lace:title", node.title)
        triples += [("lace:state", string(node.state.value)), *_optional("lace:summary", node.summary)]
        triples += [("lace:hasSection", self._name("section", child.node_id)) for child in children]
        triples += [("lace:hasBlock", self._name("block", block.block_id)) for block in node.blocks]
        self._turtle.subject(self._name("section", node.node_id), triples)
        places = _neighbours([block.block_id for block in node.blocks])
        for block in node.blocks:
            self._block(block, places[block.block_id])

    def _block(self, block: Block, place: Triples) -> None:
        kind = "List" if isinstance(block, ListBlock) else type(block).__name__
        triples = _described(kind, block.block_id, f"{kind.lower()} {block.block_id}")
        triples += self._placed("block", place) + _content(block) + self._accepted.get(block.block_id, [])
        triples += self._cited(getattr(block, "evidence_ids", ()))
        parts = [part for part in cited_parts(block) if part.part_id != block.block_id]
        triples += [("lace:hasStatement", self._name("statement", part.part_id)) for part in parts]
        header = block.header if isinstance(block, Table) else ()
        triples += [("lace:hasHeaderCell", self._cell_name(block.block_id, x)) for x in range(len(header))]
        self._turtle.subject(self._name("block", block.block_id), triples)
        self._cells(block.block_id, header)
        self._statements(block)

    def _statements(self, block: Block) -> None:
        rows = {row.row_id: row for row in block.rows} if isinstance(block, Table) else {}
        parts = [part for part in cited_parts(block) if part.part_id != block.block_id]
        places = _neighbours([part.part_id for part in parts])
        for part in parts:
            kind = _STATEMENTS[type(block)]
            row: Row | None = rows.get(part.part_id)
            triples = _described(kind, part.part_id, f"{kind.lower()} {part.part_id}")
            triples += [*self._placed("statement", places[part.part_id]), ("lace:text", _literal(part.text))]
            triples += self._accepted.get(part.part_id, [])
            # A row without citations of its own stands under those of its table, which the table itself states.
            triples += self._cited(row.evidence_ids if row else part.evidence_ids)
            cells = row.cells if row else ()
            triples += [("lace:hasCell", self._cell_name(part.part_id, x)) for x in range(len(cells))]
            self._turtle.subject(self._name("statement", part.part_id), triples)
            self._cells(part.part_id, cells)

    def _cells(self, owner: str, cells: Sequence[str]) -> None:
        for x, text in enumerate(cells):
            triples: Triples = [_INDIVIDUAL, ("a", "lace:Cell"), ("rdfs:label", _literal(text or f"cell {x + 1}"))]
            triples += [("lace:text", _literal(text)), ("lace:position", typed(str(x + 1), "positiveInteger"))]
            if x + 1 < len(cells):
                triples.append(("lace:precedes", self._cell_name(owner, x + 1)))
            self._turtle.subject(self._cell_name(owner, x), triples)

    def _evidence(self) -> Iterable[Evidence]:
        """Every piece once, in document order; what no text cites is part of the revision all the same."""
        held = {e.evidence_id: e for _, node in self._artifact.walk() for e in node.evidence}
        return held.values()

    def _evidence_triples(self, evidence: Evidence) -> Triples:
        triples = _described("Evidence", evidence.evidence_id, f"evidence {evidence.evidence_id}")
        number = self._numbers.get(evidence.evidence_id, 0)
        triples += _ordinal("lace:citationNumber", number) + _ordinal("lace:pageNumber", evidence.page)
        triples += _optional("lace:headingPath", " › ".join(evidence.heading_path))
        triples += _optional("lace:retrievalMethod", evidence.method)
        return [
            *triples,
            ("lace:evidenceFrom", self._name("source", evidence.source_id)),
            ("lace:quote", _literal(evidence.quote)),
            ("lace:quoteSha256", _literal(evidence.quote_hash)),
            ("lace:startOffset", typed(str(max(0, evidence.start)), "nonNegativeInteger")),
            ("lace:endOffset", typed(str(max(0, evidence.end)), "nonNegativeInteger")),
            ("lace:sourceUnit", _literal(evidence.unit_id)),
            ("lace:extraction", _literal(evidence.extraction)),
            ("lace:retrievalScore", _literal(evidence.score)),
        ]

    def _cited(self, evidence_ids: Iterable[str]) -> Triples:
        return [("lace:citesEvidence", self._name("evidence", evidence_id)) for evidence_id in evidence_ids]

    def _placed(self, kind: str, place: Triples) -> Triples:
        return [(p, self._name(kind, o) if p == "lace:precedes" else o) for p, o in place]

    def _name(self, kind: str, identifier: str) -> str:
        return self._turtle.name(kind, _segment(identifier))

    def _cell_name(self, owner: str, x: int) -> str:
        # A hyphen and a number cannot end two owners' names alike, as the number holds no hyphen.
        return self._turtle.name("cell", f"{_segment(owner)}-{x + 1}")


def _segment(identifier: str) -> str:
    """An id as one segment of a path, encoded without loss; dots too, as . and .. would mean a folder."""
    return quote(identifier, safe="").replace(".", "%2E").replace("~", "%7E") or "%00"


def _neighbours(identifiers: Sequence[str]) -> dict[str, Triples]:
    """Per id its position among its siblings and the one that follows it."""
    places: dict[str, Triples] = {}
    for index, identifier in enumerate(identifiers):
        places[identifier] = [("lace:position", typed(str(index + 1), "positiveInteger"))]
        if index + 1 < len(identifiers):
            places[identifier].append(("lace:precedes", identifiers[index + 1]))
    return places


def _described(kind: str, identifier: str, label: str) -> Triples:
    return [
        _INDIVIDUAL,
        ("a", f"lace:{kind}"),
        ("rdfs:label", _literal(label)),
        ("lace:identifier", _literal(identifier)),
    ]


def _content(block: Block) -> Triples:
    match block:
        case ListBlock():
            return [("lace:ordered", typed(str(block.ordered).lower(), "boolean"))]
        case Table():
            return _optional("lace:caption", block.caption)
        case Code():
            return [("lace:text", _literal(block.text)), *_optional("lace:programmingLanguage", block.language)]
        case Equation():
            return [("lace:text", _literal(block.tex))]
        case Figure():
            caption, picture = _optional("lace:caption", block.caption), _optional("lace:picture", block.uri)
            return [("lace:text", _literal(block.alt)), *caption, *picture]
        case Callout():
            return _optional("lace:tone", block.tone)
        case Opaque():
            return [("lace:text", _literal(block.raw))]
        case Paragraph() | Quote():
            return []


def _source_triples(source: Source) -> Triples:
    triples = _described("SourceDocument", source.source_id, source.filename or source.source_id)
    triples += _optional("lace:title", source.title) + _ordinal("lace:pageCount", source.page_count)
    triples += [("lace:securityLabel", _literal(label)) for label in source.labels]
    return [
        *triples,
        ("lace:fileName", _literal(source.filename)),
        ("lace:mediaType", _literal(source.media_type)),
        ("lace:sha256", _literal(source.version)),
    ]


def _verified(report: Report) -> Triples:
    counts = {
        "supportedPieces": report.supported,
        "acceptedPieces": len(report.accepted),
        "authoredPieces": report.authored,
        "withheldSentences": report.withheld,
    }
    triples = [(f"lace:{name}", typed(str(count), "nonNegativeInteger")) for name, count in counts.items()]
    return [*triples, *(("lace:verifier", _literal(version)) for version in report.verifiers)]


def _vouched(part: AcceptedPart) -> Triples:
    return [
        *_optional("lace:acceptedBy", part.accepted_by),
        *_optional("lace:acceptedAt", part.accepted_at),
        *_optional("lace:acceptedBecause", part.reason),
    ]


def _literal(text: str) -> str:
    return string(visible(text.replace("\r\n", "\n")))


def _optional(predicate: str, text: str) -> Triples:
    return [(predicate, _literal(text))] if text else []


def _ordinal(predicate: str, number: int) -> Triples:
    return [(predicate, typed(str(number), "positiveInteger"))] if number > 0 else []
