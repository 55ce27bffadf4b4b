"""Process settings: which layer wins, what is refused, which secrets are made."""

from __future__ import annotations

import concurrent.futures
import stat
from pathlib import Path

import pytest
import structlog

from lace_core.errors import LaceError, Reason
from lace_platform.config import DEFAULT_PORTS, load_process_config

_SECRETS = {"LACE_DB_ROLE_SECRET": "a", "LACE_SERVICE_SECRET": "b", "LACE_URL_SIGNING_SECRET": "c"}


def test_defaults() -> None:
    config = load_process_config(None, _SECRETS)
    assert (config.bus, config.blobs, config.log_format) == ("postgres", "folder", "json")
    assert config.data_dir == Path(".lace")
    assert config.addresses == {name: f"127.0.0.1:{port}" for name, port in DEFAULT_PORTS.items()}
    assert (config.gateway_host, config.gateway_port) == ("127.0.0.1", 8080)


def test_environment_wins_over_the_file_and_empty_lines_of_the_file_say_nothing(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LACE_BUS=kafka\nLACE_LOG_LEVEL=debug\nLACE_OTLP_ENDPOINT=\nOPENAI_API_KEY=sk-1\n")
    config = load_process_config(file, {**_SECRETS, "LACE_LOG_LEVEL": "error"})
    assert (config.bus, config.log_level, config.otlp_endpoint) == ("kafka", "error", "")
    assert config.environ["OPENAI_API_KEY"] == "sk-1"
    assert "sk-1" not in repr(config)
    assert "'a'" not in repr(config)


def test_settings_of_other_scopes_are_kept_by_layer(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LACE_RUNS_MAX_NODES=10\nLACE_BUS=kafka\n")
    config = load_process_config(file, {**_SECRETS, "LACE_RUNS_MAX_NODES": "20"})
    assert [(layer.name, dict(layer.values)) for layer in config.layers] == [
        ("env_file", {"runs.max_nodes": 10}),
        ("environment", {"runs.max_nodes": 20}),
    ]


def test_addresses() -> None:
    given = {**_SECRETS, "LACE_ADDRESSES": "runs=10.0.0.1:9, control=c:1", "LACE_HOST": "10.0.0.2"}
    config = load_process_config(None, given)
    assert config.addresses["runs"] == "10.0.0.1:9"
    assert config.addresses["control"] == "c:1"
    assert config.addresses["ingest"] == f"10.0.0.2:{DEFAULT_PORTS['ingest']}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LACE_BUS", "rabbit"),
        ("LACE_GATEWAY_PORT", "many"),
        ("LACE_GATEWAY_PORT", "70000"),
        ("LACE_ADDRESSES", "runs"),
        ("LACE_ADDRESSES", "runs=nowhere"),
        ("LACE_RUNS_MAX_NODES", "0"),
    ],
)
def test_wrong_values_are_refused(name: str, value: str) -> None:
    with pytest.raises(LaceError) as caught:
        load_process_config(None, {**_SECRETS, name: value})
    assert caught.value.reason is Reason.SETTING_INVALID


def test_a_misspelt_variable_is_warned_about() -> None:
    with structlog.testing.capture_logs() as lines:
        load_process_config(None, {**_SECRETS, "LACE_RUNS_MAX_NODE": "5", "LACE_TEST_S3": "x", "PATH": "/bin"})
    assert [(line["variable"], line["did_you_mean"]) for line in lines] == [
        ("LACE_RUNS_MAX_NODE", "LACE_RUNS_MAX_NODES")
    ]


def test_secrets_are_made_once_and_kept_for_the_owner(tmp_path: Path) -> None:
    environ = {"LACE_DATA_DIR": str(tmp_path / "data"), "LACE_SERVICE_SECRET": "given"}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        configs = list(pool.map(lambda _: load_process_config(None, environ), range(8)))
    assert len({config.db_role_secret for config in configs}) == 1
    assert configs[0].service_secret == "given"
    assert len(configs[0].url_signing_secret) >= 32
    kept = tmp_path / "data" / "secrets.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["secrets.json"]
    assert load_process_config(None, environ).db_role_secret == configs[0].db_role_secret
