"""`lace policy check|explain|diff|push|activate|list|schema`: the rules of an organisation as files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    pass

_HELP = """Rules of the organisation, written as YAML: what documents must cite, which words they avoid, who publishes.

    Example:  lace policy check policies/   ·   lace policy push policies/house.yaml   ·   lace policy activate house

    The first line of a file lets an editor check it:  # yaml-language-server: $schema=policy.schema.json
    (lace policy schema --out policy.schema.json)
    """
Which = Annotated[str, typer.Argument(metavar="POLICY", help="A file, or a policy that is kept: NAME or NAME@VERSION.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help=_HELP, no_args_is_help=True)
    group.command("check")(check)
    group.command("explain")(explain)
    group.command("diff")(diff)
    group.command("push")(push)
    group.command("activate")(activate)
    group.command("list")(list_policies)
    group.command("schema")(schema)
    app.add_typer(group, name="policy")


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files, or folders of them.")],
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with policies, without a server: file:line:column: code: message.

    What a file extends is looked for among the files, and in their folders. Exit code 1 where anything is wrong;
    warnings are not.
    """
    from lace_cli import policy_files
    from lace_cli.failures import FAILED

    found = policy_files.check(files)
    if as_json:
        print_json(policy_files.as_json(found))
    elif told := policy_files.shown(found):
        typer.echo(told, err=True)
    valid = sum(file.checked.is_valid for file in found)
    if not as_json:
        typer.echo(f"{valid} of {len(found)} policies are valid.")
    if valid < len(found):
        raise typer.Exit(FAILED)


