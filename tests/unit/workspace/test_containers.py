"""compose.yaml and the Dockerfile: accepted by a validator, complete, and in step with the settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lace_core.settings import SETTINGS
from lace_standalone.services import ALL_SERVICES, RPC_SERVICES

_REQUIRED = re.compile(r"\$\{(\w+):\?")
_VARIABLE = re.compile(r"\$\{(\w+)")


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "compose.yaml").read_text()


@pytest.fixture(scope="module")
def compose(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def of_service(compose: dict[str, Any], service: str) -> dict[str, Any]:
    part: dict[str, Any] = compose["services"][service.replace("_", "-")]
    return part


def test_a_validator_accepts_it(root: Path, text: str) -> None:
    validator = shutil.which("docker-compose")
    if validator is None:
        pytest.skip("docker-compose is not installed: compose.yaml was not validated")
    environ = {**os.environ, **dict.fromkeys(_REQUIRED.findall(text), "secret")}
    checked = subprocess.run(
        [validator, "--file", "compose.yaml", "config", "--quiet"],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_it_does_not_start_without_secrets(text: str, compose: dict[str, Any]) -> None:
    required = set(_REQUIRED.findall(text))
    secret = {setting.environment_variable for setting in SETTINGS.values() if setting.secret}
    providers = {"LACE_OPENAI_API_KEY", "LACE_ANTHROPIC_API_KEY", "LACE_GEMINI_API_KEY", "LACE_RERANK_API_KEY"}
    optional = {*providers, "LACE_MINIO_ACCESS_KEY", "LACE_RECORD_KEYS", "LACE_SEED_KEYS"}
    assert secret - optional <= required
    # Keys that old templates need reach the service that reads them; nobody else is given them.
    given = {name for name, part in compose["services"].items() if "LACE_RECORD_KEYS" in part.get("environment", {})}
    assert given == {"llm-gateway"}
    assert "LACE_SEED_KEYS" in of_service(compose, "llm_gateway")["environment"]


def test_every_service_runs_with_a_health_check(compose: dict[str, Any]) -> None:
    for service in ALL_SERVICES:
        part = of_service(compose, service)
        assert part["command"] == ["serve", service]
        assert part["healthcheck"]["test"] == ["CMD", "lace", "health", service]


def test_services_know_where_their_neighbours_are(compose: dict[str, Any]) -> None:
    given = compose["x-service"]["environment"]["LACE_ADDRESSES"].split(",")
    assert given == [f"{name}={name.replace('_', '-')}:{7101 + place}" for place, name in enumerate(RPC_SERVICES)]


def test_nothing_starts_before_what_it_needs(compose: dict[str, Any]) -> None:
    assert of_service(compose, "migrations")["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for service in RPC_SERVICES:
        needs = of_service(compose, service)["depends_on"]
        assert needs["migrations"] == {"condition": "service_completed_successfully"}
        assert needs["redpanda"] == needs["minio"] == {"condition": "service_healthy"}
    assert {name.replace("-", "_") for name in of_service(compose, "gateway")["depends_on"]} == set(RPC_SERVICES)


def test_every_variable_is_a_setting_or_explained(root: Path, text: str, compose: dict[str, Any]) -> None:
    known = {setting.environment_variable for setting in SETTINGS.values()} | {
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_MODEL",
        "OPENAI_API_VERSION",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
    }
    for part in compose["services"].values():
        if part.get("image") == "lace":
            assert set(part["environment"]) <= known
    example = (root / ".env.example").read_text()
    mentioned = set(re.findall(r"^#?([A-Z][A-Z_]+)=", example, re.MULTILINE))
    assert set(_REQUIRED.findall(text)) <= mentioned
    assert mentioned - known <= set(_VARIABLE.findall(text))


def test_images_are_pinned(root: Path, compose: dict[str, Any]) -> None:
    images = {part["image"] for part in compose["services"].values() if part.get("image") != "lace"}
    images |= set(re.findall(r"^FROM (\S+)", (root / "Dockerfile").read_text(), re.MULTILINE))
    assert all(":" in image and not image.endswith(":latest") for image in images), images


def test_the_image_does_not_run_as_root(root: Path) -> None:
    lines = (root / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1].split(":")[0] not in ("root", "0")
    assert 'ENTRYPOINT ["lace"]' in lines
