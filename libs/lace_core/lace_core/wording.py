"""Reads text for comparison: one normalisation, its statements, and the wordings that say no more than each does."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import combinations, islice

from lace_core import lexicon

_MARKS = str.maketrans(
    dict.fromkeys("“”„‟«»″", '"')
    | dict.fromkeys("‘’‚‛′`´", "'")
    | dict.fromkeys("‐‑‒–—―−", "-")
    | {"⁄": "/", "\u00ad": None, "\u200b": None, "\u2060": None, "\ufeff": None}
)
_POWER = re.compile(r"(?<=\d)(?=[⁻⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉])")
_FRACTION = re.compile(r"(?<=\d)(?=[¼½¾⅐-⅞])")
_GROUPED_BY_SPACE = re.compile(r"(?<![\d.,])\d{1,3}(?:[\u00a0\u2009\u202f]\d{3})+(?!\d)")
_ACRONYM = re.compile(r"(?<![A-Z]{2} )\b(IT|US|WHO|AIDS|MAY|OR|AM)\b(?! [A-Z]{2})")
_HYPHENATED = re.compile(r"(?<=\w)-\s*\n\s*(?=[a-z])")
_PREFIXED_UNIT = re.compile(r"(?<=\d)( ?)([mM])(Wh?|Pa|V|J|A|Hz)\b")
_BITS = re.compile(r"(?<=\d)( ?[kKMG])b\b")
_BULLET = r"\s*(?:[-*•◦▪]|\(?(?:\d{1,3}|[a-z])[.)])\s+"
_MARKER = re.compile(rf"^{_BULLET}(?=[^\W\d_])")
_ITEM = re.compile(rf"\n(?={_BULLET})")
_END = re.compile(r"[.!?]+[\"')\]]*(?= [\"'(\[]*([^\W_]))|[。！？]+")
_LONGEST_ABBREVIATION = 12
_MOST_STATEMENTS = 400
_MOST_TOKENS = 300  # of a statement whose asides are looked for
_MOST_ASIDES = 4

Keys = tuple[str, ...]


def flat(text: str) -> str:
    """NFKC with powers and fractions kept apart, one kind of quotation mark and dash, hyphenation at line ends
    undone, white space folded; units and acronyms whose meaning hangs on their case are spelt out.
    """
    apart = _GROUPED_BY_SPACE.sub(lambda m: "".join(m[0].split()), _FRACTION.sub(" ", _POWER.sub("^", text)))
    one = _HYPHENATED.sub("", unicodedata.normalize("NFKC", apart).translate(_MARKS))
    one = _PREFIXED_UNIT.sub(lambda m: f"{m[1]}{'milli' if m[2] == 'm' else 'mega'}{m[3]}", " ".join(one.split()))
    return _ACRONYM.sub(r"\1-acronym", _BITS.sub(r"\1bit", one))


def normalise(text: str) -> str:
    """The one normalisation for comparing: `flat`, case folded."""
    return flat(text).casefold()


@lru_cache(maxsize=4096)
def verbatim(text: str) -> str:
    """What two texts have in common that differ in nothing but typography, a list marker and the full stop."""
    return _bare(flat(text)).casefold().rstrip(" .")


def _bare(line: str) -> str:
    """A flat text without the marker of a list item."""
    return _MARKER.sub("", line, count=1)


@dataclass(frozen=True)
class Token:
    """A word, number or mark of a statement: what it is compared by, and a number as it is written."""

    key: str
    figure: str = ""


@dataclass(frozen=True)
class Statement:
    """A sentence, list item or table row: its text as `verbatim` gives it, its tokens, the stems of its content
    words, and the wordings that say no more than it does (its own first; none where it is broken off).
    """

    text: str
    tokens: tuple[Token, ...]
    stems: frozenset[str]
    wordings: tuple[Keys, ...]

    @property
    def keys(self) -> frozenset[str]:
        """What its tokens are compared by."""
        return frozenset(token.key for token in self.tokens)


@lru_cache(maxsize=4096)
def statements(text: str) -> tuple[Statement, ...]:
    """The statements of a text in order; where it is not plain that one ends, it goes on."""
    return tuple(map(_statement, _split(text)))


def _statement(piece: str) -> Statement:
    tokens = tuple(_tokens(piece))
    stems = frozenset(stem(t.key) for t in tokens if t.key not in lexicon.STOP and t.key[:1].isalpha())
    return Statement(piece.casefold().rstrip(" ."), tokens, stems, tuple(_wordings(tokens)))


def _split(text: str) -> list[str]:
    """The flat texts of the statements."""
    lines = [_bare(flat(line)) for line in text.split("\n") if line.strip()]
    if any(" | " in line for line in lines):
        return lines[:_MOST_STATEMENTS]
    items = _ITEM.split(text)
    if len(items) > 1 and not _MARKER.match(items[0]) and _is_guarded(_tokens(flat(items[0]))):
        return [flat(text)]  # "The following are not allowed: …": the items do not stand for themselves
    return [piece for item in items for piece in _sentences(_bare(flat(item)))][:_MOST_STATEMENTS]


def _sentences(line: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(line):
        before = line[max(start, match.start() - _LONGEST_ABBREVIATION) : match.start()].lower()
        word = before.rpartition(" ")[2].lstrip("(\"'")
        is_short = match[0].startswith(".") and (word in lexicon.ABBREVIATIONS or (len(word) == 1 and word.isalpha()))
        if not is_short and not (match[1] or "").islower():
            yield line[start : match.end()].strip()
            start = match.end()
    if line[start:].strip():
        yield line[start:].strip()


_DATES = (
    re.compile(r"\b(?P<d>\d{1,2})(?:st|nd|rd|th)?(?: of)? (?P<m>[a-z]+(?:-5)?),? (?P<y>\d{4})\b"),
    re.compile(r"\b(?P<m>[a-z]+(?:-5)?) (?P<d>\d{1,2})(?:st|nd|rd|th)?,? (?P<y>\d{4})\b"),
)
_YEAR = re.compile(r"\d{4}")
_ISO_DATE = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
_LETTER_A = re.compile(r"(?<=\w )A\b")
_MONTH_MAY = re.compile(r"\bMay(?= \d)|(?<=\w )May\b")
_TOKEN = re.compile(
    r"(?P<number>(?:(?<![\w.)])[-+])?(?:(?<![\w.)])\.)?\d+(?:[.,]\d+)*)"
    r"|(?P<word>[^\W\d_][^\W_]*(?:['./&-][^\W_]+)*)|(?P<grade>(?<=[\w#])-(?!\w)|(?<=\d)')|(?P<mark>\S)"
)
_DELIMITERS = frozenset(".,;:'()[]{}-_")


def _tokens(line: str) -> Iterator[Token]:
    """The tokens of a flat text, delimiters included; wordings that mean the same come out the same."""
    # a capital A inside a sentence names something, a capital May there is a month
    plain = _MONTH_MAY.sub("month-5", _LETTER_A.sub("a#", line)).lower()
    for match in _TOKEN.finditer(_reworded(plain)):
        lexeme = match[0]
        if match["number"]:
            yield Token(_ungrouped(lexeme), lexeme)
        elif match["word"]:
            yield from _word(lexeme)
        else:
            yield Token(f"{lexeme}|" if match["grade"] else lexeme)  # the minus of "A-" is no delimiter


def _reworded(text: str) -> str:
    if _YEAR.search(text):
        text = _ISO_DATE.sub(r"@\1\2\3", text)
        for pattern in _DATES:
            text = pattern.sub(_date, text)
    for pattern, same in lexicon.PHRASES:
        text = pattern.sub(same, text)
    return text


def _date(match: re.Match[str]) -> str:
    month = lexicon.MONTHS.get("may" if match["m"] == "month-5" else match["m"])
    return f"@{match['y']}{month:02}{int(match['d']):02}" if month else match[0]


def _word(lexeme: str) -> Iterator[Token]:
    if lexeme in lexicon.NUMERALS:
        yield Token(str(lexicon.NUMERALS[lexeme]), lexeme)
    elif "-" in lexeme and all(len(part) > 1 and part.isalpha() for part in lexeme.split("-")):
        for part in lexeme.split("-"):
            yield from _word(part)
    else:
        yield Token(lexicon.SAME.get(lexeme, lexeme))


_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")


def _ungrouped(lexeme: str) -> str:
    """A number without plus sign and grouping commas; its zeros stay, as section 2.10 is not section 2.1."""
    plain = lexeme.lstrip("+")
    return plain.replace(",", "") if _GROUPED.fullmatch(plain) else plain


def number(lexeme: str) -> str:
    """A number's value, a comma that groups no digits read as decimal; what is no plain number stays as it is."""
    try:
        text = format(Decimal(_ungrouped(lexeme).replace(",", ".")), "f")
    except InvalidOperation:
        return lexeme
    return text.rstrip("0").rstrip(".") if "." in text else text


