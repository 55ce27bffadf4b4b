"""Reads text for comparison: one normalisation, its statements with their tokens, and the cells of its tables."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache

from lace_core.verification import lexicon
from lace_core.verification.equivalents import SCALES, VERB_OF_MEASURE
from lace_core.verification.language import Language, language_of
from lace_core.verification.quantities import canonical, settled
from lace_core.verification.tokens import Keys, Token

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


@lru_cache(maxsize=2048)
def verbatim(text: str) -> str:
    """What two texts have in common that differ in nothing but typography, a list marker and the full stop."""
    return _bare(flat(text)).casefold().rstrip(" .")


def _bare(line: str) -> str:
    """A flat text without the marker of a list item."""
    return _MARKER.sub("", line, count=1)


@dataclass(frozen=True)
class Statement:
    """A sentence, list item or table row: its text as `verbatim` gives it, its tokens, the stems of its content words.

    It opens with a small letter where its beginning may have been cut off, and closes with a mark where it is complete.
    """

    text: str
    tokens: tuple[Token, ...]
    stems: frozenset[str]
    opens_small: bool = False
    closes: bool = False

    @property
    def keys(self) -> frozenset[str]:
        """What its tokens are compared by."""
        return frozenset(token.key for token in self.tokens)

    @cached_property
    def language(self) -> Language:
        """Its language, as far as it tells."""
        return language_of(self.text)

    @cached_property
    def figures(self) -> frozenset[str]:
        """The numbers in it, as they are compared."""
        return frozenset(token.key for token in self.tokens if token.figure)


@lru_cache(maxsize=2048)
def statements(text: str) -> tuple[Statement, ...]:
    """The statements of a text in order; where it is not plain that one ends, it goes on."""
    return tuple(map(_statement, _split(text)))


def _statement(piece: str) -> Statement:
    tokens = tuple(_tokens(piece))
    stems = stems_of(tokens)
    bare = piece.lstrip("\"'([")
    closes = piece.rstrip("\"')] ").endswith((".", "!", "?", ";", ":", "。", "！", "？"))
    return Statement(piece.casefold().rstrip(" ."), tokens, stems, bare[:1].islower(), closes)


def stems_of(tokens: Iterable[Token]) -> frozenset[str]:
    """The stems of the content words."""
    return frozenset(stem(t.key) for t in tokens if t.key not in lexicon.STOP and t.key[:1].isalpha())


def _split(text: str) -> list[str]:
    """The flat texts of the statements."""
    lines = [_bare(flat(line)) for line in text.split("\n") if line.strip()]
    if any(" | " in line for line in lines):
        return lines[:_MOST_STATEMENTS]
    items = _ITEM.split(text)
    if len(items) > 1 and not _MARKER.match(items[0]) and _is_guarded(_tokens(flat(items[0]))):
        return [flat(text)]  # "The following are not allowed: …": the items do not stand for themselves
    return [piece for item in items for piece in _sentences(_bare(flat(item)))][:_MOST_STATEMENTS]


def lines_of(text: str) -> Iterator[tuple[Token, ...]]:
    """The tokens of each line that says something, without the marker of a list item."""
    for line in text.split("\n")[:_MOST_STATEMENTS]:
        if line.strip():
            yield tuple(_tokens(_bare(flat(line))))


def listed(text: str) -> tuple[tuple[Token, ...], list[tuple[Token, ...]]] | None:
    """The head of a list, without its colon, and its items; None where the text is no such list and nothing else."""
    first, *items = [line for line in text.split("\n") if line.strip()]
    if not first.rstrip().endswith(":") or not items or not all(_MARKER.match(item) for item in items):
        return None
    head, *rest = lines_of(text)
    return head[:-1], rest


def _sentences(line: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(line):
        before = line[max(start, match.start() - _LONGEST_ABBREVIATION) : match.start()].lower()
        earlier, _, word = before.rpartition(" ")
        word = word.lstrip("(\"'")
        is_initial = len(word) == 1 and word.isalpha() and earlier.rpartition(" ")[2] not in lexicon.DESIGNATING
        is_short = match[0].startswith(".") and (word in lexicon.ABBREVIATIONS or is_initial)
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


def _tokens(line: str) -> list[Token]:
    """The tokens of a flat text, delimiters included; wordings that mean the same come out the same."""
    return settled(list(_lexed(line)))


def _lexed(line: str) -> Iterator[Token]:
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
    return lexicon.reworded(text)


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


def keys_of(tokens: Sequence[Token]) -> Keys:
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


def aside_ranges(tokens: Sequence[Token]) -> Iterator[range]:
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
    negates = any(token.key in lexicon.NEGATIONS for token in tokens[:at])
    return None if following == "because" and negates else range(at, end)


def _end(tokens: Sequence[Token]) -> int:
    """Where the statement's closing marks begin: they stay, as a question mark makes a difference."""
    end = len(tokens)
    while end and tokens[end - 1].key in ".!?\"'":
        end -= 1
    return end


