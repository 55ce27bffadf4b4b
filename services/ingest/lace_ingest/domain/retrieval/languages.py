"""By which rules the words of a language are stemmed."""

from __future__ import annotations

DEFAULT = "english"
PLAIN = "simple"

# Postgres' Snowball stemmers by ISO 639-1 code; a language that is not here is searched by its words as they stand.
_STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}


def stemming_of(language: str) -> str:
    """The rules for a language (BCP 47): its stemmer's; English where it is not known; else words as they stand."""
    primary = language.partition("-")[0].lower()
    return _STEMMERS.get(primary, PLAIN) if primary else DEFAULT
