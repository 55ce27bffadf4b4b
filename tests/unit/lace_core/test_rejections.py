"""The reasons for which a proposal is refused: one closed set, each with what to do, all of them documented."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import lace_core
from lace_core.rejections import REMEDIES, RejectionCode

_CORE = Path(lace_core.__path__[0])
_DOCS = Path(__file__).parents[3] / "docs" / "engine.md"


def test_every_code_is_its_own_name_and_says_what_to_do() -> None:
    for code in RejectionCode:
        assert code.value == code.name
        what, remedy = REMEDIES[code]
        assert what.endswith(".")
        assert remedy.endswith(".")
    assert list(REMEDIES) == list(RejectionCode)


def _named(path: Path) -> Iterator[str]:
    """Codes that a module refuses with: RejectionCode.NAME, or a text where a rejection is made."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "RejectionCode":
            yield node.attr
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Rejection", "Refused"):
            yield from (str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def test_all_who_refuse_name_a_code_of_the_set_and_every_code_is_used() -> None:
    texts = {path: path.read_text() for path in _CORE.rglob("*.py") if path.name != "rejections.py"}
    used = {name for path, text in texts.items() if "Reject" in text or "Refused" in text for name in _named(path)}
    assert used <= set(RejectionCode.__members__)
    in_text = "\n".join(texts.values())
    assert {code for code in RejectionCode if code not in used and code not in in_text} == set()


def test_the_documentation_has_the_table() -> None:
    """docs/engine.md is written by hand but for this table; `RejectionCode` is what it has to agree with."""
    lines = [line for line in _DOCS.read_text().splitlines() if line.startswith("| `")]
    table = {line.split("`")[1]: line for line in lines}
    for code, (what, remedy) in REMEDIES.items():
        assert table.get(code) == f"| `{code}` | {what} | {remedy} |"
