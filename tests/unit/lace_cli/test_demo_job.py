"""What the demo makes of its arguments and of the environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lace_cli.commands import demo
from lace_cli.commands.demo import demo_job, provider_settings, title_of
from lace_cli.failures import CommandError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    others = ("LACE_LLM_PROVIDER", "LACE_LLM_MODEL", "OPENAI_MODEL")
    for name in (*others, *(name for names in demo._WISHES.values() for name in names)):
        monkeypatch.delenv(name, raising=False)


def test_without_arguments_it_is_about_the_dossier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    job = demo_job([], "", "", Path("out"))
    facts = json.loads((ROOT / "examples/dossier-facts.json").read_text())
    assert (job.title, job.instructions, job.sources) == (facts["title"], facts["brief"], (Path("examples/dossier"),))
    assert job.settings == {}


def test_another_title_for_the_dossier_goes_without_its_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    job = demo_job([], "Pumps", "", Path("out"))
    assert (job.title, job.instructions) == ("Pumps", "")


def test_elsewhere_the_dossier_is_missed_clearly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError) as caught:
        demo_job([], "", "", Path("out"))
    assert caught.value.code == "EXAMPLES_MISSING"


def test_own_documents_lend_their_folder_s_name(tmp_path: Path) -> None:
    folder = tmp_path / "annual_reports-2025"
    folder.mkdir()
    assert title_of([folder]) == "Annual reports 2025"
    assert demo_job([folder], "", "", Path("out")).title == "Annual reports 2025"
    assert demo_job([folder], "Costs", "", Path("out")).title == "Costs"


@pytest.mark.parametrize(
    ("environ", "settings"),
    [
        ({}, {}),
        ({"OPENAI_API_KEY": " "}, {}),
        ({"OPENAI_API_KEY": "k"}, {"llm.provider": "openai"}),
        ({"LACE_OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}, {"llm.provider": "openai", "llm.model": "m"}),
        (
            {"OPENAI_API_KEY": "k", "LACE_LLM_MODEL": "n", "OPENAI_MODEL": "m"},
            {"llm.provider": "openai", "llm.model": "n"},
        ),
        ({"OPENAI_API_KEY": "k", "LACE_LLM_PROVIDER": "extractive"}, {}),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}, {"llm.provider": "openai"}),
        ({"ANTHROPIC_API_KEY": "k", "OPENAI_MODEL": "m"}, {"llm.provider": "anthropic"}),
        ({"GEMINI_API_KEY": "k", "LACE_LLM_MODEL": "n"}, {"llm.provider": "gemini", "llm.model": "n"}),
        ({"GEMINI_API_KEY": "k", "OPENAI_API_KEY": "k"}, {"llm.provider": "openai"}),
    ],
)
def test_a_key_makes_the_user_s_model_write(environ: dict[str, str], settings: dict[str, str]) -> None:
    assert provider_settings(environ) == settings


def test_the_key_may_stand_in_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.md").write_text("# Notes\n")
    (tmp_path / ".env").write_text("OPENAI_API_KEY=k\nOPENAI_MODEL=m\n")
    assert demo_job([Path("notes.md")], "", "", Path("out")).settings == {"llm.provider": "openai", "llm.model": "m"}
    monkeypatch.setenv("OPENAI_API_KEY", "")  # what is set by hand wins over the file
    assert demo_job([Path("notes.md")], "", "", Path("out")).settings == {}
