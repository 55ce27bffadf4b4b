"""Markdown: a parser reads back every text to the character, and every link leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from lace_compiler.adapters.render_markdown import MarkdownRenderer
from lace_compiler.domain.compose import compose
from lace_compiler.domain.document import Document
from lace_compiler.domain.settings import CompileSettings
from lace_compiler.domain.text import one_line, verbatim
from lace_core import ir

Build = Callable[..., ir.Artifact]
Load = Callable[[str], Document]

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ANCHOR = re.compile(r'</?a( id="[a-z0-9-]+")?>')
# Characters that mean something to Markdown, to HTML or to a line's beginning, and some that mean nothing.
TRICKY = st.text(
    st.sampled_from("\\`*_{}[]()<>#+-.!|~&$=:;'\"/@^%0123456789abXZ \n\té中ש\u00a0\u0007")
    | st.characters(codec="utf-8"),
    max_size=40,
)


def render(artifact: ir.Artifact) -> str:
    settings = CompileSettings()
    return MarkdownRenderer().render(compose(artifact, "", "", settings), settings).data.decode()


def shown(token: Token) -> str:
    """Text of an inline token; the anchors and citation marks that the compiler wrote itself are left out."""
    text = ""
    for child in token.children or []:
        if child.type == "html_inline":
            assert ANCHOR.fullmatch(child.content), f"markup out of a text: {child.content}"
        elif child.type in ("text", "text_special", "code_inline"):
            text += child.content
        elif child.type in ("softbreak", "hardbreak"):
            text += "\n"
        else:
            assert child.type.startswith(("strong", "em")), f"a text made a {child.type}"
    return " ".join(text.split())


def inlines(markdown: str) -> list[str]:
    tokens = PARSER.parse(markdown)
    assert not any(token.type == "html_block" for token in tokens)
    return [shown(token) for token in tokens if token.type == "inline"]


def plain(text: str) -> str:
    return " ".join(one_line(text).split())


def kinds(markdown: str) -> set[str]:
    return {token.type for token in PARSER.parse(markdown)}


def test_the_golden_documents_are_compiled_to_the_byte(load: Load, golden: Callable[[str, bytes], None]) -> None:
    for name in ("kiln", "hostile", "empty", "outline"):
        golden(f"{name}.md", MarkdownRenderer().render(load(name), CompileSettings()).data)


def test_every_link_leads_to_an_anchor(load: Load) -> None:
    for name in ("kiln", "hostile"):
        text = MarkdownRenderer().render(load(name), CompileSettings()).data.decode()
        anchors = re.findall(r'<a id="([^"]+)"></a>', text)
        links = {
            str(child.attrGet("href"))
            for token in PARSER.parse(text)
            for child in token.children or []
            if child.type == "link_open"
        }
        assert len(set(anchors)) == len(anchors)
        assert links == {f"#{anchor}" for anchor in anchors if not re.fullmatch(r"section-\d+(-\d+){3,}", anchor)}


def one_of_each(build: Build, text: str) -> ir.Artifact:
    return build(
        ir.Paragraph(block_id="blk_1", sentences=(ir.Sentence(sentence_id="sen_1", text=text),)),
        ir.Quote(block_id="blk_2", sentences=(ir.Sentence(sentence_id="sen_2", text=text),)),
        ir.Callout(block_id="blk_3", tone="tip", sentences=(ir.Sentence(sentence_id="sen_3", text=text),)),
        ir.ListBlock(block_id="blk_4", items=(ir.ListItem(item_id="itm_1", text=text),)),
        ir.ListBlock(block_id="blk_5", ordered=True, items=(ir.ListItem(item_id="itm_2", text=text),)),
        ir.Table(
            block_id="blk_6",
            header=(text, "second head"),
            rows=(ir.Row(row_id="row_1", cells=("first cell", text)),),
            caption=text,
        ),
        ir.Figure(block_id="blk_7", uri=text, alt=text, caption=text),
        title=text,
    )


EXAMPLE = [
    *("# h", "1. x", "1) x", "- x", "+ x", "* x", "> x", "===", "---", "***", "___", "--- ---", ":--", "| - |", "~~~"),
    *(
        "```x",
        "<div>",
        "<!-- x",
        "&amp;",
        "&#35;",
        "[a](b)",
        "[a]: b",
        "![a](b)",
        "a\\",
        "\\#",
        "`a`",
        "``",
        "_a_",
        "__",
    ),
    *(
        "a_b_c",
        "~~a~~",
        "$x$",
        "<http://x.y>",
        "\tcode",
        "    code",
        "C #",
        "a  \nb",
        "[x]",
        "[^1]",
        "-5",
        "2020. Then",
    ),
]


@pytest.mark.parametrize("text", EXAMPLE)
def test_tricky_texts_come_back(build: Build, text: str) -> None:
    check_round_trip(build, text)


@given(text=TRICKY)
def test_any_text_comes_back(text: str) -> None:
    check_round_trip(plain_build, text)


def plain_build(*blocks: ir.Block, title: str) -> ir.Artifact:
    root = ir.Node(node_id="nod_root", parent_id=None, order_key="a", title="", blocks=blocks)
    return ir.Artifact(artifact_id="art_1", title=title, nodes=(root,))


def check_round_trip(build: Build, text: str) -> None:
    found = inlines(render(one_of_each(build, text)))
    expected = plain(text)
    assert found[0] == (expected or "Untitled document")
    if not expected:
        return
    # Paragraph, quote, two lists, head and cell of the table, alternative text and URI of the figure.
    assert found.count(expected) - (found[0] == expected) == 8
    assert " ".join(("[!TIP]", expected)) in found
    assert {f"Table 1: {expected}", f"Figure 1: {expected}"} <= set(found)


@given(text=TRICKY, language=TRICKY)
def test_code_comes_back_to_the_character(text: str, language: str) -> None:
    markdown = render(plain_build(ir.Code(block_id="blk_1", text=text, language=language), title="t"))
    (token,) = [token for token in PARSER.parse(markdown) if token.type == "fence"]
    assert token.content.removesuffix("\n") == verbatim(text).removesuffix("\n")
    assert token.info in ("", language.strip())


def test_a_fence_is_longer_than_any_run_of_backticks_in_the_code(build: Build) -> None:
    markdown = render(build(ir.Code(block_id="blk_1", text="```\n`````\n```")))
    assert "\n``````\n```\n`````\n```\n``````\n" in markdown


def test_neighbouring_lists_stay_apart() -> None:
    lists = [
        ir.ListBlock(block_id=f"blk_{n}", ordered=n > 2, items=(ir.ListItem(item_id=f"itm_{n}", text=f"{n}"),))
        for n in range(5)
    ]
    tokens = [token.type for token in PARSER.parse(render(plain_build(*lists, title="t")))]
    assert (tokens.count("bullet_list_open"), tokens.count("ordered_list_open")) == (3, 2)


def test_the_contents_go_as_deep_as_the_settings_say(load: Load) -> None:
    document = load("outline")
    for depth, entries in ((1, 0), (2, 3), (3, 4), (8, 8)):
        text = MarkdownRenderer().render(document, CompileSettings(toc_depth=depth)).data.decode()
        assert len(re.findall(r"^ *- \[", text, re.MULTILINE)) == entries, depth


def test_a_reference_gives_file_page_section_and_quote(load: Load) -> None:
    text = MarkdownRenderer().render(load("kiln"), CompileSettings()).data.decode()
    line = '<a id="ref-1"></a>**[1]** kiln-survey.pdf, p. 5, Structure › Walls: “The north wall leans 11 mm'
    assert line in text
