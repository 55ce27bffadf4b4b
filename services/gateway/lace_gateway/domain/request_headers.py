"""Reading the request headers that the contract gives a meaning: pure functions from text to value."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lace_core.errors import Detail, LaceError, Reason

LONGEST_KEY = 255
LONGEST_ID = 128

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e]+")
_FORMATS = {"application/json": "json", "*/*": "json", "text/markdown": "markdown", "text/html": "html"}
_ENTITY_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def bearer_of(authorization: str) -> str | None:
    """The token of `Bearer <token>`, None where there is none; another scheme raises TOKEN_MISSING."""
    if not authorization:
        return None
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise token_missing()
    return token.strip()


def token_missing() -> LaceError:
    """The answer to a request that does not say who makes it."""
    return LaceError(Reason.TOKEN_MISSING, "Send Authorization: Bearer <token>.")


def request_id_of(name: str, value: str) -> str:
    """The id that the caller gave its request; raises INVALID_ARGUMENT for what would spoil logs and headers."""
    if _ID.fullmatch(value):
        return value
    problem = f"must be 1 to {LONGEST_ID} letters, digits or ._:/+=- and begin with a letter or digit"
    raise LaceError(Reason.INVALID_ARGUMENT, f"{name}: {problem}.", details=[Detail(name, problem)])


def traceparent_of(value: str) -> str | None:
    """The W3C trace context; one that is malformed is left out, as the standard wants it."""
    return value if _TRACEPARENT.fullmatch(value) else None


def idempotency_key_of(value: str | None) -> str:
    """The key, given as structured-field string (`"k1"`) or bare (`k1`).

    Raises IDEMPOTENCY_KEY_REQUIRED, IDEMPOTENCY_KEY_INVALID.
    """
    text = (value or "").strip()
    if not text:
        raise LaceError(Reason.IDEMPOTENCY_KEY_REQUIRED, "Send an Idempotency-Key with every mutation.")
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(text):
        key = text
    else:
        raise _key_invalid("must be printable ASCII, quoted or without spaces and quotation marks")
    if not key:
        raise _key_invalid("may not be empty")
    if len(key) > LONGEST_KEY:
        raise _key_invalid(f"is longer than {LONGEST_KEY} characters")
    return key


def if_match_of(value: str) -> str:
    """The etag that the resource must have; empty for `*`, any. Raises INVALID_ARGUMENT for several."""
    text = value.strip()
    if text == "*":
        return ""
    match = _ENTITY_TAG.fullmatch(text)
    if match:
        return match[1]
    if _BARE.fullmatch(text) and "," not in text:
        return text
    problem = 'must be one entity tag, for instance "v3"'
    raise LaceError(Reason.INVALID_ARGUMENT, f"If-Match: {problem}.", details=[Detail("If-Match", problem)])


def entity_tag(etag: str) -> str:
    """The etag as the header carries it."""
    return f'"{etag}"'


def none_match(value: str, etag: str) -> bool:
    """Whether If-None-Match names the etag, so that the caller has what it asks for already."""
    return value.strip() == "*" or etag in _ENTITY_TAG.findall(value)


def prefers_async(values: Iterable[str]) -> bool:
    """Whether the Prefer headers (RFC 7240) hold `respond-async`; preferences that are not known are passed over."""
    tokens = (preference.partition(";")[0].strip().lower() for value in values for preference in value.split(","))
    return "respond-async" in tokens


def preferred_format(accept: str) -> str:
    """Of json, markdown and html what an Accept header (RFC 9110) likes best; json where it does not say."""
    best, best_quality = "json", 0.0
    for item in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((_quality(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
        name = _FORMATS.get(kind)
        if name is not None and quality > best_quality:
            best, best_quality = name, quality
    return best


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _key_invalid(problem: str) -> LaceError:
    return LaceError(
        Reason.IDEMPOTENCY_KEY_INVALID,
        f"The Idempotency-Key {problem}.",
        details=[Detail("Idempotency-Key", problem)],
    )
