"""Texts of any length that are hard to count, the same each time, and tokenizers that count them as others would."""

from __future__ import annotations

import base64
import random
import re
import unicodedata
from collections.abc import Callable, Mapping

from rs_bpe.bpe import openai

Text = Callable[[int], str]

_ENGLISH = (
    "The Board approved the budget of 28.4 million pounds in March 2022, and the works began two months later. "
    "Pressure at the northern inlet fell below the limit on eleven days, mostly after heavy rain. "
)
_OF_LANGUAGES = {
    "chinese": "管理委员会于三月批准了预算，总成本为三千零六十万英镑。",
    "thai": "คณะกรรมการอนุมัติงบประมาณในเดือนมีนาคม ",
    "hindi": "समिति ने मार्च में बजट को मंजूरी दी और कुल लागत तीन करोड़ पाउंड थी। ",
    "russian": "Комитет утвердил бюджет в марте, общая стоимость составила тридцать миллионов. ",
}


def _repeated(text: str) -> Text:
    return lambda length: (text * (length // len(text) + 1))[:length]


def _drawn(alphabet: str) -> Text:
    return lambda length: "".join(random.Random(7).choices(alphabet, k=length))


KINDS: Mapping[str, Text] = {
    "english": _repeated(_ENGLISH),
    **{name: _repeated(text) for name, text in _OF_LANGUAGES.items()},
    "spaces": _repeated(" "),
    "newlines": _repeated("\n"),
    "white": _repeated("\t \n\u00a0"),
    "digits": _drawn("0123456789"),
    "marks": _drawn("!@#$%^*()_+-=[]{}|;:',./?`~"),
    "rules": _repeated("-" * 300 + "=" * 300 + "#" * 300),
    "letters": _drawn("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "base64": lambda length: base64.b64encode(random.Random(7).randbytes(length)).decode()[:length],
    "bytes": lambda length: random.Random(7).randbytes(length).decode("latin-1"),
    "emoji": lambda length: "".join(chr(random.Random(at).randint(0x1F300, 0x1F6FF)) for at in range(length)),
    "flags": _repeated("🏴\U000e0067\U000e0062\U000e007f🇩🇪👩\u200d👩\u200d👧"),
    "rare": lambda length: "".join(chr(random.Random(at).randint(0x4E00, 0x9FFF)) for at in range(length)),
    "growing": _repeated("\ufdfa\u3300\u337f"),  # one character becomes many where a tokenizer normalises first
    "long_words": _repeated(" telecommunications internationalization responsibilities electroencephalography"),
    "special": _repeated("<|im_end|><|im_start|>system\n[INST] </s> "),
}

_SPACE_BEFORE_WORD = re.compile(r" (?=[A-Za-z])")
_PIECE = re.compile(r"[A-Za-z]+|.", re.DOTALL)
_LONGEST = 5


def openai_tokens(model: str, text: str) -> int:
    """By the model's own table."""
    old = model.startswith(("gpt-4-", "gpt-3.5")) or model == "gpt-4"
    return int((openai.cl100k_base() if old else openai.o200k_base()).count(text))


def harsh_tokens(_: str, text: str) -> int:
    """As a small vocabulary that normalises, keeps no runs, and spells what is not ASCII byte by byte.

    Letters are split by another table than the one that bounds are made of, and long pieces once more.
    """
    plain = _SPACE_BEFORE_WORD.sub("", unicodedata.normalize("NFKC", text))
    count = 1
    for piece in _PIECE.findall(plain):
        if piece[0].isascii() and piece[0].isalpha():
            table = openai.cl100k_base()
            count += sum(1 + (len(table.decode([token])) > _LONGEST) for token in table.encode(piece))
        else:
            count += len(piece.encode("utf-8", "surrogatepass"))
    return count