def is_simple(keys: Keys) -> bool:
    """Whether it is plain that the words are one clause."""
    return not any(key in lexicon.BOUND_TO_CLAUSE or (key.endswith("ing") and len(key) > 6) for key in keys)


_SCALED = frozenset((*SCALES, *"£$€¥"))


@dataclass(frozen=True)
class Cell:
    """A cell of a table: the ways to name its row, its column's name, its unit, what it holds, the cells beside it."""

    rows: tuple[Keys, ...]
    column: Keys
    unit: Keys
    value: Keys
    others: tuple[Keys, ...] = ()
    counts: bool = False

    @property
    def values(self) -> frozenset[Keys]:
        """What it holds, with its unit and without; a currency stands before the figure."""
        whole = (self.value[0].removesuffix(".0"), *self.value[1:])  # no section's number: it has a unit
        forms = {self.value + self.unit, whole + self.unit if self.unit else self.value}
        if self.unit and self.unit[0] in "£$€¥":
            forms.add((self.unit[0], *self.value, *self.unit[1:]))
        if _SCALED.isdisjoint(self.unit):
            forms.add(self.value)  # without its unit a value says less; without its thousands it says something else
        return frozenset(map(canonical, forms))


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
    named = Counter(line[0] for line in lines[1:])
    rows = [line for line in lines[1 : _MOST_STATEMENTS + 1] if named[line[0]] == 1]
    return tuple(cell for line in rows for cell in _row_cells(heads, lines[0], line))


def _row_cells(heads: Sequence[tuple[Keys, Keys]], heads_text: Sequence[str], line: Sequence[str]) -> Iterator[Cell]:
    names = _row_names(heads[0][0], _row_keys(line[0]))
    for at in range(1, len(line)):
        column, unit = heads[at]
        beside = [place for place in range(1, len(line)) if place != at]
        value = _row_keys(line[at])
        is_plain = not any(_binds(heads[place][0], line[place]) for place in beside)
        if names and value and any(key.isalpha() for key in column) and is_plain:
            others = tuple(_row_keys(line[place]) for place in beside)
            yield Cell(names, column, unit, value, others, counts=_counts(heads_text[at]))


def _binds(column: Keys, cell: str) -> bool:
    """Whether a cell may say when or under what terms the rest of its row holds."""
    if len(column) == 1 and column[0] in lexicon.DIMENSIONS:
        return True
    words = set(_row_keys(cell))
    return not (words.isdisjoint(lexicon.HEDGES | lexicon.QUALIFIERS | lexicon.NEGATIONS) or cell[:1].isdigit())


def _counts(head: str) -> bool:
    return "(number" in head.lower()


@lru_cache(maxsize=2048)
def _row_keys(text: str) -> Keys:
    return keys_of(tuple(_tokens(f"the {flat(text)}")))


def _head(text: str) -> tuple[Keys, Keys]:
    name, _, unit = text.partition("(")
    return _row_keys(name), tuple(key for key in _row_keys(unit) if key != "number")


_CODE = re.compile(r"[a-z]{1,4}-?\d{1,5}")


def _row_names(column: Keys, name: Keys) -> tuple[Keys, ...]:
    if not name:
        return ()
    full = (column + name,) if column else ()
    is_year = column == ("year",) and len(name) == 1 and len(name[0]) == 4
    is_code = len(name) == 1 and len(name[0]) > 2 and _CODE.fullmatch(name[0]) is not None
    return (*full, name) if is_year or is_code or any(len(key) > 2 and key.isalpha() for key in name) else full


def told(cell: Cell) -> Iterator[Keys]:
    """The wordings that say what a cell says."""
    columns = (cell.column, ("number", "of", *cell.column)) if cell.counts else (cell.column,)
    for value in cell.values:
        for row in cell.rows:
            for column in columns:
                yield from _told(row, column, value)


def _told(row: Keys, column: Keys, value: Keys) -> Iterator[Keys]:
    owner = (*row[:-1], f"{row[-1]}'s")
    for verb in ("is", "was"):
        yield (*owner, *column, verb, *value)
        yield from ((*value, verb, *column, link, *row) for link in ("of", "for"))
        if column == ("status",):
            yield (*row, verb, *value)
        yield from ((*column, link, *row, verb, *value) for link in ("of", "in", "at", "for"))
        yield from ((*column, verb, *value, link, *row) for link in ("in", "at", "for"))
        if column[-1].endswith("s") and len(value) == 1 and value[0][0].isdigit():
            yield from ((link, *row, "there", verb, *value, *column) for link in ("in", "at"))
            yield from (("there", verb, *value, *column, link, *row) for link in ("in", "at"))
        yield from ((link, *row, *column, verb, *value) for link in ("in", "at", "for"))
        if len(column) == 1 and column[0] in lexicon.LONG:
            yield (*row, verb, *value, lexicon.LONG[column[0]])
    yield from ((*row, verb, *value) for noun, verbs in VERB_OF_MEASURE.items() if column == (noun,) for verb in verbs)
    for verb in ("had", "has"):
        yield (*row, verb, *column, "of", *value)
        yield (*row, verb, *value, *column)
