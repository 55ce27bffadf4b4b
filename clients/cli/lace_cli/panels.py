"""The order in which `lace --help` shows the commands: by what somebody wants to do, not in one long list."""

from __future__ import annotations

import typer

_PANELS = {
    "Start": ("demo", "up", "open", "health"),
    "Sources": ("ingest", "sources", "search", "facts", "bundles", "context", "impact"),
    "Documents": ("documents", "generate", "outline", "compile", "publish", "publications", "withdraw"),
    "Changing documents": ("patch", "expand", "enrich", "regenerate", "auto", "paragraph"),
    "History": ("log", "blame", "diff", "revisions", "branch", "merge", "tag", "rollback"),
    "Trust": ("verdicts", "review", "policy", "suite", "test", "eval", "verify"),
    "Runs": ("runs", "watch", "events", "pause", "resume", "restart", "cancel", "pipelines"),
    "Models": ("ask", "models", "providers", "templates", "usage", "quotas"),
    "Administration": ("settings", "token", "dlq", "serve", "bootstrap", "db"),
}


def arrange(app: typer.Typer) -> None:
    """Gives each command and group of the app its panel, in the order above; every one must have a place."""
    panel_of = {name: panel for panel, names in _PANELS.items() for name in names}
    place = {name: number for number, name in enumerate(panel_of)}
    for command in app.registered_commands:
        command.rich_help_panel = panel_of[command.name or ""]
    for group in app.registered_groups:
        group.rich_help_panel = panel_of[group.name or ""]
    app.registered_commands.sort(key=lambda one: place[one.name or ""])
    app.registered_groups.sort(key=lambda one: place[one.name or ""])
