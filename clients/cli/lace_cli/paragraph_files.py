"""Specifications and texts of paragraphs as people write them: YAML or JSON files, and sentences on a command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lace_cli.failures import WRONG_USE, CommandError

Sentence = tuple[str, tuple[str, ...]]

_INLINE = re.compile(r"^(?P<text>.*\S)\s*\[(?P<facts>[^\[\]]*)\]$", re.DOTALL)
_SENTENCES: Mapping[str, Any] = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["text", "fact_ids"],
        "additionalProperties": False,
        "properties": {
            "text": {"type": "string", "minLength": 1},
            "fact_ids": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        },
    },
}


def spec_of(path: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The specification of a file with the options that were given in its place; raises CommandError by line."""
    import msgspec

    from lace_core.paragraphs.spec import ParagraphSpec

    schema = msgspec.json.schema(ParagraphSpec)
    if path is not None:  # what the options give need not be in the file
        schema["$defs"]["ParagraphSpec"]["required"] = []
    found = dict(_read(path, schema)) if path is not None else {}
    found.update({name: value for name, value in options.items() if value})
    missing = [name for name in ("title", "purpose", "allowed_fact_ids") if not found.get(name)]
    if missing:
        raise CommandError(
            f"The specification lacks {', '.join(missing)}.",
            code="WRONG_USE",
            advice='Give a file, or: --title "…" --purpose "…" --fact fct_… (lace paragraph create --help)',
            exit_code=WRONG_USE,
        )
    return found


def sentences_of(path: Path | None, inline: Iterable[str]) -> list[Sentence]:
    """The sentences of a file, or those that were given as `TEXT [FACT, …]`; raises CommandError."""
    given = list(inline)
    if (path is None) == (not given):
        raise CommandError(
            "Give a file or sentences, and not both.",
            code="WRONG_USE",
            advice='lace paragraph edit PARAGRAPH text.yaml   or   … --sentence "It cost 4 million. [fct_…]"',
            exit_code=WRONG_USE,
        )
    if path is not None:
        return [(each["text"], tuple(each["fact_ids"])) for each in _read(path, _SENTENCES)]
    return [_inline(text) for text in given]


def as_file(sentences: Sequence[Any]) -> str:
    """Sentences of a paragraph as a file that `sentences_of` reads, for a person to change."""
    import json

    lines = []
    for sentence in sentences:
        facts = ", ".join(link.fact_id for link in sentence.facts)
        lines.append(f"- text: {json.dumps(sentence.text, ensure_ascii=False)}\n  fact_ids: [{facts}]")
    return "\n".join(lines)


def _inline(given: str) -> Sentence:
    found = _INLINE.match(given.strip())
    facts = tuple(fact.strip() for fact in found["facts"].split(",") if fact.strip()) if found else ()
    if found is None or not facts:
        raise CommandError(
            f"{given[:80]!r} names no facts.",
            code="WRONG_USE",
            advice='Write the facts behind the sentence: "It cost 4 million. [fct_…, fct_…]"',
            exit_code=WRONG_USE,
        )
    return found["text"], facts


def _read(path: Path, schema: Mapping[str, Any]) -> Any:
    from lace_core.marked_yaml import MarkedYamlError, read, schema_problems

    if not path.is_file():
        raise CommandError(f"There is no file {path}.", code="WRONG_USE", exit_code=WRONG_USE)
    try:
        marked = read(path.read_bytes())
    except MarkedYamlError as error:
        raise _broken(path, [str(error)]) from None
    problems = [str(problem) for problem in schema_problems(marked, schema)]
    if problems:
        raise _broken(path, problems)
    return marked.value


def _broken(path: Path, problems: Sequence[str]) -> CommandError:
    told = "\n".join(f"{path}: {problem}" for problem in problems[:20])
    return CommandError(told, code="FILE_INVALID", advice="Mend the file at these places.", exit_code=WRONG_USE)
