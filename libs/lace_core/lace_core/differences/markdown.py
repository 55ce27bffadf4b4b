"""The difference of two revisions of a document as Markdown, for reviews and messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from lace_core.diff import Difference
from lace_core.differences.placed import Page, worth_telling
from lace_core.differences.printable import printable
from lace_core.differences.telling import counted, field_names
from lace_core.differences.words import word_changes

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#+|~!&])")


def markdown_page(page: Page) -> str:
    """One list of changes for each section; removed words are struck through, added ones bold."""
    lines = [f"# {_text(page.title)}: {_text(page.before or 'nothing')} → {_text(page.after)}", ""]
    lines += [f"{counted(page.counts)}." if page.counts else "Nothing is different.", ""]
    for path, group in groupby(worth_telling(page.differences), key=lambda one: one.path):
        name = " › ".join(_text(title) or "(without a title)" for title in path) or "The document"
        lines += [f"## {name}", "", *(_item(one.difference) for one in group), ""]
    last = page.first + len(page.differences)
    if page.first or last < page.total:
        lines += [f"Differences {page.first + 1} to {last} of {page.total}.", ""]
    return "\n".join(lines)


def _item(difference: Difference) -> str:
    fields = field_names(difference)
    told = f"- **{difference.change}** {difference.subject}" + (f" ({fields})" if fields else "")
    return f"{told}: {''.join(_said(difference))}".rstrip(": ")


def _said(difference: Difference) -> Iterator[str]:
    if difference.before_text == difference.after_text:
        yield _text(difference.after_text)
        return
    for change, text in word_changes(difference.before_text, difference.after_text):
        sign = {"same": "", "removed": "~~", "added": "**"}[change]
        yield _marked(text, sign)


def _marked(text: str, sign: str) -> str:
    """Signs stand close to words, or they are none."""
    inner = _text(text)
    if not sign or not inner:
        lead, tail = (" " if text[:1].isspace() else ""), (" " if text[-1:].isspace() else "")
        return f"{lead}{inner}{tail}" if inner else lead
    lead, tail = (" " if text[:1].isspace() else ""), (" " if text[-1:].isspace() else "")
    return f"{lead}{sign}{inner}{sign}{tail}"


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", printable(text))
