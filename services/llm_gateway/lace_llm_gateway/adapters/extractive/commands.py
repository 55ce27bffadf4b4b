"""Tells sentences that speak to a model from those that speak of their subject: what is composed quotes none of them.

It knows the usual words in the languages in which they are usual. What it misses is quoted and cited as a sentence of
its source, and gives nobody a say: nothing here follows what it reads.
"""

from __future__ import annotations

import re
import unicodedata

_TURNED = re.compile("[\u202a-\u202e]")
_HIDDEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]")
# Letters of Cyrillic that look like Latin ones, for words that mix both.
_LOOK_ALIKE = str.maketrans("\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0458\u0455", "aeopcxyijs")
_LATIN = re.compile("[a-z]")
_ORDERS = "instruction|rule|prompt|guideline|instrucci|anweisung|regeln|consigne"
_COMMAND = re.compile(
    r"<\|?/?[a-z_]+[^>]{0,40}>|\[/?inst\]|```|\btool_calls\b|[\"']role[\"']\s*:"
    r"|^\W*(?:system|assistant|user|human|developer|ai)(?: note)?\b[^.:]{0,20}:"
    rf"|\b(?:ignore|disregard|forget|override|ignoriere|ignora|ignorez)\b.{{0,60}}(?:{_ORDERS}|document)"
    rf"|\bnew (?:{_ORDERS})s?:|\bdeveloper note\b|\bfrom now on every\b|\bof every section\b|\byou are now\b"
    r"|\b(?:to|for|of) the (?:ai|language model|model|verifier|judge|assistant|operator of this)\b"
    r"|^\W*(?:please |then |always |now )*(?:state|report|write|say|answer|reply|respond|claim)\b[ :]*"
    r"(?:now |only )?(?:that|with)\b"
    r"|^\W*(?:repeat|print|append|decode|follow) (?:the|all|these|this|and)\b|^\W*(?:do not )?cite (?:fact|anything)\b"
    r"|\byou (?:to|must|should|do not) (?:now )?(?:state|say|write|report)\b|\bwhen you summarise\b|\bsay so\b"
    r"|\bstay in the role\b|\blet us play\b|\b(?:use|cite) (?:this in place|f\d)|\binclude them\b|%20\w+%20"
    r"|(?:\b\w\s+){9}"
    r"|\u0438\u0433\u043d\u043e\u0440\u0438\u0440\u0443\u0439|\u5ffd\u7565\u4e4b\u524d"
    r"|\u6307\u793a\u3092.{0,6}\u7121\u8996|\u062a\u062c\u0627\u0647\u0644 \u062c\u0645\u064a\u0639",
    re.DOTALL,
)


def is_command(text: str) -> bool:
    """Whether the sentence is addressed to whoever processes it."""
    plain = _HIDDEN.sub("", unicodedata.normalize("NFKC", text)).casefold()
    if _TURNED.search(text) or _COMMAND.search(plain):
        return True
    return bool(_LATIN.search(plain)) and not plain.isascii() and bool(_COMMAND.search(plain.translate(_LOOK_ALIKE)))
