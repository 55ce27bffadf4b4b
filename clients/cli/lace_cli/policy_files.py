"""Policies as files: reading them with those beside them, and showing what was found as compilers do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from lace_cli.failures import WRONG_USE, CommandError
from lace_core.marked_yaml import MOST_BYTES
from lace_core.policies.checking import Checked, check_files
from lace_core.policies.findings import PolicyFinding
from lace_core.policies.parsing import Parsed

_ENDINGS = (".yaml", ".yml")
_LONGEST_LINE = 200


@dataclass(frozen=True)
class CheckedFile:
    """A file and what was found in it."""

    path: Path
    text: bytes
    checked: Checked


def check(paths: Sequence[Path]) -> list[CheckedFile]:
    """What is wrong with each of the files; what they extend is looked for among them and in their folders.

    Folders stand for the YAML files in them. Raises CommandError WRONG_USE for what is not there.
    """
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    texts = {str(file): _read(file) for file in files}
    beside = [_read(each) for folder in {file.parent for file in files} for each in _in(folder) if each not in files]
    checked = check_files(texts, beside)
    return [CheckedFile(file, texts[str(file)], checked[str(file)]) for file in files]


def chain_of(path: Path) -> tuple[Parsed, ...] | None:
    """The policy of a file with all that it extends, None where that is in no file beside it.

    Raises CommandError POLICY_INVALID, having shown what is wrong.
    """
    (found,) = check([path])
    if not found.checked.is_valid:
        raise CommandError(
            shown([found]) or f"{path} is no policy.",
            code="POLICY_INVALID",
            advice=f"Mend it: lace policy check {path}",
        )
    return found.checked.chain


def shown(files: Iterable[CheckedFile]) -> str:
    """Every finding as file:line:column: code: message, with the line and a mark under the place."""
    return "\n".join(_told(file, finding) for file in files for finding in file.checked.findings)


def as_json(files: Iterable[CheckedFile]) -> list[dict[str, Any]]:
    """Every finding for programs."""
    return [{"file": str(file.path), **vars(finding)} for file in files for finding in file.checked.findings]


def _told(file: CheckedFile, finding: PolicyFinding) -> str:
    severity = "" if finding.severity == "error" else f"{finding.severity}: "
    head = f"{file.path}:{finding.line}:{finding.column}: {severity}{finding.code}: {finding.message}"
    lines = file.text.decode("utf-8", "replace").splitlines()
    line = lines[finding.line - 1] if finding.line <= len(lines) else ""
    plain = "".join(letter if letter.isprintable() else " " for letter in line)[:_LONGEST_LINE]
    if not plain.strip():
        return head
    return f"{head}\n  {plain}\n  {' ' * cell_len(plain[: finding.column - 1])}^"


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = _in(path)
        if not found:
            raise CommandError(f"{path} holds no .yaml files.", code="WRONG_USE", exit_code=WRONG_USE)
        return found
    if not path.is_file():
        raise CommandError(f"There is no file {path}.", code="WRONG_USE", exit_code=WRONG_USE)
    return [path]


def _in(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.suffix in _ENDINGS and each.is_file())


def _read(path: Path) -> bytes:
    """The file's bytes: no more than show that it is too large."""
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)
