"""What a policy may say, as types; the JSON Schema for editors and for checking is made of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from lace_core.ir import Constraints

SCHEMA_ID = "urn:lace:schema:policy:v1"
NAME_PATTERN = "^[a-z][a-z0-9-]{0,62}$"
MOST_PATTERNS, LONGEST_PATTERN = 32, 200

Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Version = Annotated[int, Meta(ge=1, le=1_000_000)]
Text = Annotated[str, Meta(min_length=1, max_length=300)]
Rule = Annotated[str, Meta(min_length=1, max_length=1000)]
Word = Annotated[str, Meta(min_length=1, max_length=120)]
Lockable = Literal[
    "must_cite",
    "min_citations_per_block",
    "no_split",
    "max_words",
    "min_words",
    "audience",
    "tone",
    "language",
    "glossary",
    "forbidden_phrases",
    "allowed_fact_ids",
    "competency_questions",
]
RedactionKind = Literal["secrets", "emails", "phones"]
RedactedBefore = Literal["off", "remote", "all"]
REDACTED_BEFORE: tuple[RedactedBefore, ...] = ("off", "remote", "all")  # from the least on
Role = Literal["system_admin", "tenant_admin", "reviewer", "member"]


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Term(_Part, frozen=True):
    """A term to use, what it means, and the words that are not to be used in its place."""

    term: Word
    definition: Annotated[str, Meta(max_length=1000)] = ""
    avoid: Annotated[tuple[Word, ...], Meta(max_length=50)] = ()


class Rules(_Part, frozen=True):
    """Constraints of a document or of a section; what is left out is inherited."""

    must_cite: Annotated[bool, Meta(description="Whether every sentence must cite.")] | UnsetType = UNSET
    min_citations_per_block: (
        Annotated[int, Meta(ge=0, le=20, description="Pieces of evidence that a block needs; fewer keep it out.")]
        | UnsetType
    ) = UNSET
    no_split: Annotated[bool, Meta(description="Whether sections stay in one piece.")] | UnsetType = UNSET
    max_words: Annotated[int, Meta(ge=1, le=1_000_000, description="Words of a section at most.")] | UnsetType = UNSET
    min_words: Annotated[int, Meta(ge=0, le=1_000_000, description="Words of a section at least.")] | UnsetType = UNSET
    audience: Annotated[str, Meta(max_length=300, description="For whom it is written.")] | UnsetType = UNSET
    tone: Annotated[str, Meta(max_length=300, description="How it is written.")] | UnsetType = UNSET
    language: Annotated[str, Meta(max_length=35, description="Language as a BCP 47 tag.")] | UnsetType = UNSET
    glossary: (
        Annotated[tuple[Term, ...], Meta(max_length=500, description="Terms, and the words to avoid for them.")]
        | UnsetType
    ) = UNSET
    forbidden_phrases: (
        Annotated[tuple[Text, ...], Meta(max_length=500, description="A sentence that holds one is kept out.")]
        | UnsetType
    ) = UNSET
    allowed_fact_ids: (
        Annotated[tuple[Word, ...], Meta(max_length=1000, description="The only facts that may be used.")] | UnsetType
    ) = UNSET
    competency_questions: (
        Annotated[tuple[Text, ...], Meta(max_length=100, description="Questions that the text must answer.")]
        | UnsetType
    ) = UNSET
    locked: Annotated[
        tuple[Lockable, ...],
        Meta(max_length=12, description="What a policy or a section below may tighten and never loosen."),
    ] = ()

    def constraints(self) -> Constraints:
        """The same as the document's own type."""
        return msgspec.convert(msgspec.to_builtins(self), Constraints)


class SectionRules(_Part, frozen=True):
    """Constraints of the sections whose heading fits, and of all below them."""

    title: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description="A heading, in any case; * stands for any text, ? for a letter, [ab] for one of these.",
        ),
    ]
    constraints: Rules


class HouseRules(_Part, frozen=True):
    """Instructions added to what the model is asked, by what is asked of it."""

    all: Annotated[tuple[Rule, ...], Meta(max_length=50)] = ()
    outline: Annotated[tuple[Rule, ...], Meta(max_length=50)] = ()
    write: Annotated[tuple[Rule, ...], Meta(max_length=50)] = ()
    enrich: Annotated[tuple[Rule, ...], Meta(max_length=50)] = ()
    patch: Annotated[tuple[Rule, ...], Meta(max_length=50)] = ()


class Redaction(_Part, frozen=True):
    """What is replaced before a model is asked, beside what the settings say; it is never less."""

    before: (
        Annotated[
            RedactedBefore,
            Meta(description="Before which calls: off none, remote those that leave the process, all every call."),
        ]
        | UnsetType
    ) = UNSET
    kinds: Annotated[tuple[RedactionKind, ...], Meta(max_length=3)] = ()
    patterns: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=LONGEST_PATTERN)], ...],
        Meta(max_length=MOST_PATTERNS, description="Regular expressions (RE2)."),
    ] = ()


class Models(_Part, frozen=True):
    """Which models may be asked."""

    allow: Annotated[
        tuple[Word, ...],
        Meta(
            min_length=1,
            max_length=100,
            description="Providers (openai) or models (openai/gpt-4o*); the provider local needs no permission.",
        ),
    ]


class Publishing(_Part, frozen=True):
    """Who may publish a document, and what must hold of it; what is left out is not asked for."""

    roles: Annotated[tuple[Role, ...], Meta(min_length=1, description="Roles, one of which is enough.")] | UnsetType = (
        UNSET
    )
    principals: (
        Annotated[tuple[Word, ...], Meta(min_length=1, max_length=200, description="Principals who may by themselves.")]
        | UnsetType
    ) = UNSET
    suites: Annotated[
        tuple[Word, ...], Meta(max_length=50, description="Suites of tests that must pass on the revision.")
    ] = ()
    min_supported_percent: (
        Annotated[int, Meta(ge=0, le=100, description="Least share of written sentences that were supported.")]
        | UnsetType
    ) = UNSET
    empty_review_queue: Annotated[bool, Meta(description="Whether nothing may wait for review.")] = False


class Policy(_Part, frozen=True):
    """A version of a policy as it is written."""

    policy: Annotated[Name, Meta(description="Its name: small letters, digits and hyphens.")]
    version: Annotated[Version, Meta(description="Counted up by who changes it; a version never changes.")]
    extends: Annotated[
        str,
        Meta(
            pattern="^[a-z][a-z0-9-]{0,62}(@[1-9][0-9]{0,6})?$",
            description="The policy that it adds to, as name@version; the newest version where none is named.",
        ),
    ] = ""
    description: Annotated[str, Meta(max_length=2000)] = ""
    constraints: Rules = Rules()
    sections: Annotated[tuple[SectionRules, ...], Meta(max_length=100)] = ()
    house_rules: HouseRules = HouseRules()
    prompts: Annotated[
        dict[str, Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]],
        Meta(description="The stored template of a contract, by its template_sha256."),
    ] = msgspec.field(default_factory=dict)
    redaction: Redaction = Redaction()
    models: Models | UnsetType = UNSET
    publish: Publishing = Publishing()


def policy_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a policy's YAML, for editors and for checking."""
    made = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(Policy)))
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "LACE policy",
    }
    return {**head, **made}
