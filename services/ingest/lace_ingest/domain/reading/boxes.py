"""Where a unit stands on its pages: the boxes of the lines that it takes up, those that touch joined to one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lace_ingest.domain.documents import Box
from lace_ingest.domain.reading.anchors import Anchors

BOX_KEY = "@"
"""First character of an anchor's key that names a box: from this place on, text stands in it."""

_REACH = 2.5  # heights of a line: text farther below, or above, stands in another block of the page


def keys_within(anchors: Anchors, start: int, end: int) -> tuple[str, ...]:
    """The keys of what lies in a stretch of text: boxes that it shares, notes referred to in it or right behind it."""
    boxes = [(at, key) for at, key in anchors if key.startswith(BOX_KEY)]
    stops = [*(at for at, _ in boxes[1:]), end]
    shared = [key for (at, key), stop in zip(boxes, stops, strict=False) if at < end and (stop > start or at == start)]
    notes = [key for at, key in anchors if not key.startswith(BOX_KEY) and (start < at <= end or at == start == 0)]
    return (*shared, *notes)


def joined_boxes(boxes: Sequence[Box], keys: Iterable[str]) -> tuple[Box, ...]:
    """The boxes that keys name, in their order; a line that goes on right below another shares its box."""
    places = (key[len(BOX_KEY) :] for key in keys if key.startswith(BOX_KEY))
    joined: list[Box] = []
    height = 0.0
    for box in (boxes[int(place)] for place in places if place.isdecimal() and int(place) < len(boxes)):
        last = joined[-1] if joined else None
        if last is not None and _goes_on(last, box, max(height, box.y1 - box.y0)):
            joined[-1] = _union(last, box)
        elif box not in joined:
            joined.append(box)
        height = box.y1 - box.y0
    return tuple(joined)


def _goes_on(last: Box, box: Box, height: float) -> bool:
    """Whether a line stands on, or close below, the last one of a block and shares some of its width."""
    beside = abs(box.y1 - last.y1) < 0.6 * height
    below = 0 <= box.y1 - last.y1 < _REACH * height and box.x0 < last.x1 and box.x1 > last.x0
    return box.page == last.page and (beside or below)


def _union(a: Box, b: Box) -> Box:
    return Box(a.page, min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1))
