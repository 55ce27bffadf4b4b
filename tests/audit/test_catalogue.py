"""docs/audit.md: every item of the catalogue is there once, and the test that it names is there too."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.audit.mutation import regression, replaced

ROOT = Path(__file__).parents[2]
ITEMS = [f"{group}{n}" for group, many in zip("ABCDEF", (9, 6, 4, 8, 6, 4), strict=True) for n in range(1, many + 1)]
_ROW = re.compile(r"^\| ([A-F]\d) \| [^|]+ \| `(test_[a-z_]+\.py)::(test_([a-f]\d)_\w+)` \| [^|]+ \|$", re.MULTILINE)


def _page() -> str:
    return (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")


@regression(
    replaced(sys.modules[__name__], "_page", lambda read: lambda: read().replace("| A1 |", "| A10 |")),
    replaced(sys.modules[__name__], "_page", lambda read: lambda: read().replace("test_f3_", "test_f3_x")),
)
def test_every_item_has_its_test() -> None:
    rows = _ROW.findall(_page())
    assert [item for item, *_ in rows] == ITEMS
    for item, file, name, prefix in rows:
        assert prefix == item.lower()
        source = (ROOT / "tests" / "audit" / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), name
