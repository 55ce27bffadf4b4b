"""From a DSN and a role to the parameters of a psycopg connection."""

from __future__ import annotations

from typing import Any

from psycopg.conninfo import conninfo_to_dict

_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def connection_parameters(
    dsn: str,
    *,
    role: str | None = None,
    password: str | None = None,
    application_name: str = "lace",
    settings: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The keyword arguments of `psycopg.connect` for a DSN in URL or key=value form.

    A given role and password override those of the DSN; `settings` are server settings of the session, in
    addition to the DSN's own `options`.
    """
    parameters: dict[str, Any] = conninfo_to_dict(dsn.replace("postgresql+psycopg://", "postgresql://", 1))
    parameters = {"connect_timeout": 10, "application_name": application_name, **_KEEPALIVE, **parameters}
    if role is not None:
        parameters |= {"user": role, "password": password}
    options = [f"-c {name}={value}" for name, value in (settings or {}).items()]
    parameters["options"] = " ".join(filter(None, [parameters.get("options"), *options]))
    return parameters
