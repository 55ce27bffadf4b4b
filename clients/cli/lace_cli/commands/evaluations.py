"""`lace eval`: how good verdicts are, on labelled pairs and on a document, and whether they have become worse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.failures import WRONG_USE, CommandError
from lace_cli.output import AsJson, print_json

if TYPE_CHECKING:
    from lace.runs.v1 import evaluations_pb2
    from lace_cli.evaluation_text import Measured
    from lace_client import LaceClient

_FOLDER = Path("tests/golden/evaluation")
_RECORDED = "recorded.json"
_SHIPPED = "golden"


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("eval")(evaluate)


def evaluate(
    sets: Annotated[
        list[str] | None,
        typer.Argument(help="Sets that LACE has by name (golden), or JSON files of labelled pairs."),
    ] = None,
    document: Annotated[str, typer.Option("--document", help="Measure the citations of a document (art_…).")] = "",
    revision: Annotated[str, typer.Option("--revision", help="One of its revisions (rev_…); else the head.")] = "",
    verdicts: Annotated[
        Path | None, typer.Option("--verdicts", help="Measure another scorer: JSON of its verdicts by pair id.")
    ] = None,
    scorer: Annotated[str, typer.Option("--scorer", help="Its name, with --verdicts.")] = "",
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit with 1 for a false support, or fewer true supports than recorded.")
    ] = False,
    record: Annotated[bool, typer.Option("--record", help="Write the rates down that --gate holds to.")] = False,
    recorded: Annotated[
        Path | None,
        typer.Option(
            "--recorded", help=f"Where they are written down; else {_FOLDER / _RECORDED}.", show_default=False
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Name the true sentences that were missed, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how good verdicts on sentences are: false supports, true supports and abstentions, by kind of pair.

    Without an argument the sets in tests/golden/evaluation are measured where the repository is checked out, elsewhere
    the set golden that comes with LACE. Starts LACE for as long as it takes where none is running. Reports are kept.

    Examples:  lace eval   ·   lace eval golden --gate   ·   lace eval --document art_…   ·
    lace eval my-pairs.json --verdicts nli.json --scorer nli
    """
    from lace_cli.evaluation_text import citation_lines, pair_lines

    _check_use(sets or [], document, verdicts, scorer)
    with _api() as api:
        if document:
            found = api.evaluations.of_document(document, revision_id=revision)
            if as_json:
                print_json(found)
            else:
                for line in citation_lines(found):
                    typer.echo(line)
            return
        measured = _measured(api, sets or _default_sets(), verdicts, scorer, quiet=as_json)
    place = recorded or _FOLDER / _RECORDED
    if record:
        _record(place, measured)
    worse = _worse(place, measured) if gate else []
    if as_json:
        print_json({"evaluations": [own.evaluation for own in measured], "worse": worse})
    else:
        for own in measured:
            for line in pair_lines(own, every=every):
                typer.echo(line)
        _tell_gate(gate, worse)
    if worse:
        raise typer.Exit(1)


def _check_use(sets: Sequence[str], document: str, verdicts: Path | None, scorer: str) -> None:
    wrong = ""
    if document and (sets or verdicts):
        wrong = "--document measures a document, not sets."
    elif bool(verdicts) != bool(scorer):
        wrong = "--verdicts and --scorer belong together."
    elif verdicts and len(sets) != 1:
        wrong = "--verdicts are on the pairs of one set; name it."
    if wrong:
        raise CommandError(wrong, code="WRONG_USE", advice="See: lace eval --help", exit_code=WRONG_USE)


def _default_sets() -> list[str]:
    files = sorted(path for path in _FOLDER.glob("*.json") if path.name != _RECORDED)
    return [str(path) for path in files] or [_SHIPPED]


@contextmanager
def _api() -> Iterator[LaceClient]:
    """The API that is running, or one of our own for as long as it is needed."""
    from lace_cli.connection import connect, is_running
    from lace_cli.local import configured
    from lace_client import LaceClient

    if is_running():
        with connect() as api:
            yield api
        return
    from lace_standalone.program import installation_beside

    with installation_beside(configured(verbose=False)) as own, LaceClient(own.url, own.token) as api:
        yield api


def _measured(
    api: LaceClient, sets: Sequence[str], verdicts: Path | None, scorer: str, *, quiet: bool
) -> list[Measured]:
    from lace_cli.evaluation_text import Measured, steps

    given = _verdicts_of(verdicts) if verdicts else None
    measured = []
    with steps("Measuring", len(sets), quiet=quiet) as step:
        for name in sets:
            measured.append(Measured(name, _of_set(api, name, scorer, given)))
            step(name)
    return measured


def _of_set(api: LaceClient, name: str, scorer: str, given: dict[str, str] | None) -> evaluations_pb2.Evaluation:
    if not name.endswith(".json"):
        return api.evaluations.of_pairs(named=name, scorer=scorer, verdicts=given)
    content = _read_json(Path(name))
    pairs = content.get("pairs") if isinstance(content, dict) else content
    if not isinstance(pairs, list) or not all(isinstance(pair, dict) for pair in pairs):
        raise _wrong_file(Path(name), "It holds no list of pairs.")
    return api.evaluations.of_pairs(pairs, scorer=scorer, verdicts=given, title=Path(name).stem)


def _verdicts_of(path: Path) -> dict[str, str]:
    content = _read_json(path)
    if isinstance(content, list):
        content = {own.get("id"): own.get("verdict") for own in content if isinstance(own, dict)}
    if not isinstance(content, dict) or not all(isinstance(own, str) for pair in content.items() for own in pair):
        raise _wrong_file(path, "It holds no verdicts by pair id.")
    return content


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong_file(path, error.strerror or "It cannot be read.") from None
    except ValueError as error:
        raise _wrong_file(path, f"It is no JSON: {error}.") from None


def _wrong_file(path: Path, why: str) -> CommandError:
    advice = (
        'A set is {"pairs": [{"id", "kind", "label", "sentence", "evidence": [{"quote", "file"}]}]}; see docs/api.md.'
    )
    return CommandError(f"{path}: {why}", code="EVALUATION_FILE_INVALID", advice=advice, exit_code=WRONG_USE)


def _record(place: Path, measured: Sequence[Measured]) -> None:
    kept = _read_json(place) if place.exists() else {}
    kept.update((own.key, own.counts) for own in measured)
    place.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n", encoding="utf-8")
    typer.echo(f"Written: {place}", err=True)


def _worse(place: Path, measured: Sequence[Measured]) -> list[str]:
    kept = _read_json(place) if place.exists() else {}
    return [line for own in measured for line in own.worse_than(kept.get(own.key))]


def _tell_gate(gate: bool, worse: Sequence[str]) -> None:
    for line in worse:
        typer.echo(f"gate: {line}", err=True)
    if gate and not worse:
        typer.echo("gate: passed")
