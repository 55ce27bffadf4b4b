"""Names in a tenant's inbox: what may be asked for there, so that nothing outside of it can ever be meant."""

from __future__ import annotations

import unicodedata

from lace_core.errors import Detail, LaceError, Reason

FOLDER = "inbox"
LONGEST_BYTES = 512
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def check_prefix(prefix: str) -> str:
    """The beginning of names as it was given; empty for all. Raises LaceError INBOX_PREFIX_INVALID."""
    problem = problem_of(prefix)
    if problem:
        detail = Detail("/prefix", problem)
        raise LaceError(Reason.INBOX_PREFIX_INVALID, f"A prefix {problem}.", details=[detail])
    return prefix


def problem_of(name: str) -> str:
    """What is wrong with a name or with the beginning of one; empty where nothing is.

    It is looked at as it stands and as Unicode folds it (NFKC): a file system or a tool that folds must not find a
    path where none was seen, as in U+2025 for two dots or U+FF0F for a slash.
    """
    if any(unicodedata.category(char) in _INVISIBLE for char in name):
        return "may not contain control or invisible characters"
    if len(name.encode()) > LONGEST_BYTES:
        return f"may not be longer than {LONGEST_BYTES} bytes"
    folded = unicodedata.normalize("NFKC", name)
    if folded.count("/") != name.count("/"):
        return "may not contain a character that stands for a slash"
    return _path_problem(name) or _path_problem(folded)


def _path_problem(name: str) -> str:
    if "\\" in name:
        return "may not contain a backslash"
    if name.startswith("/"):
        return "begins at the inbox, without a slash"
    *folders, last = name.split("/")
    if "" in folders:
        return "may not contain an empty folder"
    if any(part.startswith(".") or ".." in part for part in (*folders, last)):
        return "may not contain '..', nor a folder or file that begins with a dot"
    return ""
