"""The ontology of compiled documents: its namespace, classes and properties, each with label and meaning.

The namespace is for ever: terms are added, never changed in meaning or removed; the version names the set of terms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lace_compiler.adapters.turtle import Turtle, collection, iri, string

VOCABULARY = "https://w3id.org/lace/document"
VOCABULARY_VERSION = "1.1.0"
NAMESPACE = VOCABULARY + "#"
ARTIFACTS = "https://w3id.org/lace/artifact/"

PREFIXES = {
    "dcterms": "http://purl.org/dc/terms/",
    "lace": NAMESPACE,
    "owl": "http://www.w3.org/2002/07/owl#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


@dataclass(frozen=True, slots=True)
class OwlClass:
    """A class, its superclasses and, where its subclasses exhaust it, that partition."""

    name: str
    label: str
    comment: str
    parents: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwlProperty:
    """A property; several domains or ranges mean any of them. `traits` are further types such as functional."""

    name: str
    label: str
    comment: str
    domains: tuple[str, ...]
    ranges: tuple[str, ...]
    traits: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    inverse: str = ""
    chain: tuple[str, ...] = ()


BLOCK_KINDS = (
    OwlClass("Paragraph", "paragraph", "Prose.", ("lace:Block",)),
    OwlClass("List", "list", "A bulleted or numbered list.", ("lace:Block",)),
    OwlClass("Table", "table", "A table with a header row.", ("lace:Block",)),
    OwlClass("Code", "code", "Program text.", ("lace:Block",)),
    OwlClass("Quote", "quote", "A passage quoted as such.", ("lace:Block",)),
    OwlClass("Figure", "figure", "A picture by reference, with the text that stands for it.", ("lace:Block",)),
    OwlClass("Callout", "callout", "A passage set apart.", ("lace:Block",)),
    OwlClass("Equation", "equation", "A formula in TeX notation.", ("lace:Block",)),
    OwlClass("Opaque", "opaque block", "A block of a kind unknown to the compiler, kept as JSON.", ("lace:Block",)),
)
STATEMENT_KINDS = (
    OwlClass("Sentence", "sentence", "One sentence of prose.", ("lace:Statement",)),
    OwlClass("ListItem", "list item", "One item of a list.", ("lace:Statement",)),
    OwlClass("TableRow", "table row", "One row of a table, cited as a whole.", ("lace:Statement",)),
)


def _names(classes: tuple[OwlClass, ...]) -> tuple[str, ...]:
    return tuple(f"lace:{each.name}" for each in classes)


CLASSES = (
    OwlClass("Document", "document", "One revision of a document as it was compiled.", ("prov:Entity",)),
    OwlClass("Section", "section", "A node of the document's tree; the root node is a section too."),
    OwlClass("Block", "block", "A piece of a section's content.", partition=_names(BLOCK_KINDS)),
    *BLOCK_KINDS,
    OwlClass("Statement", "statement", "The unit that is cited.", partition=_names(STATEMENT_KINDS)),
    *STATEMENT_KINDS,
    OwlClass("Cell", "cell", "One cell of a table."),
    OwlClass("Evidence", "evidence", "An exact span of a source and the words that stand there.", ("prov:Entity",)),
    OwlClass("SourceDocument", "source document", "A source in the version that was read.", ("prov:Entity",)),
)
DISJOINT = ("Document", "Section", "Block", "Statement", "Cell", "Evidence", "SourceDocument")

_FUNCTIONAL = ("owl:FunctionalProperty",)
_ONE_WHOLE = ("owl:InverseFunctionalProperty", "owl:AsymmetricProperty", "owl:IrreflexiveProperty")
_CITING = ("lace:Block", "lace:Statement")
_PARTS = ("lace:Section", "lace:Block", "lace:Statement", "lace:Cell")

OBJECT_PROPERTIES = (
    OwlProperty(
        "hasPart",
        "has part",
        "The whole to its parts, at any depth.",
        ("lace:Document", "lace:Section", "lace:Block", "lace:Statement"),
        _PARTS,
        ("owl:TransitiveProperty",),
    ),
    OwlProperty(
        "isPartOf",
        "is part of",
        "A part to the wholes it belongs to.",
        _PARTS,
        ("lace:Document", "lace:Section", "lace:Block", "lace:Statement"),
        inverse="lace:hasPart",
    ),
    OwlProperty(
        "hasSection",
        "has section",
        "A document to its top sections, a section to those directly below it.",
        ("lace:Document", "lace:Section"),
        ("lace:Section",),
        _ONE_WHOLE,
        ("lace:hasPart",),
    ),
    OwlProperty(
        "hasBlock",
        "has block",
        "A section to its own blocks.",
        ("lace:Section",),
        ("lace:Block",),
        _ONE_WHOLE,
        ("lace:hasPart",),
    ),
    OwlProperty(
        "hasStatement",
        "has statement",
        "A block to its sentences, items or rows.",
        ("lace:Block",),
        ("lace:Statement",),
        _ONE_WHOLE,
        ("lace:hasPart",),
    ),
    OwlProperty(
        "hasHeaderCell",
        "has header cell",
        "A table to the heads of its columns.",
        ("lace:Table",),
        ("lace:Cell",),
        _ONE_WHOLE,
        ("lace:hasPart",),
    ),
    OwlProperty(
        "hasCell",
        "has cell",
        "A table row to its cells.",
        ("lace:TableRow",),
        ("lace:Cell",),
        _ONE_WHOLE,
        ("lace:hasPart",),
    ),
    OwlProperty(
        "precedes",
        "precedes",
        "To the next part of the same whole, in reading order.",
        _PARTS,
        _PARTS,
        ("owl:FunctionalProperty", *_ONE_WHOLE),
    ),
    OwlProperty(
        "citesEvidence", "cites evidence", "What is said to the evidence it rests on.", _CITING, ("lace:Evidence",)
    ),
    OwlProperty(
        "evidenceFrom",
        "evidence from",
        "Evidence to the source in which it stands.",
        ("lace:Evidence",),
        ("lace:SourceDocument",),
        _FUNCTIONAL,
        ("prov:wasQuotedFrom",),
    ),
    OwlProperty(
        "citesSource",
        "cites source",
        "What is said to the sources of its evidence; follows from the evidence.",
        _CITING,
        ("lace:SourceDocument",),
        chain=("lace:citesEvidence", "lace:evidenceFrom"),
    ),
    OwlProperty(
        "usesSource",
        "uses source",
        "A document to every source it was given.",
        ("lace:Document",),
        ("lace:SourceDocument",),
    ),
)

_STRING, _COUNT, _ORDINAL = ("xsd:string",), ("xsd:nonNegativeInteger",), ("xsd:positiveInteger",)
_ANY = ("lace:Document", "lace:Section", "lace:Block", "lace:Statement", "lace:Evidence", "lace:SourceDocument")


def _data(name: str, label: str, comment: str, domains: tuple[str, ...], ranges: tuple[str, ...]) -> OwlProperty:
    return OwlProperty(name, label, comment, domains, ranges, _FUNCTIONAL)


DATA_PROPERTIES = (
    _data("identifier", "identifier", "The thing's id in LACE.", _ANY, _STRING),
    _data("title", "title", "Title or heading.", ("lace:Document", "lace:Section", "lace:SourceDocument"), _STRING),
    _data("language", "language", "BCP 47 tag.", ("lace:Document",), _STRING),
    _data("revision", "revision", "The compiled revision's id.", ("lace:Document",), _STRING),
    _data("irHash", "IR hash", "Merkle root of the revision.", ("lace:Document",), _STRING),
    _data("compilerVersion", "compiler version", "What wrote this file.", ("lace:Document",), _STRING),
    _data("state", "state", "How far the section is written.", ("lace:Section",), _STRING),
    _data("summary", "summary", "The section in a few words.", ("lace:Section",), _STRING),
    _data("position", "position", "Place among its siblings, from 1.", _PARTS, _ORDINAL),
    _data("text", "text", "The words.", ("lace:Block", "lace:Statement", "lace:Cell"), _STRING),
    _data("ordered", "ordered", "Whether the items are numbered.", ("lace:List",), ("xsd:boolean",)),
    _data("caption", "caption", "What stands above or below it.", ("lace:Table", "lace:Figure"), _STRING),
    _data("programmingLanguage", "programming language", "Language of the code.", ("lace:Code",), _STRING),
    _data("tone", "tone", "Note, tip, warning or danger.", ("lace:Callout",), _STRING),
    _data("picture", "picture", "URI of the picture as the document gives it.", ("lace:Figure",), _STRING),
    _data("citationNumber", "citation number", "The number it has in the text.", ("lace:Evidence",), _ORDINAL),
    _data("quote", "quote", "The words of the span.", ("lace:Evidence",), _STRING),
    _data("quoteSha256", "SHA-256 of the quote", "Of the quote's UTF-8 bytes.", ("lace:Evidence",), _STRING),
    _data("startOffset", "start offset", "First code point of the span.", ("lace:Evidence",), _COUNT),
    _data("endOffset", "end offset", "First code point after the span.", ("lace:Evidence",), _COUNT),
    _data("pageNumber", "page number", "Page of the span, from 1.", ("lace:Evidence",), _ORDINAL),
    _data("headingPath", "heading path", "Headings above the span.", ("lace:Evidence",), _STRING),
    _data("sourceUnit", "source unit", "The unit whose text the offsets count.", ("lace:Evidence",), _STRING),
    _data("extraction", "extraction", "The extraction that made the unit.", ("lace:Evidence",), _STRING),
    _data("retrievalMethod", "retrieval method", "How the span was found.", ("lace:Evidence",), _STRING),
    _data("retrievalScore", "retrieval score", "Its score, a decimal number.", ("lace:Evidence",), _STRING),
    _data("fileName", "file name", "Name of the file.", ("lace:SourceDocument",), _STRING),
    _data("mediaType", "media type", "IANA media type.", ("lace:SourceDocument",), _STRING),
    _data("pageCount", "page count", "Pages of the source.", ("lace:SourceDocument",), _ORDINAL),
    _data("sha256", "SHA-256", "Of the source's raw bytes.", ("lace:SourceDocument",), _STRING),
    OwlProperty("securityLabel", "security label", "A label of the source.", ("lace:SourceDocument",), _STRING),
    _data("supportedPieces", "supported pieces", "Pieces of text that evidence supports.", ("lace:Document",), _COUNT),
    _data("acceptedPieces", "accepted pieces", "Pieces that a person vouches for.", ("lace:Document",), _COUNT),
    _data(
        "authoredPieces", "authored pieces", "Pieces that a person wrote without evidence.", ("lace:Document",), _COUNT
    ),
    _data("withheldSentences", "withheld sentences", "Sentences that were kept out.", ("lace:Document",), _COUNT),
    OwlProperty("verifier", "verifier", "A version of the rules that verified.", ("lace:Document",), _STRING),
    _data("acceptedBy", "accepted by", "Id of the person who vouches for it.", _CITING, _STRING),
    _data("acceptedAt", "accepted at", "When it was accepted, as ISO 8601.", _CITING, _STRING),
    _data("acceptedBecause", "accepted because", "Why, in that person's words.", _CITING, _STRING),
)

_EXTERNAL = (
    ("prov:Entity", "owl:Class", "entity"),
    ("prov:wasQuotedFrom", "owl:ObjectProperty", "was quoted from"),
    ("dcterms:title", "owl:AnnotationProperty", "title"),
    ("dcterms:language", "owl:AnnotationProperty", "language"),
    ("dcterms:creator", "owl:AnnotationProperty", "creator"),
)


def write_vocabulary(turtle: Turtle) -> None:
    """Declares every term that a compiled document uses, so that the file stands alone: it imports nothing."""
    turtle.comment("Vocabulary: classes")
    for each in CLASSES:
        turtle.subject(f"lace:{each.name}", [("a", "owl:Class"), *_described(each), *_class_axioms(each)])
    members = collection(f"lace:{name}" for name in DISJOINT)
    turtle.subject("[]", [("a", "owl:AllDisjointClasses"), ("owl:members", members)])
    turtle.comment("Vocabulary: object properties")
    for each_property in OBJECT_PROPERTIES:
        _write_property(turtle, each_property, "owl:ObjectProperty")
    turtle.comment("Vocabulary: data properties")
    for each_property in DATA_PROPERTIES:
        _write_property(turtle, each_property, "owl:DatatypeProperty")
    turtle.comment("Terms of other vocabularies")
    for term, kind, label in _EXTERNAL:
        turtle.subject(term, [("a", kind), ("rdfs:label", string(label) + "@en")])


def _write_property(turtle: Turtle, each: OwlProperty, kind: str) -> None:
    axioms = [("a", kind), *(("a", trait) for trait in each.traits), *_described(each)]
    axioms += [("rdfs:domain", _any_of(each.domains)), ("rdfs:range", _any_of(each.ranges))]
    axioms += [("rdfs:subPropertyOf", parent) for parent in each.parents]
    if each.inverse:
        axioms.append(("owl:inverseOf", each.inverse))
    if each.chain:
        axioms.append(("owl:propertyChainAxiom", collection(each.chain)))
    turtle.subject(f"lace:{each.name}", axioms)


def _described(term: OwlClass | OwlProperty) -> Iterator[tuple[str, str]]:
    yield "rdfs:label", string(term.label) + "@en"
    yield "rdfs:comment", string(term.comment) + "@en"
    yield "rdfs:isDefinedBy", iri(VOCABULARY)


def _class_axioms(each: OwlClass) -> Iterator[tuple[str, str]]:
    for parent in each.parents:
        yield "rdfs:subClassOf", parent
    if each.partition:
        yield "owl:disjointUnionOf", collection(each.partition)


def _any_of(terms: tuple[str, ...]) -> str:
    if len(terms) == 1:
        return terms[0]
    return f"[ a owl:Class ; owl:unionOf {collection(terms)} ]"
