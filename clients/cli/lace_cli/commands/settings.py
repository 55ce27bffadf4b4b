"""`lace settings list|get|set|unset`: what can be tuned, what it comes to, and changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lace_cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from lace_core.settings import Setting

Tenant = Annotated[str, typer.Option("--tenant", help="Set it for this tenant; for the whole system where left out.")]


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help="Settings.", no_args_is_help=True)
    group.command("list")(list_settings)
    group.command("get")(get)
    group.command("set")(set_value)
    group.command("unset")(unset)
    app.add_typer(group, name="settings")


def list_settings(as_json: AsJson = False) -> None:
    """List every setting: its default, where it may be set, what it does."""
    from lace_core.settings import SETTINGS

    settings = list(SETTINGS.values())
    if as_json:
        print_json([_described(setting) for setting in settings])
        return
    rows = [(s.key, _text(s.default), ", ".join(s.scopes), s.description) for s in settings]
    print_table(("setting", "default", "set for", "what it does"), rows, empty="")


def get(
    key: Annotated[str, typer.Argument(help="One setting; all where left out.")] = "", as_json: AsJson = False
) -> None:
    """Show what settings come to for you, and which layer gave each value."""
    from lace_cli.connection import connect
    from lace_cli.failures import NOT_FOUND, CommandError
    from lace_proto.json import to_python

    with connect() as api:
        resolved = to_python(api.resolve_settings())
    layers = {trace["key"]: trace["layer"] for trace in resolved["trace"]}
    values: dict[str, Any] = resolved["values"]
    if key and key not in values:
        raise CommandError(
            f"There is no setting {key} to be seen here.",
            code="SETTING_UNKNOWN",
            advice="See the settings there are: lace settings list",
            exit_code=NOT_FOUND,
        )
    shown = {name: values[name] for name in ([key] if key else sorted(values))}
    if as_json:
        print_json({name: {"value": value, "layer": layers[name]} for name, value in shown.items()})
        return
    print_table(("setting", "value", "from"), [(name, _text(shown[name]), layers[name]) for name in shown], empty="")


def set_value(
    key: Annotated[str, typer.Argument(help="The setting, for instance runs.target_words.")],
    value: Annotated[str, typer.Argument(help="Its value; lists are comma separated.")],
    tenant: Tenant = "",
) -> None:
    """Change one setting; runs that are under way keep the settings that they began with."""
    from lace_core.errors import LaceError, Reason
    from lace_core.settings import SETTINGS

    setting = SETTINGS.get(key)
    if setting is None:
        raise LaceError(Reason.SETTING_UNKNOWN, f"There is no setting {key}.")
    parsed = setting.parse(value)
    _change(tenant, key, parsed)
    typer.echo(f"{key} is now {_text(parsed)} for {_whom(tenant)}.")


def unset(key: Annotated[str, typer.Argument(help="The setting.")], tenant: Tenant = "") -> None:
    """Take one setting back to what the layer below says."""
    _change(tenant, key, None)
    typer.echo(f"{key} is no longer set for {_whom(tenant)}.")


def _change(tenant: str, key: str, value: Any) -> None:
    """Replaces the whole set by one with this change; a set that changed in between is not overwritten."""
    from lace_cli.connection import connect
    from lace_proto.json import to_python

    with connect() as api:
        current = api.get_settings(tenant_id=tenant)
        values: dict[str, Any] = to_python(current)["values"]
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
        api.put_settings(values, etag=current.etag, tenant_id=tenant)


def _whom(tenant: str) -> str:
    return f"tenant {tenant}" if tenant else "the whole system"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _described(setting: Setting) -> dict[str, Any]:
    return {
        "key": setting.key,
        "type": setting.kind,
        "default_value": setting.default,
        "minimum": setting.minimum,
        "maximum": setting.maximum,
        "choices": setting.choices,
        "scopes": setting.scopes,
        "environment_variable": setting.environment_variable,
        "description": setting.description,
    }
