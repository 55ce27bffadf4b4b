"""Keys come out of files, the environment and .env, are read again when they change, and do not show themselves."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
from pathlib import Path

import pytest

from lace_platform.config import load_process_config
from lace_platform.secrets import DotenvSecrets, EnvironmentSecrets, FolderSecrets, LayeredSecrets, Secret, open_secrets

CANARY = "sk-canary-000000000000"


class Watch:
    """A clock that goes when it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def write(path: Path, text: str) -> None:
    """As who mounts secrets does: a new file in place of the old one."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    os.replace(draft, path)


def revealed(secret: Secret | None) -> str | None:
    return secret.reveal() if secret is not None else None


def test_a_secret_does_not_show_itself(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").warning("key %s %r", secret, {"key": secret})
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>40}", "%s" % secret, str([secret]), caplog.text]  # noqa: UP031
    assert not any(CANARY in text for text in shown)
    for leak in (pickle.dumps, copy.copy, json.dumps):
        with pytest.raises(TypeError):
            leak(secret)
    assert secret == Secret(CANARY)
    assert secret != Secret("other")
    assert len({secret, Secret(CANARY)}) == 1
    assert not hasattr(secret, "__dict__")


def test_a_folder_has_a_file_for_each_secret_and_is_read_again(tmp_path: Path) -> None:
    clock = Watch()
    write(tmp_path / "OPENAI_API_KEY", f"{CANARY}\n")
    write(tmp_path / "lace_gemini_api_key.txt", "g")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "sub").mkdir()
    secrets = FolderSecrets(tmp_path, clock)
    assert revealed(secrets.get("OPENAI_API_KEY")) == CANARY
    assert revealed(secrets.get("LACE_GEMINI_API_KEY")) == "g"
    assert secrets.names() == {"OPENAI_API_KEY", "LACE_GEMINI_API_KEY"}
    version = secrets.version()
    write(tmp_path / "OPENAI_API_KEY", "rotated")
    assert revealed(secrets.get("OPENAI_API_KEY")) == CANARY  # not looked at again within the second
    clock.now += 1.0
    assert revealed(secrets.get("OPENAI_API_KEY")) == "rotated"
    assert secrets.version() == version + 1
    (tmp_path / "OPENAI_API_KEY").unlink()
    clock.now += 1.0
    assert secrets.get("OPENAI_API_KEY") is None
    clock.now += 1.0
    assert secrets.version() == version + 2


def test_a_folder_that_is_not_there_has_no_secrets_and_may_come(tmp_path: Path) -> None:
    clock = Watch()
    secrets = FolderSecrets(tmp_path / "run", clock)
    assert secrets.get("X") is None
    (tmp_path / "run").mkdir()
    write(tmp_path / "run" / "X", "1")
    clock.now += 1.0
    assert revealed(secrets.get("X")) == "1"


def test_a_file_that_is_touched_but_says_the_same_is_no_change(tmp_path: Path) -> None:
    clock = Watch()
    write(tmp_path / "X", "1")
    secrets = FolderSecrets(tmp_path, clock)
    version = secrets.version()
    write(tmp_path / "X", "1")
    clock.now += 1.0
    assert secrets.version() == version


def test_a_dotenv_file_is_read_again(tmp_path: Path) -> None:
    clock = Watch()
    path = tmp_path / ".env"
    path.write_text(f'OPENAI_API_KEY="{CANARY}"\nEMPTY=\n')
    secrets = DotenvSecrets(path, clock)
    assert revealed(secrets.get("OPENAI_API_KEY")) == CANARY
    assert secrets.get("EMPTY") is None
    write(path, "OPENAI_API_KEY=rotated-now")
    clock.now += 1.0
    assert revealed(secrets.get("OPENAI_API_KEY")) == "rotated-now"


def test_files_come_before_the_environment_and_that_before_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=dotenv\nB=dotenv\nC=dotenv\n")
    (tmp_path / "run").mkdir()
    write(tmp_path / "run" / "A", "file")
    secrets = open_secrets({"A": "environment", "B": "environment", "D": " "}, tmp_path / ".env", tmp_path / "run")
    assert [revealed(secrets.get(name)) for name in "ABCD"] == ["file", "environment", "dotenv", None]
    assert secrets.names() == {"A", "B", "C"}


def test_layers_change_when_one_of_them_does(tmp_path: Path) -> None:
    clock = Watch()
    secrets = LayeredSecrets([FolderSecrets(tmp_path, clock), EnvironmentSecrets({"A": "1"})])
    version = secrets.version()
    write(tmp_path / "A", "2")
    clock.now += 1.0
    assert secrets.version() > version
    assert revealed(secrets.get("A")) == "2"


def test_the_process_has_its_keys_and_signing_secrets_from_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write(folder / "lace_url_signing_secret", CANARY)
    write(folder / "OPENAI_API_KEY", "sk-of-the-file-000000")
    environ = {
        "LACE_DATA_DIR": str(tmp_path),
        "LACE_SECRETS_DIR": str(folder),
        "OPENAI_API_KEY": "sk-of-the-environment",
        "OPENAI_BASE_URL": "http://127.0.0.1:1",
    }
    config = load_process_config(None, environ)
    assert config.url_signing_secret == CANARY
    assert config.environ["OPENAI_API_KEY"] == "sk-of-the-file-000000"
    assert config.environ["OPENAI_BASE_URL"] == "http://127.0.0.1:1"
    assert len(config.environ) == len(list(config.environ)) > len(environ)
    shown = f"{config!r} {config.environ!r} {config.secrets!r} {config}"
    for secret in (CANARY, "sk-of-", config.service_secret, config.db_role_secret):
        assert secret not in shown
