"""What one process needs to know to start: defaults, then .env, then the environment."""

from __future__ import annotations

import difflib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import structlog
from dotenv import dotenv_values

from lace_core.errors import Detail, LaceError, Reason
from lace_core.settings import SETTINGS, Layer, environment_layer
from lace_platform.secrets import EnvironmentSecrets, SecretEnvironment, Secrets, open_secrets

PREFIX = "LACE_"
_OF_CLIENTS = frozenset({"LACE_URL", "LACE_TOKEN", "LACE_TRACEBACK"})  # of the command line; no settings of a server
DEFAULT_PORTS = {
    "control": 7101,
    "runs": 7102,
    "ingest": 7103,
    "llm_gateway": 7104,
    "compiler": 7105,
    "provenance": 7106,
}
_SECRETS_FILE = "secrets.json"
_SECRET_KEYS = tuple(key for key, setting in SETTINGS.items() if setting.secret)
_MADE_SECRETS = ("db_role_secret", "service_secret", "url_signing_secret")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ProcessConfig:
    """The settings of scope `process`, typed; `addresses` gives host:port by service name.

    `layers` are what .env and the environment say about settings of the other scopes; `environ` is both together, with
    the secrets that files hold. What may be changed while the process runs is asked of `secrets`.
    """

    data_dir: Path
    dsn: str
    db_role_secret: str = field(repr=False)
    service_secret: str = field(repr=False)
    url_signing_secret: str = field(repr=False)
    bus: Literal["postgres", "kafka"]
    bus_publish_events: Literal["auto", "on", "off"]
    kafka_bootstrap: str
    kafka_partitions: int
    blobs: Literal["folder", "minio"]
    minio_endpoint: str
    minio_access_key: str = field(repr=False)
    minio_secret_key: str = field(repr=False)
    minio_secure: bool
    gateway_host: str
    gateway_port: int
    addresses: Mapping[str, str]
    docs_enabled: bool
    allowed_origins: tuple[str, ...]
    otlp_endpoint: str
    log_level: str
    log_format: Literal["json", "console"]
    record_keys: str = field(default="", repr=False)
    seed_keys: str = field(default="", repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    layers: tuple[Layer, ...] = field(default=(), repr=False)
    secrets: Secrets = field(default_factory=lambda: EnvironmentSecrets({}), repr=False)
    # Nobody chose gateway_port: where another program has it, any free one will do.
    any_gateway_port: bool = False

    @property
    def publishes_events(self) -> bool:
        """Whether the bus carries every event of a run."""
        return self.bus_publish_events == "on" or (self.bus_publish_events == "auto" and self.bus == "kafka")


def load_process_config(
    env_file: Path | None = Path(".env"), environ: Mapping[str, str] | None = None
) -> ProcessConfig:
    """Reads LACE_* from a .env file and the environment (os.environ where None), secrets from their folder as well.

    Secrets that are not given are made once and kept in the data folder, readable by its owner alone.
    Raises LaceError SETTING_INVALID for a value that its setting cannot have.
    """
    from_file = {key: value for key, value in dotenv_values(env_file).items() if value} if env_file else {}
    from_environment = dict(os.environ if environ is None else environ)
    layers = (environment_layer("env_file", from_file), environment_layer("environment", from_environment))
    _warn_about_unknown(from_file)
    _warn_about_unknown(from_environment)
    values = {key: setting.default for key, setting in SETTINGS.items() if "process" in setting.scopes}
    for layer in layers:
        values.update((key, value) for key, value in layer.values.items() if key in values)
    folder = Path(values["secrets_dir"]) if values["secrets_dir"] else None
    kept = open_secrets(from_environment, env_file, folder)
    values.update((key, found.reveal()) for key in _SECRET_KEYS if (found := kept.get(_variable(key))))
    values.update(_kept_secrets(Path(values["data_dir"]), values))
    variables = SecretEnvironment({**from_file, **from_environment}, kept)
    return _config({**values, "secrets": kept}, variables, tuple(_shared(layer) for layer in layers))


def _variable(key: str) -> str:
    return SETTINGS[key].environment_variable


def _config(values: Mapping[str, Any], environ: Mapping[str, str], layers: tuple[Layer, ...]) -> ProcessConfig:
    plain = {
        name: values[name]
        for name in ProcessConfig.__dataclass_fields__
        if name in values and name not in ("data_dir", "addresses", "allowed_origins")
    }
    return ProcessConfig(
        data_dir=Path(values["data_dir"]),
        gateway_host=values["host"],
        addresses=_addresses(values["host"], values["addresses"]),
        allowed_origins=tuple(values["allowed_origins"]),
        environ=environ,
        layers=layers,
        **plain,
    )


def _addresses(host: str, given: list[str]) -> dict[str, str]:
    found = {name: f"{host}:{port}" for name, port in DEFAULT_PORTS.items()}
    for text in given:
        name, separator, address = text.partition("=")
        if not separator or ":" not in address:
            problem = "must be given as name=host:port"
            raise LaceError(
                Reason.SETTING_INVALID, f"addresses: {text!r} {problem}.", details=[Detail("addresses", problem)]
            )
        found[name.strip()] = address.strip()
    return found


def _shared(layer: Layer) -> Layer:
    """The layer without what concerns this process alone."""
    return Layer(
        layer.name, {key: value for key, value in layer.values.items() if SETTINGS[key].scopes != ("process",)}
    )


def _warn_about_unknown(environ: Mapping[str, str]) -> None:
    """A misspelt variable changes nothing, and says so."""
    known = {setting.environment_variable for setting in SETTINGS.values()} | _OF_CLIENTS
    for name in environ:
        if name.startswith(PREFIX) and name not in known and not name.startswith("LACE_TEST_"):
            near = difflib.get_close_matches(name, known, n=1)
            _log.warning("unknown_setting", variable=name, did_you_mean=near[0] if near else None)


def _kept_secrets(folder: Path, values: Mapping[str, Any]) -> dict[str, str]:
    missing = [name for name in _MADE_SECRETS if not values[name]]
    if not missing:
        return {}
    path = folder / _SECRETS_FILE
    kept = _read_secrets(path)
    if kept is None:
        kept = _make_secrets(path)
    return {name: kept[name] for name in missing}


def _read_secrets(path: Path) -> dict[str, str] | None:
    try:
        kept: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return kept


def _make_secrets(path: Path) -> dict[str, str]:
    """Whoever links the file first has made the secrets; processes that start together end up with the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {name: secrets.token_urlsafe(32) for name in _MADE_SECRETS}
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(made, file)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        made = _read_secrets(path) or made
    finally:
        draft.unlink()
    return made
