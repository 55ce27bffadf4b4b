"""The table of a benchmark, and how it gets into a page and is renewed there."""

from __future__ import annotations

from pathlib import Path

from tests.bench.figures import Figure, begin, end, table, write_section

FIGURES = [Figure("Start", "s", [3.0, 1.0, 2.0]), Figure("A ratio", "", [0.125], digits=1)]


def test_a_row_shows_the_median_and_every_round() -> None:
    assert FIGURES[0].row() == ("Start", "2.00 s", "3.00 · 1.00 · 2.00")
    assert FIGURES[1].row() == ("A ratio", "0.1", "0.1")


def test_columns_are_aligned() -> None:
    lines = table(FIGURES).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split("|")[1].strip() == "Figure"
    assert set(lines[1]) == {"|", "-"}


def test_a_section_is_renewed_where_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    other = f"{begin('other')}\nas it was\n{end('other')}"
    page.write_text(f"# Title\n\n{begin('demo')}\nold\n{end('demo')}\n\n{other}\n")
    write_section(page, "demo", "new: \\1")
    assert page.read_text() == f"# Title\n\n{begin('demo')}\n\nnew: \\1\n\n{end('demo')}\n\n{other}\n"


def test_a_page_without_a_section_gets_one_at_its_end(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n")
    write_section(page, "demo", "new")
    write_section(page, "demo", "newer")
    assert page.read_text() == f"# Title\n\n{begin('demo')}\n\nnewer\n\n{end('demo')}\n"