def explain(
    policy: Annotated[
        str, typer.Argument(metavar="[POLICY]", help="As for diff; the one that holds where empty.")
    ] = "",
    artifact: Annotated[str, typer.Option("--artifact", help="Explain it for this document.")] = "",
    node: Annotated[str, typer.Option("--node", help="Explain it for this section of the document.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what a policy comes to with all that it extends: each value, and which line of which policy set it.

    Examples:  lace policy explain policies/team.yaml   ·   lace policy explain house --artifact art_…
    """
    from lace_cli.connection import connect

    rows = None if artifact else _explained_here(policy)
    if rows is None:
        with connect() as api:
            answer = api.policies.explain(**_asked(policy), artifact_id=artifact, node_id=node)
        rows = [_row(each) for each in answer.values]
        _warn(answer.findings)
    if as_json:
        print_json(rows)
        return
    shown = [(row["pointer"], _value(row["value"]), _place(row), row["locked_by"]) for row in rows]
    print_table(("value", "is", "set by", "locked by"), shown, empty="The policy sets nothing.")


def diff(
    before: Which,
    after: Which,
    as_json: AsJson = False,
) -> None:
    """Show what is stricter, looser or other in the second policy, with all that both extend.

    Exit code 0 whatever the difference; a program reads --json.

    Examples:  lace policy diff house@2 house@3   ·   lace policy diff house policies/house.yaml
    """
    from lace_cli.connection import connect

    rows = _different_here(before, after)
    if rows is None:
        with connect() as api:
            answer = api.policies.diff(_meant(before), _meant(after))
        rows = _plain(answer)["differences"]
        rows = [{"before": None, "after": None, **row} for row in rows]
    if as_json:
        print_json(rows)
        return
    shown = [(row["effect"], row["pointer"], _value(row["before"]), _value(row["after"])) for row in rows]
    print_table(("effect", "value", "before", "after"), shown, empty="They come to the same.")


def push(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Policies, those that others extend first.")],
    as_json: AsJson = False,
) -> None:
    """Keep versions of policies for good; they hold for nobody before they are activated or named by a run."""
    from lace_cli import policy_files
    from lace_cli.connection import connect
    from lace_cli.failures import CommandError

    found = policy_files.check(files)
    if not all(file.checked.is_valid for file in found):
        raise CommandError(policy_files.shown(found), code="POLICY_INVALID", advice="Nothing was pushed.")
    with connect() as api:
        made = [api.policies.create(file.text.decode()) for file in found]
    if as_json:
        print_json(made)
        return
    for policy in made:
        _warn(policy.findings)
        typer.echo(f"{policy.name}@{policy.version}  {policy.sha256}")
    last = made[-1]
    typer.echo(f"Let it hold: lace policy activate {last.name}@{last.version}")


def activate(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="NAME or NAME@VERSION; default lets none hold.")],
    effective: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d"], help="From when, in local time; now if left out."
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let a version hold for every run that is started from then on; for administrators.

    Runs that are under way keep the policy that they were started with.
    """
    from lace_cli.connection import connect
    from lace_core.policies.chain import reference_of

    wanted = reference_of(policy)
    with connect() as api:
        made = api.policies.activate(wanted.name, wanted.version, effective_at=effective, reason=reason)
    if as_json:
        print_json(made)
        return
    at = made.effective_at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
    typer.echo(f"{made.name}@{made.version} holds from {at} (UTC) on.")


def list_policies(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only the versions of this policy.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the policies with their newest versions, or the versions of one."""
    from lace_cli.connection import connect

    with connect() as api:
        found = list(api.policies.versions(name) if name else api.policies.list())
    if as_json:
        print_json(found)
        return
    rows = [
        (
            f"{each.name}@{each.version}",
            "holds" if each.active else "",
            each.extends,
            each.sha256[:12],
            each.created_at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
            each.created_by,
            each.description.strip().partition("\n")[0],
        )
        for each in found
    ]
    headings = ("policy", "", "extends", "sha256", "written (UTC)", "by", "description")
    print_table(headings, rows, empty="There are no policies.")


def schema(
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file.")] = None,
) -> None:
    """Print the JSON Schema (2020-12) of a policy's YAML, for editors and other checkers."""
    import json

    from lace_core.policies.model import policy_schema

    text = json.dumps(policy_schema(), ensure_ascii=False, indent=2)
    if out is None:
        typer.echo(text)
        return
    out.write_text(f"{text}\n", encoding="utf-8")
    typer.echo(f"Written to {out}.")


def _explained_here(policy: str) -> list[dict[str, Any]] | None:
    """What a file comes to, where all that it extends is beside it; None where a server must say."""
    from lace_cli.policy_files import chain_of
    from lace_core.policies.explaining import explain as explained
    from lace_core.policies.resolving import resolve

    chain = chain_of(Path(policy)) if policy and Path(policy).is_file() else None
    return None if chain is None else [vars(row) for row in explained(resolve(chain).policy)]


def _different_here(before: str, after: str) -> list[dict[str, Any]] | None:
    from lace_cli.policy_files import chain_of
    from lace_core.policies.comparing import compare
    from lace_core.policies.resolving import resolve

    paths = [Path(before), Path(after)]
    if not all(path.is_file() for path in paths):
        return None
    chains = [chain_of(path) for path in paths]
    if chains[0] is None or chains[1] is None:
        return None
    return [vars(change) for change in compare(resolve(chains[0]).policy, resolve(chains[1]).policy)]


def _meant(policy: str) -> dict[str, str]:
    """A file's text, or the name of what is kept."""
    path = Path(policy)
    return {"yaml": path.read_text(encoding="utf-8")} if path.is_file() else {"policy": policy}


def _asked(policy: str) -> dict[str, str]:
    return _meant(policy) if policy else {}


def _row(value: Any) -> dict[str, Any]:
    return {"value": None, "line": 0, "locked_by": "", **_plain(value)}


def _plain(message: Any) -> Any:
    from lace_proto.json import to_python

    return to_python(message)


def _value(value: Any) -> str:
    import json

    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _place(row: dict[str, Any]) -> str:
    return f"{row['set_by']}, line {row['line']}" if row["line"] else str(row["set_by"])


def _warn(findings: Any) -> None:
    from lace_cli.output import warn

    for found in findings:
        warn(f"line {found.line}, column {found.column}: {found.code}: {found.message}")
