"""What a document says of itself, under the same names for every format; dates as ISO 8601 where they are dates."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lace_ingest.domain.reading.anchors import without_anchors
from lace_ingest.domain.reading.text import normalise

_ENTRIES = 64
_NAME_CHARS = 64
_VALUE_CHARS = 1000
_NAMES = {
    "authors": "author",
    "by": "author",
    "date": "created",
    "creationdate": "created",
    "created-at": "created",
    "created_at": "created",
    "moddate": "modified",
    "updated": "modified",
    "last-modified": "modified",
    "tags": "keywords",
    "lang": "language",
}
_DATES = frozenset(("created", "modified"))
# Adobe's form of a date, ISO 32000-2 7.9.4: D:YYYYMMDDHHmmSSOHH'mm, all but the year optional.
_PDF_DATE = re.compile(
    r"^D?:?(?P<year>\d{4})(?P<month>\d{2})?(?P<day>\d{2})?(?P<hour>\d{2})?(?P<minute>\d{2})?(?P<second>\d{2})?"
    r"(?P<zone>Z|[+-]\d{2}'?(?:\d{2})?)?(?:00)?'?(?:00)?'?$"
)


def named_metadata(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names in lower case, those of one meaning as one; the first value of a name counts, empty ones do not."""
    found: dict[str, str] = {}
    for name, value in pairs:
        plain = normalise(name).lower()[:_NAME_CHARS]
        key = _NAMES.get(plain, plain)
        text = without_anchors(normalise(value))[:_VALUE_CHARS]
        if key and text and key not in found and len(found) < _ENTRIES:
            found[key] = _date(text) if key in _DATES else text
    return dict(sorted(found.items()))


def _date(text: str) -> str:
    """A date of PDF as ISO 8601; any other text as it is."""
    told = _PDF_DATE.match(text)
    if told is None or not told["month"]:
        return text
    day = "-".join(part for part in (told["year"], told["month"], told["day"]) if part)
    if not told["hour"] or not told["day"]:
        return day
    zone = (told["zone"] or "").replace("'", "")
    zone = zone if zone in ("", "Z") else f"{zone[:3]}:{zone[3:5] or '00'}"
    return f"{day}T{told['hour']}:{told['minute'] or '00'}:{told['second'] or '00'}{zone}"
