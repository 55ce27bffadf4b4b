"""`lace regenerate|expand|enrich|patch|auto`: changing a written document within a scope."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lace_cli.commands.documents import Detach, Out, Overrides, SourceIds, Targets, overrides_of, text_of
from lace_cli.output import AsJson


class Scope(StrEnum):
    """How much of the document is meant."""

    NODE = "node"
    SUBTREE = "subtree"


ArtifactId = Annotated[str, typer.Argument(metavar="ARTIFACT", help="Its id, as `lace documents` shows it.")]
NodeId = Annotated[
    str, typer.Option("--node", help="Id of the section that is meant; the whole document where left out.")
]
ScopeOption = Annotated[
    Scope, typer.Option("--scope", help="node: the section alone; subtree: it and all below it. Nothing else changes.")
]
Base = Annotated[str, typer.Option("--base", help="The revision that you read; the head where left out.")]
Instructions = Annotated[
    str, typer.Option("--instructions", "-i", help="What is to be changed; @FILE reads it from a file.")
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (regenerate, expand, enrich, patch, auto):
        app.command(command.__name__)(command)


def regenerate(
    artifact: ArtifactId,
    node: NodeId = "",
    scope: ScopeOption = Scope.SUBTREE,
    instructions: Instructions = "",
    base: Base = "",
    source: SourceIds = None,
    target: Targets = None,
    override: Overrides = None,
    out: Out = Path("out"),
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Write a section, or the document, anew from the sources; headings stay, dropped citations are told.

    Example:  lace regenerate art_… --node nod_… --scope node
    """
    given = _Given(artifact, node, scope, instructions, base, source, target, override)
    _run("regenerate", given, out, detach, as_json)


def expand(
    artifact: ArtifactId,
    node: NodeId = "",
    scope: ScopeOption = Scope.SUBTREE,
    instructions: Instructions = "",
    base: Base = "",
    source: SourceIds = None,
    target: Targets = None,
    override: Overrides = None,
    out: Out = Path("out"),
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Add what the sources say and the document does not cite yet; nothing that is there is changed.

    Example:  lace expand art_… --node nod_…
    """
    given = _Given(artifact, node, scope, instructions, base, source, target, override)
    _run("expand", given, out, detach, as_json)


def enrich(
    artifact: ArtifactId,
    node: NodeId = "",
    scope: ScopeOption = Scope.SUBTREE,
    base: Base = "",
    source: SourceIds = None,
    target: Targets = None,
    override: Overrides = None,
    out: Out = Path("out"),
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Find further evidence for what the document says, and add what newer sources say; no text is removed.

    Example:  lace ingest new-report.pdf && lace enrich art_…
    """
    given = _Given(artifact, node, scope, "", base, source, target, override)
    _run("enrich", given, out, detach, as_json)


def patch(
    artifact: ArtifactId,
    instructions: Annotated[
        str, typer.Option("--instructions", "-i", help="What is to be changed; @FILE reads it from a file.")
    ],
    node: NodeId = "",
    scope: ScopeOption = Scope.SUBTREE,
    base: Base = "",
    source: SourceIds = None,
    target: Targets = None,
    override: Overrides = None,
    out: Out = Path("out"),
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Change what the instructions say, and leave the rest as it is.

    Example:  lace patch art_… -i "Leave out the procurement delays" --node nod_…
    """
    given = _Given(artifact, node, scope, instructions, base, source, target, override)
    _run("patch", given, out, detach, as_json)


def auto(
    artifact: Annotated[str, typer.Argument(metavar="ARTIFACT", help="An artifact; a new one where left out.")] = "",
    title: Annotated[str, typer.Option("--title", "-t", help="Title of a new document.")] = "",
    instructions: Instructions = "",
    node: NodeId = "",
    source: SourceIds = None,
    target: Targets = None,
    override: Overrides = None,
    out: Out = Path("out"),
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Do what fits: write what is new or outlined, patch, expand, enrich or regenerate the rest; it says which and why.

    Example:  lace auto art_…   ·   lace auto --title "Harrow Bay"
    """
    given = _Given(artifact, node, None, instructions, "", source, target, override, title)
    _run("auto", given, out, detach, as_json)


class _Given:
    """What a command was given, as the API takes it."""

    def __init__(
        self,
        artifact: str,
        node: str,
        scope: Scope | None,
        instructions: str,
        base: str,
        source: list[str] | None,
        target: list[str] | None,
        override: list[str] | None,
        title: str = "",
    ) -> None:
        self.values = {
            "artifact_id": artifact,
            "node_id": node,
            "scope": scope.value if scope else "",
            "instructions": text_of(instructions),
            "base_revision_id": base,
            "source_ids": source or (),
            "targets": target or (),
            "settings": overrides_of(override or ()),
            "title": title,
        }


def _run(pipeline_id: str, given: _Given, out: Path, detach: bool, as_json: bool) -> None:
    from lace_cli.connection import connect
    from lace_cli.writing import finish, tell_detached

    with connect() as api:
        started = api.start_run(pipeline_id, **given.values)  # type: ignore[arg-type]
        if started.reason and not as_json:
            typer.echo(f"{started.pipeline_id}: {started.reason}")
        if detach:
            tell_detached(started, as_json)
        else:
            finish(api, started.run_id, f"Running {started.pipeline_id}", out, as_json)
