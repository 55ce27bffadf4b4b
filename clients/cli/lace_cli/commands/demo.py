"""`lace demo`: the whole way in one command, from a folder of documents to a cited document in four formats."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.commands.documents import Out
from lace_cli.failures import INTERRUPTED, CommandError

if TYPE_CHECKING:
    from lace_client import LaceClient

_DOSSIER = Path("examples/dossier")
_FACTS = Path("examples/dossier-facts.json")
# What is taken as the wish that a provider's model writes; the first that is set counts.
_WISHES = {
    "openai": ("LACE_OPENAI_API_KEY", "OPENAI_API_KEY", "LACE_OPENAI_BASE_URL", "OPENAI_BASE_URL"),
    "anthropic": ("LACE_ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
    "gemini": ("LACE_GEMINI_API_KEY", "GEMINI_API_KEY"),
}


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo")(demo)


def demo(
    sources: Annotated[
        list[Path] | None, typer.Argument(help="Documents or folders of them; the dossier of examples/ where left out.")
    ] = None,
    title: Annotated[str, typer.Option("--title", "-t", help="Title of the document.")] = "",
    instructions: Annotated[str, typer.Option("--instructions", "-i", help="What it is to say, for whom, how.")] = "",
    out: Out = Path("out"),
) -> None:
    """Start LACE, read the documents, write a cited document out of them and save it as md, docx, pdf and ttl.

    With OPENAI_API_KEY or OPENAI_BASE_URL (and OPENAI_MODEL), ANTHROPIC_API_KEY or GEMINI_API_KEY in the environment or
    in .env that provider's model writes; without, or with LACE_LLM_PROVIDER=extractive, the built-in composer does,
    offline. What was read and written stays in the data folder: `lace up` finds it again.

    Example:  lace demo my-reports/ --title "What the reports say about costs"
    """
    from lace_cli.connection import connect, is_running
    from lace_cli.files import find_documents

    job = demo_job(sources or [], title, instructions, out)
    find_documents(job.sources)  # so that a mistyped folder is told at once, not after the start
    if is_running():
        with connect() as api:
            write(api, job)
    else:
        _write_with_own_installation(job)


@dataclass(frozen=True)
class DemoJob:
    """What is to be read, and written."""

    sources: tuple[Path, ...]
    title: str
    instructions: str
    out: Path
    settings: Mapping[str, Any]


def demo_job(sources: list[Path], title: str, instructions: str, out: Path) -> DemoJob:
    """What was asked for, with what was left out filled in. Raises CommandError where examples/ is not here."""
    settings = provider_settings(_environ())
    if sources:
        return DemoJob(tuple(sources), title or title_of(sources), instructions, out, settings)
    if not _FACTS.exists():
        raise CommandError(
            "The example dossier is not in this folder.",
            code="EXAMPLES_MISSING",
            advice="Run it where the repository is checked out, or name your own documents: lace demo FOLDER",
        )
    facts = json.loads(_FACTS.read_text(encoding="utf-8"))
    # The brief is about the dossier's own title; another title stands for itself.
    brief = instructions or ("" if title else facts["brief"])
    return DemoJob((_DOSSIER,), title or facts["title"], brief, out, settings)


def title_of(sources: Sequence[Path]) -> str:
    """A title for documents of which nothing is known but where they lie."""
    name = sources[0].resolve().stem.replace("-", " ").replace("_", " ").strip()
    return f"{name[:1].upper()}{name[1:]}" or "What the documents say"


def provider_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Settings of the run by which the user's own model writes, where a key for one is given."""
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    wished = [provider for provider, names in _WISHES.items() if any(name in given for name in names)]
    if not wished or "LACE_LLM_PROVIDER" in given:
        return {}
    model = given.get("LACE_LLM_MODEL") or (given.get("OPENAI_MODEL", "") if wished[0] == "openai" else "")
    return {"llm.provider": wished[0], **({"llm.model": model} if model else {})}


def write(api: LaceClient, job: DemoJob) -> None:
    """Reads the documents, writes, saves, and tells what came of it. Raises CommandError, LaceError."""
    from lace_cli.ingestion import ingest_paths
    from lace_cli.writing import citation_line, follow_to_end, save_compiled

    if job.settings:
        model = "/".join(str(value) for value in job.settings.values())
        typer.echo(f"Written by {model}, as .env or the environment says; offline: LACE_LLM_PROVIDER=extractive")
    read = ingest_paths(api, job.sources, can_go_on=False)
    ready = [source.source_id for source in read.readable]
    started = api.start_run(
        "generate", title=job.title, instructions=job.instructions, source_ids=ready, settings=job.settings
    )
    done = follow_to_end(api, started.run_id, "Writing")
    saved = save_compiled(api, done, job.title, job.out)
    typer.echo()
    typer.echo(f"{job.title}")
    for path in saved:
        typer.echo(f"  {path}")
    typer.echo(citation_line(done))


def _write_with_own_installation(job: DemoJob) -> None:
    from lace_cli.local import configured
    from lace_client import LaceClient
    from lace_standalone.program import installation_beside

    try:
        with installation_beside(configured(verbose=False)) as installation:
            typer.echo(f"LACE started in {installation.started_in_s:.1f} s")
            with LaceClient(installation.url, installation.token) as api:
                write(api, job)
            typer.echo("Each citation beside its source, in the browser: lace up")
    except KeyboardInterrupt:
        raise CommandError("Interrupted.", code="INTERRUPTED", exit_code=INTERRUPTED) from None


def _environ() -> dict[str, str]:
    from dotenv import dotenv_values

    from_file = {key: value for key, value in dotenv_values(".env").items() if value}
    return {**from_file, **os.environ}
