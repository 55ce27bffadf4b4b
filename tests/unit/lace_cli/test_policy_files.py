"""Policies as files: what is shown of them, and what they extend beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lace_cli import policy_files
from lace_cli.failures import WRONG_USE, CommandError
from lace_core.marked_yaml import MOST_BYTES


def _write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def test_a_finding_is_shown_with_its_line_and_a_mark_under_it(tmp_path: Path) -> None:
    _write(tmp_path, a="policy: a\nversion: 1\ndescription: '日本'\nmodels: {allow: [日本, opnai]}\n")
    (found,) = policy_files.check([tmp_path])
    told = policy_files.shown([found]).splitlines()
    assert told[3] == (
        f"{tmp_path / 'a.yaml'}:4:22: POLICY_VALUE: There is no provider 'opnai'. Did you mean 'openai'?"
    )
    assert told[4] == "  models: {allow: [日本, opnai]}"
    assert told[5].index("^") == 2 + 21 + 2  # two of the letters before it are two wide
    assert not found.checked.is_valid


def test_tabs_and_letters_that_cannot_be_shown_do_not_shift_the_mark(tmp_path: Path) -> None:
    _write(tmp_path, a="policy: a\nversion: 1\ndescription:\t7\n")
    (found,) = policy_files.check([tmp_path / "a.yaml"])
    assert policy_files.shown([found]).splitlines()[1:] == ["  description: 7", "  ^"]


def test_what_is_extended_is_found_in_the_folder_though_it_is_not_named(tmp_path: Path) -> None:
    _write(tmp_path, base="policy: base\nversion: 1\n", team="policy: team\nversion: 1\nextends: base\n")
    (found,) = policy_files.check([tmp_path / "team.yaml"])
    assert found.checked.chain is not None
    assert [policy.name for policy in found.checked.chain] == ["team@1", "base@1"]
    chain = policy_files.chain_of(tmp_path / "team.yaml")
    assert chain is not None
    assert chain[1].name == "base@1"


def test_no_more_of_a_file_is_read_than_shows_that_it_is_too_large(tmp_path: Path) -> None:
    _write(tmp_path, a="#" * (MOST_BYTES * 40))
    (found,) = policy_files.check([tmp_path])
    assert [finding.code for finding in found.checked.findings] == ["POLICY_TOO_LARGE"]
    assert len(found.text) == MOST_BYTES + 1


def test_what_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.yaml", tmp_path):
        with pytest.raises(CommandError) as failure:
            policy_files.check([path])
        assert failure.value.exit_code == WRONG_USE


def test_the_examples_are_valid_and_name_the_schema() -> None:
    folder = Path(__file__).parents[3] / "examples" / "policies"
    checked = policy_files.check([folder])
    assert [finding for file in checked for finding in file.checked.findings] == []
    for file in checked:
        schema = file.text.decode().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        assert (folder / schema).is_file()
