"""Pipelines as data: ordered steps with what they take and give, and what is wrong with an order of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Per = Literal["run", "node", "source", "part", "target"]
Mode = Literal["call", "job"]


@dataclass(frozen=True)
class Step:
    """One kind of step. `per` says what it is done for; a job is sent to another service and waited for durably.

    `takes` names what earlier steps must have given; "A|B" is either of the two. `version` counts up with what the
    kind does; `timeout_s` and `max_attempts` are this pipeline's own, 0 leaves them to the run's settings.
    """

    name: str
    takes: tuple[str, ...]
    gives: str
    per: Per = "run"
    mode: Mode = "call"
    calls_model: bool = False
    version: int = 1
    timeout_s: int = 0
    max_attempts: int = 0

    @property
    def kind(self) -> str:
        """The kind with its version, as workers say what they can do."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class Pipeline:
    """Steps in order; runs pin the version."""

    pipeline_id: str
    version: int
    description: str
    steps: tuple[Step, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its steps in order."""
        return tuple(step.name for step in self.steps)

    @property
    def writes(self) -> bool:
        """Whether it writes a new or outlined artifact, for which it needs a title."""
        return "load" in self.names

    @property
    def edits(self) -> bool:
        """Whether it changes a committed artifact, within a scope."""
        return "open" in self.names

    @property
    def reads(self) -> bool:
        """Whether it reads sources; a request must name them, except where it imports them first."""
        return "ingest" in self.names

    @property
    def imports(self) -> bool:
        """Whether it takes in what lies in the inbox."""
        return "import" in self.names

    @property
    def is_of_paragraph(self) -> bool:
        """Whether it writes or verifies a paragraph."""
        return "settle" in self.names

    @property
    def takes_facts(self) -> bool:
        """Whether it takes facts out of sources, which a request must then name."""
        return "survey" in self.names

    @property
    def writer(self) -> str:
        """The step that writes nodes; empty where none does."""
        return next((name for name in self.names if name in WRITERS), "")


# Every kind of step there is; custom pipelines are orders of these.
KINDS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step("ingest", (), "Ingested", per="source", mode="job"),
        Step("survey", (), "Surveyed", per="source"),
        Step("facts", ("Surveyed",), "FactsKept", per="part", calls_model=True),
        Step("load", (), "Loaded"),
        Step("open", (), "Opened"),
        Step("resolve", ("Loaded|Opened",), "Resolved"),
        Step("intent", ("Resolved",), "Intent", calls_model=True),
        Step("sources", ("Resolved",), "Selected"),
        Step("outline", ("Loaded", "Intent", "Selected"), "Planned", calls_model=True),
        Step("scope", ("Opened",), "Scoped"),
        Step("context", ("Planned|Scoped", "Selected"), "Context"),
        Step("strategy", ("Planned|Scoped", "Context"), "Strategy", per="node", calls_model=True),
        Step("llm", ("Planned", "Context"), "Written", per="node", calls_model=True),
        Step("rewrite", ("Scoped", "Context"), "Written", per="node", calls_model=True),
        Step("extend", ("Scoped", "Context"), "Written", per="node", calls_model=True),
        Step("enrich", ("Scoped", "Context"), "Revised", per="node", calls_model=True),
        Step("amend", ("Scoped", "Context"), "Revised", per="node", calls_model=True),
        Step("verify", ("Written|Revised", "Context"), "Verified", per="node", calls_model=True),
        Step("apply", ("Loaded|Opened", "Planned|Scoped"), "Staged"),
        Step("validate", ("Staged",), "Committed"),
        Step("snapshot", (), "Committed"),
        Step("compile", ("Committed",), "Compiled", per="target", mode="job"),
    )
}
WRITERS = frozenset({"llm", "rewrite", "extend", "enrich", "amend"})
# Only what these write may be split into child nodes.
_SPLITTERS = frozenset({"llm", "extend"})
# Of each group a pipeline has one at most: two beginnings, two plans or two hands would not know of each other.
_ALTERNATIVES = (frozenset({"load", "open", "snapshot"}), frozenset({"outline", "scope"}), WRITERS)


def _made(pipeline_id: str, description: str, names: str) -> Pipeline:
    return Pipeline(pipeline_id, 1, description, tuple(KINDS[name] for name in names.split()))


GENERATE = _made(
    "generate",
    "Writes a cited document out of the sources and compiles it.",
    "load resolve intent sources outline context strategy llm verify apply validate compile",
)
OUTLINE = _made(
    "outline",
    "Plans the sections of a document, for a person to change before it is written.",
    "load resolve intent sources outline apply validate",
)
REGENERATE = _made(
    "regenerate",
    "Writes a node, or it and all below it, anew from the sources; its headings stay.",
    "open resolve intent sources scope context rewrite verify apply validate compile",
)
EXPAND = _made(
    "expand",
    "Adds blocks or child nodes out of facts that are not cited yet; nothing there is changed.",
    "open resolve intent sources scope context strategy extend verify apply validate compile",
)
ENRICH = _made(
    "enrich",
    "Adds evidence to the sentences that are there, and what newer sources say; no text is removed.",
    "open resolve sources scope context enrich verify apply validate compile",
)
PATCH = _made(
    "patch",
    "Rewrites by the instructions given, and leaves as it is what they do not touch.",
    "open resolve sources scope context amend verify apply validate compile",
)
INGEST = _made("ingest", "Reads sources that were uploaded.", "ingest")
IMPORT = Pipeline(
    "import",
    1,
    "Takes in what lies in the inbox and reads it; started by POST /v1/sources:import.",
    (Step("import", (), "Imported", mode="job"), KINDS["ingest"]),
)
FACTS = _made("facts", "Takes facts out of sources that are read, each with the words that state it.", "survey facts")
COMPILE = _made("compile", "Compiles a committed revision; started by POST /v1/compile.", "snapshot compile")
ROLLBACK = Pipeline(
    "rollback",
    1,
    "Brings an earlier revision back as a new one; started by POST /v1/artifacts/{id}:rollback.",
    (
        Step("recall", (), "Recalled"),
        Step("restore", ("Recalled",), "Staged"),
        KINDS["validate"],
        KINDS["compile"],
    ),
)
_COMMISSION = Step("commission", (), "Commissioned")
_SUPPORT = Step("support", ("Commissioned|Composed",), "SupportedText", calls_model=True)
_SETTLE = Step("settle", ("SupportedText",), "SettledText")
PARAGRAPH = Pipeline(
    "paragraph",
    1,
    "Writes a paragraph out of the facts that its specification allows; started by POST /v1/paragraphs/{id}:generate.",
    (_COMMISSION, Step("compose", ("Commissioned",), "Composed", calls_model=True), _SUPPORT, _SETTLE),
)
VERIFY_PARAGRAPH = Pipeline(
    "verify_paragraph",
    1,
    "Verifies a paragraph's text once more; started by POST /v1/paragraphs/{id}:verify.",
    (_COMMISSION, _SUPPORT, _SETTLE),
)
NOOP10 = Pipeline(
    "noop10",
    1,
    "Ten steps that do nothing, for measuring what a durable step costs.",
    tuple(Step(f"noop{n}", ("Nothing",) if n > 1 else (), "Nothing") for n in range(1, 11)),
)

PIPELINES: Mapping[str, Pipeline] = {
    p.pipeline_id: p
    for p in (
        GENERATE, OUTLINE, REGENERATE, EXPAND, ENRICH, PATCH, INGEST, IMPORT, FACTS, COMPILE, ROLLBACK, PARAGRAPH,
        VERIFY_PARAGRAPH, NOOP10,
    )
}  # fmt: skip
STEP_NAMES = tuple(sorted({*KINDS, *NOOP10.names}))
"""Every kind of step that a run may have, for settings that are by kind of step."""
AUTO = "auto"
"""Not a pipeline: asks that one is chosen, see choosing."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: a stable code, a JSON Pointer to it (/steps/3/step), and what is the matter."""

    code: str
    pointer: str
    message: str


def problems(steps: Sequence[Step]) -> list[Problem]:
    """What is wrong with an order of steps; empty for one that can be run."""
    if not steps:
        return [Problem("STEPS_MISSING", "/steps", "A pipeline needs steps.")]
    return [*_repeated(steps), *_inputs(steps), *_rules(steps)]


def _repeated(steps: Sequence[Step]) -> list[Problem]:
    found: list[Problem] = []
    names = [step.name for step in steps]
    for place, name in enumerate(names):
        if name in names[:place]:
            found.append(Problem("STEP_REPEATED", _at(place), f"{name} is there twice."))
            continue
        for group in _ALTERNATIVES:
            other = next((n for n in names[:place] if n in group and n != name), "") if name in group else ""
            if other:
                message = f"{name} cannot stand beside {other}: a pipeline has one of {', '.join(sorted(group))}."
                found.append(Problem("STEP_CONFLICT", _at(place), message))
    return found


def _inputs(steps: Sequence[Step]) -> list[Problem]:
    found: list[Problem] = []
    for place, step in enumerate(steps):
        earlier = {before.gives for before in steps[:place]}
        for wanted in step.takes:
            if earlier.isdisjoint(wanted.split("|")):
                found.append(_lacking(steps, place, wanted))
    return found


def _lacking(steps: Sequence[Step], place: int, wanted: str) -> Problem:
    """Why an input is not there: only a later step gives it, a circle of steps does, or none at all."""
    step, kinds = steps[place], set(wanted.split("|"))
    name = " or ".join(wanted.split("|"))
    later = next((s for s in steps[place:] if s.gives in kinds), None)
    if later is None:
        givers = [kind.name for kind in KINDS.values() if kind.gives in kinds]
        hint = f"; put {' or '.join(givers)} before it" if givers else ""
        return Problem("INPUT_MISSING", _at(place), f"{step.name} takes {name}, which no earlier step gives{hint}.")
    if _rests_on(steps, later, step.gives):
        message = f"{step.name} takes {name} of {later.name}, which itself rests on {step.name}."
        return Problem("STEP_CYCLE", _at(place), message)
    return Problem("INPUT_LATER", _at(place), f"{step.name} takes {name}; move {later.name} before it.")


def _rests_on(steps: Sequence[Step], step: Step, given: str) -> bool:
    """Whether the step needs what is given, by itself or through what others of these steps give."""
    needed: set[str] = set()
    open_kinds = [kind for wanted in step.takes for kind in wanted.split("|")]
    while open_kinds:
        kind = open_kinds.pop()
        if kind not in needed:
            needed.add(kind)
            givers = [s for s in steps if s.gives == kind]
            open_kinds.extend(k for giver in givers for wanted in giver.takes for k in wanted.split("|"))
    return given in needed


def _rules(steps: Sequence[Step]) -> list[Problem]:
    """What types do not say: nothing lands unverified, what is staged is committed, and only some may split."""
    found: list[Problem] = []
    names = [step.name for step in steps]
    place = {name: names.index(name) for name in names}
    writer = next((name for name in names if name in WRITERS), "")
    if writer and "apply" in place and not place[writer] < place.get("verify", -1) < place["apply"]:
        message = f"What {writer} writes must be verified before it is applied; put verify between them."
        found.append(Problem("VERIFY_MISSING", _at(place["apply"]), message))
    if "apply" in place and place.get("validate", -1) < place["apply"]:
        message = "What apply stages is committed by validate; put validate behind it."
        found.append(Problem("VALIDATE_MISSING", _at(place["apply"]), message))
    if "strategy" in place and writer and writer not in _SPLITTERS:
        message = f"{writer} works on the nodes that are there; strategy splits only for {_listed(_SPLITTERS)}."
        found.append(Problem("SPLIT_NOT_POSSIBLE", _at(place["strategy"]), message))
    if "strategy" in place and place.get(writer, len(names)) < place["strategy"]:
        message = f"strategy decides what {writer} writes; put it before."
        found.append(Problem("STEP_TOO_LATE", _at(place["strategy"]), message))
    return found


def _listed(names: frozenset[str]) -> str:
    return " and ".join(sorted(names))


def _at(place: int) -> str:
    return f"/steps/{place}/step"
