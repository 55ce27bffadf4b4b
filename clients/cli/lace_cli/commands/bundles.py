"""`lace bundles create|add|remove|list|show|refresh`: named sets of sources, and their versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace.ingest.v1 import bundles_pb2
    from lace_client import LaceClient

Name = Annotated[str, typer.Argument(metavar="BUNDLE", help="Name or id of the bundle.")]
Sources = Annotated[
    list[str], typer.Argument(metavar="SOURCE...", help="Ids of sources, as `lace sources` shows them.")
]
Note = Annotated[str, typer.Option("--note", help="Why; kept with the version.")]
Expected = Annotated[
    int | None,
    typer.Option("--expected-version", min=0, help="Refuse where the newest version is another than this."),
]


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    text = "Bundles: named sets of sources. Each change makes a version, and a run over a bundle is held to one."
    group = typer.Typer(help=text, no_args_is_help=True)
    group.command("create")(create)
    group.command("add")(add)
    group.command("remove")(remove)
    group.command("list")(list_bundles)
    group.command("show")(show)
    group.command("refresh")(refresh)
    app.add_typer(group, name="bundles")


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, dots, dashes and underscores.")],
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE...]", help="Ids of its sources.")] = None,
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Security label that readers need; may be repeated.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="For you alone.")] = False,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Make a bundle, with a first version where sources are named.

    Examples:  lace bundles create budget-2026 src_a src_b   ·   lace bundles create drafts --private
    """
    from lace_cli.connection import connect

    with connect() as api:
        made = api.bundles.create(
            name, sources or (), description=description, labels=label or (), private=private, note=note
        )
    if as_json:
        print_json(made)
        return
    typer.echo(f"{made.name} is there ({made.bundle_id}), at version {made.version}.")
    if not made.version:
        typer.echo(f"Give it sources: lace bundles add {made.name} SOURCE")


def add(name: Name, sources: Sources, note: Note = "", expected: Expected = None, as_json: AsJson = False) -> None:
    """Add sources to a bundle; those that it has stay where they are.

    Example:  lace bundles add budget-2026 src_c --note "figures of May"
    """
    from lace_cli.connection import connect

    with connect() as api:
        _tell(name, api.bundles.add(name, sources, note=note, expected_version=expected), as_json)


def remove(name: Name, sources: Sources, note: Note = "", expected: Expected = None, as_json: AsJson = False) -> None:
    """Take sources out of a bundle; its versions so far keep them.

    Example:  lace bundles remove budget-2026 src_a
    """
    from lace_cli.connection import connect

    with connect() as api:
        _tell(name, api.bundles.remove(name, sources, note=note, expected_version=expected), as_json)


def refresh(name: Name, note: Note = "", expected: Expected = None, as_json: AsJson = False) -> None:
    """Put the newest version of each of its documents into a bundle; nothing happens where it has them.

    Example:  lace ingest budget.md --version-of src_a && lace bundles refresh budget-2026
    """
    from lace_cli.connection import connect

    with connect() as api:
        _tell(name, api.bundles.refresh(name, note=note, expected_version=expected), as_json)


def list_bundles(as_json: AsJson = False) -> None:
    """List the bundles that you may see, by name."""
    from lace_cli.connection import connect

    with connect() as api:
        found = list(api.bundles.list())
    if as_json:
        print_json(found)
        return
    rows = [
        (one.name, str(one.version), one.updated_at.ToDatetime().strftime("%Y-%m-%d %H:%M"), one.description)
        for one in found
    ]
    empty = "There are no bundles yet: lace bundles create NAME SOURCE"
    print_table(("name", "version", "changed", "description"), rows, empty=empty)


def show(
    name: Annotated[str, typer.Argument(metavar="BUNDLE[@N]", help="Name or id; @N for its version N.")],
    as_json: AsJson = False,
) -> None:
    """Show the sources of a bundle's newest version, or of another, and which versions there are.

    Examples:  lace bundles show budget-2026   ·   lace bundles show budget-2026@2
    """
    from lace_cli.bundle_names import bundle_of
    from lace_cli.connection import connect

    asked, number = bundle_of(name)
    with connect() as api:
        if as_json:
            print_json(api.bundles.get_version(asked, number))
            return
        versions = [api.bundles.get_version(asked, number)] if number else list(api.bundles.list_versions(asked))
        _show(api, asked, versions)


def _show(api: LaceClient, name: str, versions: Sequence[bundles_pb2.BundleVersion]) -> None:
    if not versions:
        typer.echo(f"{name} is empty: lace bundles add {name} SOURCE")
        return
    version = versions[0]
    typer.echo(f"{name} at version {version.version}, sha256 {version.sha256}")
    sources = [api.get_source(source_id) for source_id in version.source_ids]
    rows = [(one.source_id, one.filename, str(one.version), one.error_code) for one in sources]
    print_table(("id", "file", "version", "remark"), rows, empty="It has no sources.")
    if version.withheld_count:
        typer.echo(f"{version.withheld_count} more carry labels that you do not hold.")
    for one in versions[1:]:
        made_at = one.created_at.ToDatetime().strftime("%Y-%m-%d %H:%M")
        typer.echo(f"Version {one.version} of {made_at}: {len(one.source_ids)} sources. {one.note}".rstrip())


def _tell(name: str, version: bundles_pb2.BundleVersion, as_json: bool) -> None:
    if as_json:
        print_json(version)
    else:
        typer.echo(f"{name} is at version {version.version}, with {len(version.source_ids)} sources.")
