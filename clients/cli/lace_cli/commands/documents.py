"""`lace documents|generate|outline|compile|open`: what was written; from sources to a document and its files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.files import writable_folder
from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.runs.v1 import artifacts_pb2

Title = Annotated[str, typer.Option("--title", "-t", help="Title of the document.")]
Instructions = Annotated[
    str, typer.Option("--instructions", "-i", help="What it is to say, for whom, how; @FILE reads them from a file.")
]
SourceIds = Annotated[
    list[str] | None, typer.Option("--source", help="Use only this source; may be repeated. All where left out.")
]
BundleName = Annotated[
    str,
    typer.Option("--bundle", help="Use the sources of this bundle: NAME for its newest version, NAME@2 for another."),
]
Targets = Annotated[
    list[str] | None, typer.Option("--target", help="Make this format: md, docx, pdf, owl. All where left out.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of this run, for instance --set runs.target_words=5000.")
]
Out = Annotated[Path, typer.Option("--out", "-o", callback=writable_folder, help="Folder for the files.")]
Priority = Annotated[
    int | None,
    typer.Option(
        "--priority", min=0, max=9, help="Of your runs that wait the highest is begun first; 5 where left out."
    ),
]
PolicyName = Annotated[
    str,
    typer.Option("--policy", help="Hold it to this policy, NAME or NAME@VERSION: one that extends the one that holds."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("documents")(documents)
    app.command("generate")(generate)
    app.command("outline")(outline)
    app.command("compile")(compile_artifact)
    app.command("open")(open_page)


def documents(
    title: Annotated[str, typer.Option("--title", "-t", help="Only those with these words in their title.")] = "",
    source: Annotated[str, typer.Option("--source", metavar="SOURCE", help="Only those that cite this source.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what was written, newest first, with the ids that other commands take as ARTIFACT."""
    from itertools import islice

    from lace_cli.connection import connect

    with connect() as api:
        found = list(islice(api.documents.list(title=title, source_id=source), limit))
    if as_json:
        print_json(found)
        return
    rows = [
        (one.artifact_id, one.updated_at.ToDatetime().strftime("%Y-%m-%d %H:%M"), one.title or "(untitled)")
        for one in found
    ]
    print_table(("artifact", "changed (UTC)", "title"), rows, empty="There is none yet: lace generate --title …")


def generate(
    title: Title,
    instructions: Instructions = "",
    source: SourceIds = None,
    bundle: BundleName = "",
    policy: PolicyName = "",
    target: Targets = None,
    language: Annotated[str, typer.Option("--language", help="Of the document, as a BCP 47 tag.")] = "",
    artifact: Annotated[str, typer.Option("--artifact", help="An outlined artifact to write out.")] = "",
    override: Overrides = None,
    priority: Priority = None,
    out: Out = Path("out"),
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Write a document out of the sources, every sentence cited, and save its files.

    Examples:  lace generate -t "Harrow Bay: what it cost"   ·   lace generate -t "For the board" -i @brief.txt -o board
    ·   lace generate -t "The budget" --bundle budget-2026@2
    """
    from lace_cli.bundle_names import bundle_of
    from lace_cli.connection import connect
    from lace_cli.writing import finish, tell_detached

    named, number = bundle_of(bundle) if bundle else ("", 0)

    with connect() as api:
        started = api.start_run(
            "generate",
            title=title,
            instructions=text_of(instructions),
            source_ids=source or (),
            artifact_id=artifact,
            targets=target or (),
            settings=overrides_of(override or ()),
            language=language,
            priority=priority,
            bundle=named,
            bundle_version=number,
            policy=policy,
        )
        if detach:
            tell_detached(started, as_json)
        else:
            finish(api, started.run_id, "Writing", out, as_json, title=title)


def outline(
    title: Title,
    instructions: Instructions = "",
    source: SourceIds = None,
    bundle: BundleName = "",
    policy: PolicyName = "",
    override: Overrides = None,
    priority: Priority = None,
    as_json: AsJson = False,
) -> None:
    """Plan a document only; write it out later with: lace generate --artifact."""
    from lace_cli.bundle_names import bundle_of
    from lace_cli.connection import connect
    from lace_cli.writing import follow_to_end, watched

    named, number = bundle_of(bundle) if bundle else ("", 0)

    with connect() as api:
        started = api.start_run(
            "outline",
            title=title,
            instructions=text_of(instructions),
            source_ids=source or (),
            settings=overrides_of(override or ()),
            priority=priority,
            bundle=named,
            bundle_version=number,
            policy=policy,
        )
        with watched(started.run_id):
            follow_to_end(api, started.run_id, "Planning", quiet=as_json)
        artifact = api.get_artifact(started.artifact_id)
    if as_json:
        print_json(artifact)
        return
    for level, heading in headings_of(artifact):
        typer.echo(f"{'  ' * level}{heading}")
    typer.echo(f"Write it out: lace generate --title {_quoted(title)} --artifact {started.artifact_id}")


def compile_artifact(
    artifact: Annotated[
        str, typer.Argument(metavar="ARTIFACT", help="Id of the artifact, as `lace documents` shows it.")
    ],
    target: Targets = None,
    override: Overrides = None,
    out: Out = Path("out"),
    as_json: AsJson = False,
) -> None:
    """Make the files of a written document once more and save them.

    Example:  lace compile art_… --target pdf --set compile.page_size=us-letter
    """
    from lace_cli.connection import connect
    from lace_cli.writing import finish

    with connect() as api:
        started = api.start_compile(artifact, targets=target or (), settings=overrides_of(override or ()))
        finish(api, started.run_id, "Writing", out, as_json, title=api.get_artifact(artifact).title)


def open_page(
    artifact: Annotated[
        str, typer.Argument(metavar="[ARTIFACT]", help="Read this document; all are listed where left out.")
    ] = "",
    docs: Annotated[bool, typer.Option("--docs", help="The API's documentation instead.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Only print the address.")] = False,
) -> None:
    """Open the page for readers in the browser: documents with their citations, and runs while they work.

    It asks for the token that `lace up` printed.
    """
    from urllib.parse import quote

    from lace_cli.connection import find_target

    page = f"/read#/documents/{quote(artifact, safe='')}" if artifact else "/read"
    url = find_target().url + ("/docs" if docs else page)
    typer.echo(url)
    if not show:
        typer.launch(url)


def overrides_of(texts: list[str] | tuple[()]) -> dict[str, Any]:
    """Settings out of KEY=VALUE, checked by their definitions. Raises LaceError SETTING_*, CommandError."""
    from lace_cli.failures import WRONG_USE, CommandError
    from lace_core.errors import LaceError, Reason
    from lace_core.settings import SETTINGS

    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise CommandError(f"--set {text}: write KEY=VALUE.", code="WRONG_USE", exit_code=WRONG_USE)
        if key not in SETTINGS:
            raise LaceError(Reason.SETTING_UNKNOWN, f"There is no setting {key}.")
        found[key] = SETTINGS[key].parse(value)
    return found


def headings_of(artifact: artifacts_pb2.Artifact) -> list[tuple[int, str]]:
    """Headings in document order, each with its level; 0 is the title."""
    levels: dict[str, int] = {}
    found = []
    for node in artifact.nodes:
        levels[node.node_id] = levels[node.parent_id] + 1 if node.parent_id in levels else 0
        found.append((levels[node.node_id], node.title))
    return found


def text_of(given: str) -> str:
    """The text, or that of the file which @FILE names."""
    return Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
