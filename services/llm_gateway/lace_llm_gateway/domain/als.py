"""The short context block that depends on the locale: which of its wordings a template gets, decided by a keyed hash.

The choice is HMAC-SHA256(server_secret[seed_key_id], als_template_id, locale), so that nobody without the key can tell
it beforehand, and so that the same template has the same block on every day and in every process. A template keeps the
id of the key that it was written under; a new key therefore changes no block that exists.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lace_core.canonical import sha256_hex
from lace_core.errors import Detail, LaceError, Reason
from lace_llm_gateway.domain.stored_templates import AlsBlock, AlsVariant

_SEPARATOR = b"\x1f"
_ID = re.compile("[a-z][a-z0-9]{0,31}")
_SHORTEST = 16


@dataclass(frozen=True)
class SeedKeys:
    """The server's keys by id, the newest last; `repr` shows the ids alone."""

    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.keys or not all(self.keys.values()):
            raise LaceError(Reason.SETTING_INVALID, "There must be at least one seed key, and none may be empty.")

    @classmethod
    def of(cls, first_secret: str, given: str) -> SeedKeys:
        """The keys of a process: k1 is derived from `first_secret` where `given` (id=secret,…, newest last) has none.

        Raises LaceError SETTING_INVALID.
        """
        named = [pair.strip().partition("=") for pair in given.split(",") if pair.strip()]
        keys = {key_id: secret.encode() for key_id, _, secret in named}
        good = all(_ID.fullmatch(key_id) and len(secret) >= _SHORTEST for key_id, secret in keys.items())
        if len(keys) < len(named) or not good:
            problem = f"must be id=secret,id=secret; ids are unlike each other, secrets have {_SHORTEST} characters"
            raise LaceError(Reason.SETTING_INVALID, f"seed_keys: {problem}.", details=[Detail("seed_keys", problem)])
        return cls({"k1": hmac.digest(first_secret.encode(), b"lace seed keys", "sha256"), **keys})

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, oldest first."""
        return tuple(self.keys)

    @property
    def newest(self) -> str:
        """The id that new templates are written under."""
        return self.ids[-1]

    def key(self, seed_key_id: str) -> bytes:
        """The key of that id; raises LaceError SETTING_INVALID where it was taken away, so that nothing is sent."""
        if seed_key_id not in self.keys:
            raise LaceError(
                Reason.SETTING_INVALID,
                f"The seed key {seed_key_id!r} is not configured; templates that were written under it need it.",
            )
        return self.keys[seed_key_id]


def als_block(
    als_template_id: str, variants: Sequence[AlsVariant], locale: str, seed_key_id: str, keys: SeedKeys, limit: int
) -> AlsBlock:
    """The block of a locale, in NFC.

    Raises LaceError INVALID_ARGUMENT where there is no wording for the locale, ALS_OVER_LIMIT where the chosen one is
    too long, SETTING_INVALID where its key is not there: a prompt without its block is never sent.
    """
    fitting = wordings(variants, locale)
    if not fitting:
        raise LaceError(
            Reason.INVALID_ARGUMENT,
            f"The block {als_template_id} has no wording for the locale {locale or '(none)'}.",
            details=[Detail("/locale", "has no wording")],
        )
    chosen = fitting[_draw(keys.key(seed_key_id), als_template_id, locale) % len(fitting)]
    text = checked_text(chosen, limit)
    return AlsBlock(seed_key_id, chosen.variant_id, text, sha256_hex(text.encode()))


def wordings(variants: Sequence[AlsVariant], locale: str) -> tuple[AlsVariant, ...]:
    """Those of the locale, else those of its language, else those for all; in their order."""
    for wanted in (locale, locale.partition("-")[0], ""):
        found = tuple(each for each in variants if each.locale.casefold() == wanted.casefold())
        if found:
            return found
    return ()


def checked_text(variant: AlsVariant, limit: int) -> str:
    """The wording in NFC; raises LaceError ALS_OVER_LIMIT where it has more than `limit` code points then."""
    text = unicodedata.normalize("NFC", variant.text)
    if len(text) > limit:
        raise LaceError(
            Reason.ALS_OVER_LIMIT,
            f"The context block {variant.variant_id} has {len(text)} characters, and {limit} are allowed.",
            details=[Detail("/als/variants", f"{variant.variant_id} has {len(text)} characters in NFC")],
        )
    return text


def check_variants(variants: Sequence[AlsVariant], limit: int) -> None:
    """Refuses a template whose block could never be sent; raises LaceError ALS_OVER_LIMIT, INVALID_ARGUMENT."""
    seen: set[str] = set()
    for variant in variants:
        checked_text(variant, limit)
        if variant.variant_id in seen:
            raise LaceError(
                Reason.INVALID_ARGUMENT,
                f"The variant {variant.variant_id} is there twice.",
                details=[Detail("/als/variants", f"{variant.variant_id} is there twice")],
            )
        seen.add(variant.variant_id)


def _draw(key: bytes, als_template_id: str, locale: str) -> int:
    message = _SEPARATOR.join((als_template_id.encode(), locale.casefold().encode()))
    return int.from_bytes(hmac.digest(key, message, "sha256"))
