"""`lace test` and `lace suite push|list|show|check|results`: tests of documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.runs.v1 import suites_pb2
    from lace_client import LaceClient

_HELP = """Suites: what documents are held to, written as YAML, kept as versions.

    Examples:  lace suite check examples/suites/*.yaml   ·   lace suite push examples/suites/harrow-bay.yaml
               lace suite list   ·   lace suite show harrow-bay   ·   lace suite results art_…
    """
_ENDINGS = (".yaml", ".yml")


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("test")(run_tests)
    group = typer.Typer(help=_HELP, no_args_is_help=True)
    group.command("check")(check)
    group.command("push")(push)
    group.command("list")(list_suites)
    group.command("show")(show)
    group.command("results")(results)
    app.add_typer(group, name="suite")


def run_tests(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="A file (.yaml), or a suite that is kept: NAME or NAME@VERSION.")
    ] = "",
    artifact: Annotated[str, typer.Argument(metavar="ARTIFACT", help="Its id, as `lace documents` shows it.")] = "",
    revision: Annotated[str, typer.Option("--revision", help="A committed revision; the head where left out.")] = "",
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML there.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for each check, and what answers.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Test again whenever the document or FILE changes; Ctrl-C ends it.")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the language's JSON Schema, and do no more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Test a document by a suite: questions that it must answer, rules of build and wording, claims it may not make.

    Exit code 0 where it passed, 1 where a check failed, 2 where the suite is wrong.

    Examples:  lace test examples/suites/harrow-bay.yaml art_…   ·   lace test harrow-bay@3 art_… --junit out/tests.xml
               lace test harrow-bay art_… --watch
    """
    from lace_cli.connection import connect
    from lace_cli.failures import FAILED, WRONG_USE, CommandError
    from lace_cli.suite_text import report
    from lace_core.suites.suite import json_schema
    from lace_proto.json import to_python

    if schema:
        print_json(json_schema())
        return
    if not suite or not artifact:
        raise CommandError(
            "Name a suite and a document: lace test SUITE ARTIFACT", code="WRONG_USE", exit_code=WRONG_USE
        )
    asked = _asked(suite)
    if watch:
        if revision or junit is not None or as_json or verbose:
            raise CommandError("--watch goes with SUITE and ARTIFACT alone.", code="WRONG_USE", exit_code=WRONG_USE)
        return _watch(suite, artifact)
    with connect() as api:
        found = api.suites.test(artifact, revision_id=revision, **asked)
        if junit is not None:
            _write(junit, api, found)
    plain = to_python(found)
    if as_json:
        print_json(plain)
    else:
        typer.echo(report(plain, verbose=verbose))
    if plain["status"] != "passed":
        raise typer.Exit(FAILED)


def _watch(suite: str, artifact: str) -> None:
    """Round after round; Ctrl-C ends it with what came of the last one."""
    from lace_cli.connection import connect
    from lace_cli.failures import FAILED
    from lace_cli.suite_watch import Watch
    from lace_proto.json import to_python

    with connect() as api:
        watch = Watch(
            head=lambda: api.history.branch(artifact, "main").head_revision_id,
            suite=lambda: _asked(suite),
            test=lambda asked: to_python(api.suites.test(artifact, **asked)),
            say=typer.echo,
        )
        api.history.branch(artifact, "main")  # a document that is not there is no matter of waiting
        try:
            watch.follow()
        except KeyboardInterrupt:
            typer.echo("\nNo longer watched.")
    if not watch.passed:
        raise typer.Exit(FAILED)


def _asked(suite: str) -> dict[str, Any]:
    """The suite as it is asked for: the text of a file, which is read here first, or a name with its version."""
    from lace_cli.failures import WRONG_USE, CommandError
    from lace_cli.suite_files import read_suite

    path = Path(suite)
    if path.suffix in _ENDINGS or path.exists():
        return {"text": read_suite(path).text}
    name, _, version = suite.partition("@")
    if version and not version.isdecimal():
        raise CommandError(f"{version} is no version; write NAME@3.", code="WRONG_USE", exit_code=WRONG_USE)
    return {"suite": name, "suite_version": int(version or 0)}


def _write(path: Path, api: LaceClient, found: suites_pb2.DocumentTest) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(api.suites.junit(found.artifact_id, found.test_id))


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Suites.")],
) -> None:
    """Say what is wrong with suites, without a server: file:line:column: message. Exit code 2 where anything is.

    Example:  lace suite check examples/suites/*.yaml
    """
    from lace_cli.failures import WRONG_USE, CommandError
    from lace_cli.suite_files import read_suite

    wrong = 0
    for file in files:
        try:
            read = read_suite(file)
        except CommandError as error:
            wrong += 1
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{file}: {read.suite.name}, {len(read.suite.checks)} checks")
    if wrong:
        raise typer.Exit(WRONG_USE)


def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A suite.")],
    as_json: AsJson = False,
) -> None:
    """Keep a suite as the next version of its name; the same text again stays the version that it is.

    Example:  lace suite push examples/suites/harrow-bay.yaml
    """
    from lace_cli.connection import connect
    from lace_cli.suite_files import read_suite

    read = read_suite(file)
    with connect() as api:
        kept = api.suites.create(read.text)
    if as_json:
        print_json(kept)
        return
    typer.echo(f"{kept.name} {kept.version}: {kept.check_count} checks")
    typer.echo(f"Run it: lace test {kept.name} ARTIFACT")


def list_suites(as_json: AsJson = False) -> None:
    """List the suites that are kept, each in its newest version.

    Example:  lace suite list
    """
    from lace_cli.connection import connect
    from lace_cli.printable import printable

    with connect() as api:
        found = list(api.suites.list())
    if as_json:
        print_json(found)
        return
    rows = [(each.name, str(each.version), str(each.check_count), printable(each.description)) for each in found]
    print_table(("suite", "version", "checks", ""), rows, empty="There are none: lace suite push FILE")


def show(
    suite: Annotated[str, typer.Argument(metavar="NAME", help="NAME or NAME@VERSION.")],
    as_json: AsJson = False,
) -> None:
    """Print the text of a suite that is kept.

    Example:  lace suite show harrow-bay@2 > harrow-bay.yaml
    """
    from lace_cli.connection import connect

    name, _, version = suite.partition("@")
    with connect() as api:
        found = api.suites.get(name, int(version) if version.isdecimal() else 0)
    if as_json:
        print_json(found)
    else:
        typer.echo(found.text, nl=not found.text.endswith("\n"))


def results(
    artifact: Annotated[str, typer.Argument(metavar="ARTIFACT", help="Its id, as `lace documents` shows it.")],
    test_id: Annotated[str, typer.Argument(metavar="[TEST]", help="A test, to show it whole.")] = "",
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write its JUnit XML there.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the tests of a document, newest first; or show one of them again.

    Examples:  lace suite results art_…   ·   lace suite results art_… tst_… --junit out/tests.xml
    """
    from lace_cli.connection import connect
    from lace_cli.suite_text import report
    from lace_proto.json import to_python

    with connect() as api:
        found = [api.suites.result(artifact, test_id)] if test_id else list(api.suites.tests(artifact))
        if junit is not None and test_id:
            _write(junit, api, found[0])
    if as_json:
        print_json(found[0] if test_id else found)
        return
    plain = [to_python(each) for each in found]
    if test_id:
        typer.echo(report(plain[0], verbose=False))
        return
    rows = [(t["test_id"], t["created_at"], t["suite"], t["status"], str(t["failed"]), t["revision_id"]) for t in plain]
    print_table(("id", "at", "suite", "status", "failed", "revision"), rows, empty="It was never tested.")