def stem(word: str) -> str:
    """The word without a common ending, for counting what two texts share; never for telling that they agree."""
    for ending in ("ations", "ation", "ings", "ing", "edly", "ies", "ied", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def _is_guarded(tokens: Iterable[Token]) -> bool:
    return any(t.key in lexicon.NEGATIONS or t.key in lexicon.HEDGES or t.key in lexicon.QUALIFIERS for t in tokens)


def _wordings(tokens: Sequence[Token]) -> Iterator[Keys]:
    """The statement as it is, and without any choice of its asides; none of one that is broken off."""
    if tokens and tokens[-1].key in ",:-":
        return
    asides = list(islice(_asides(tokens), _MOST_ASIDES)) if len(tokens) <= _MOST_TOKENS else []
    for count in range(len(asides) + 1):
        for chosen in combinations(asides, count):
            left_out = {at for aside in chosen for at in aside}
            keys = _keys([token for at, token in enumerate(tokens) if at not in left_out])
            yield keys
            yield from active(keys)


def _keys(tokens: Sequence[Token]) -> Keys:
    """What is compared: articles and delimiters left out, but not the comma that makes a clause an aside."""
    found: list[str] = []
    for at, token in enumerate(tokens):
        key = token.key
        if key in lexicon.LIGHT or (key in _DELIMITERS and not _is_loss(tokens, at)):
            continue
        if key in lexicon.RELATIVE and at and tokens[at - 1].key == ",":
            key = f",{key}"
        if key in lexicon.NEGATIONS and at + 1 < len(tokens) and tokens[at + 1].key == ",":
            key = f"{key},"
        found.append(key)
    return tuple(found)


def _is_loss(tokens: Sequence[Token], at: int) -> bool:
    """Whether a figure alone in brackets begins here, as accounts write what is below zero."""
    return tokens[at].key == "(" and at + 2 < len(tokens) and bool(tokens[at + 1].figure) and tokens[at + 2].key == ")"


def _asides(tokens: Sequence[Token]) -> Iterator[range]:
    """Stretches without which the statement still holds; none that negates, hedges or qualifies."""
    for at in range(len(tokens) - 1):
        aside = _aside(tokens, at)
        if aside and not _is_guarded(tokens[aside.start : aside.stop]):
            yield aside


def _aside(tokens: Sequence[Token], at: int) -> range | None:
    mark, following = tokens[at].key, tokens[at + 1].key
    end = _end(tokens)
    if mark == "(":
        close = next((i for i in range(at, end) if tokens[i].key == ")"), None)
        return range(at, close + 1) if close else None
    if mark == ";":
        return range(at, end)
    if mark != ",":
        return None
    comma = next((i for i in range(at + 1, end) if tokens[i].key == ","), None)
    if following in lexicon.RELATIVE and comma:
        return range(at, comma + 1)
    if following not in lexicon.TRAILING or comma:
        return None
    before = tokens[:at]
    is_list = any(token.key == "," for token in before) or end - at < 5
    return None if following == "and" and (is_list or _is_guarded(before)) else range(at, end)


def _end(tokens: Sequence[Token]) -> int:
    """Where the statement's closing marks begin: they stay, as a question mark makes a difference."""
    end = len(tokens)
    while end and tokens[end - 1].key in ".!?\"'":
        end -= 1
    return end


def turned(keys: Keys) -> Iterator[Keys]:
    """The same with a time or place brought from one end to the other, where it is plain what that belongs to."""
    if not _is_simple(keys):
        return
    for at in range(1, len(keys) - 1):
        if keys[at] in lexicon.PLACING and len(keys) - at <= 8:
            yield keys[at:] + keys[:at]
        if keys[0] in lexicon.PLACING and 2 <= at <= 8:
            yield keys[at:] + keys[:at]


def active(keys: Keys) -> Iterator[Keys]:
    """The same said of who did it: "the site was surveyed by X in May" as "X surveyed the site in May"."""
    if "by" not in keys or not _is_simple(keys):
        return
    by = keys.index("by")
    if by < 3 or keys[by - 2] != "was" or not (keys[by - 1].endswith("ed") or keys[by - 1] in lexicon.ACTS):
        return
    for end in range(by + 2, min(len(keys), by + 7) + 1):
        if end == len(keys) or keys[end] in lexicon.PLACING:
            yield (*keys[by + 1 : end], keys[by - 1], *keys[: by - 2], *keys[end:])


def _is_simple(keys: Keys) -> bool:
    """Whether it is plain that the words are one clause, which affirms."""
    return not any(key in lexicon.BOUND_TO_CLAUSE or key in lexicon.NEGATIONS or key.endswith("ing") for key in keys)


@dataclass(frozen=True)
class Cell:
    """A cell of a table: the ways to name its row, its column's name, its unit, and what it holds."""

    rows: tuple[Keys, ...]
    column: Keys
    unit: Keys
    value: Keys


@lru_cache(maxsize=1024)
def cells(text: str) -> tuple[Cell, ...]:
    """The cells of a table whose first line names its columns and whose first column names its rows.

    None where its lines are of different lengths; none of rows that share a name, and none beside words or a column
    that may say under what terms a row holds.
    """
    lines = [[cell.strip() for cell in line.split(" | ")] for line in text.split("\n") if line.strip()]
    if len(lines) < 2 or len(lines[0]) < 2 or any(len(line) != len(lines[0]) for line in lines):
        return ()
    heads = [_head(cell) for cell in lines[0]]
    if any(not lexicon.DIMENSIONS.isdisjoint(column) for column, _ in heads[1:]):
        return ()
    named = Counter(line[0] for line in lines[1:])
    rows = [line for line in lines[1 : _MOST_STATEMENTS + 1] if named[line[0]] == 1]
    return tuple(cell for line in rows for cell in _row_cells(heads, line))


def _row_cells(heads: Sequence[tuple[Keys, Keys]], line: Sequence[str]) -> Iterator[Cell]:
    names = _row_names(heads[0][0], _row_keys(line[0]))
    for at in range(1, len(line)):
        column, unit = heads[at]
        beside = (*line[1:at], *line[at + 1 :])
        value = _row_keys(line[at])
        if names and value and any(key.isalpha() for key in column) and not any(map(_is_wordy, beside)):
            yield Cell(names, column, unit, value)


def _is_wordy(cell: str) -> bool:
    return any(character.isalpha() for character in cell) and not cell[:1].isdigit()


def _row_keys(text: str) -> Keys:
    return _keys(tuple(_tokens(f"the {flat(text)}")))


def _head(text: str) -> tuple[Keys, Keys]:
    name, _, unit = text.partition("(")
    return _row_keys(name), tuple(key for key in _row_keys(unit) if key != "number")


def _row_names(column: Keys, name: Keys) -> tuple[Keys, ...]:
    if not name:
        return ()
    full = (column + name,) if column else ()
    return (*full, name) if any(len(key) > 2 and key.isalpha() for key in name) else full


def told(cell: Cell) -> Iterator[Keys]:
    """The wordings that say what a cell says."""
    for value in {cell.value, cell.value + cell.unit}:
        for row in cell.rows:
            for verb in ("is", "was"):
                yield from ((*cell.column, link, *row, verb, *value) for link in ("of", "in", "at", "for"))
                yield from ((link, *row, *cell.column, verb, *value) for link in ("in", "at", "for"))
            for verb in ("had", "has"):
                yield (*row, verb, *cell.column, "of", *value)
                yield (*row, verb, *value, *cell.column)
