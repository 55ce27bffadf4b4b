"""Which pipeline fits what is asked and what is there; a pure choice, with its reason in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Situation:
    """What a choice rests on. `given` and `ready` count the sources that the request names and those among them that
    are read; `new_sources` counts ready ones that no run has looked at for this artifact.
    """

    has_artifact: bool = False
    has_text: bool = False
    node_has_text: bool = False
    node_title: str = ""
    instructions: bool = False
    given: int = 0
    ready: int = 0
    new_sources: int = 0


@dataclass(frozen=True)
class Choice:
    """A pipeline and why it was chosen."""

    pipeline_id: str
    reason: str


def choose(situation: Situation) -> Choice:
    """The first of these that fits: what must be read is read, what is empty is written, what is asked is done."""
    s = situation
    if not s.has_artifact:
        if s.given and not s.ready:
            return Choice("ingest", f"None of the {s.given} sources given is read yet, and no artifact is named.")
        return Choice("generate", "No artifact is named, so a new one is written.")
    if not s.has_text:
        return Choice("generate", "The artifact holds no text yet; what is outlined is written out.")
    if s.instructions:
        return Choice("patch", "The artifact is written, and there are instructions for changing it.")
    if not s.node_has_text:
        return Choice("expand", f"The section {s.node_title} holds no text yet, while the artifact does.")
    if s.new_sources:
        noun = "source is" if s.new_sources == 1 else "sources are"
        return Choice("enrich", f"{s.new_sources} {noun} ready that no run has looked at for this artifact.")
    return Choice("regenerate", "The artifact is written, all sources were looked at, and nothing else is asked.")
