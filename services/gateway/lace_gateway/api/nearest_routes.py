"""Which paths somebody may have meant who asked for one that there is not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_MOST = 3
_LIKENESS = 0.78
_LONGEST = 200  # characters: a comparison costs the product of the lengths
_PARAMETER = re.compile(r"\{[^}]*\}")
# Ids as we make them, `run_01kahx…`; whatever else stands in a path is taken as its word.
_ID = re.compile(r"(?<=/)(?:[a-z]{3}_[A-Za-z0-9]+|[0-9a-f-]{32,36})(?=[/:]|$)")


def nearest_paths(path: str, templates: Iterable[str]) -> list[str]:
    """At most three of the templates, the likest first: /v1/artifacts/{artifact_id} for /v1/artifact/art_1."""
    if len(path) > _LONGEST:
        return []
    shapes: dict[str, str] = {}
    for template in templates:
        shapes.setdefault(_PARAMETER.sub("{}", template).casefold(), template)
    asked = _ID.sub("{}", path.rstrip("/")).casefold()
    # A path without its first segment is the commonest slip.
    found = [shape for shape in (asked, f"/v1{asked}") if shape in shapes]
    found += [shape for shape in get_close_matches(asked, shapes, _MOST, _LIKENESS) if shape not in found]
    return [shapes[shape] for shape in found[:_MOST]]
