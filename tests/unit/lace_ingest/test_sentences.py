"""Sentence boundaries: what ends a sentence, what only looks as if it did, and what holds for every text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_ingest.domain.reading.sentences import sentence_spans

CASES = [
    # plain
    ["It rained.", "The river rose."],
    ["Is it true?", "Yes!", "It is."],
    ["No stop at the end of this one"],
    ["One sentence only."],
    # titles, initials, names
    ["Dr. Smith met Prof. Jones.", "They spoke."],
    ["Mr. and Mrs. Brown left.", "Ms. Green stayed."],
    ["J. K. Rowling wrote it.", "R. R. Tolkien did not."],
    ["Martin J. Osei chaired the meeting.", "It was short."],
    ["St. Mary's church stands on Mt. Calvary.", "It is old."],
    # abbreviations inside a sentence
    ["Use a tool, e.g. a hammer, i.e. a heavy one.", "Then stop."],
    ["It cost approx. 3.5 million, cf. the budget.", "Nobody paid."],
    ["Smith et al. (2020) found it.", "Others did not."],
    ["Roe v. Wade was decided in 1973.", "It was overturned."],
    ["See Fig. 3, Eq. 4 and Sec. 2.1 for details.", "They are short."],
    ["It is on pp. 12-14 of Vol. 3 in Ch. A.", "Read it."],
    ["Buy apples, pears, etc. for the party.", "Bring them."],
    ["Bring apples, etc.", "The party starts soon."],
    # abbreviations that may end a sentence
    ["He works for Acme Inc. in London.", "She does not."],
    ["He works for Acme Inc.", "The firm is old."],
    ["They met at 5 p.m. on Monday.", "It was late."],
    ["They met at 5 p.m.", "The bell rang."],
    ["The U.S. Government agreed.", "So did the U.K. Parliament."],
    ["He lives in the U.S.", "It is large."],
    ["She has a Ph.D. in physics.", "He has an M.Sc.", "They are proud."],
    # numbers and dates
    ["The rate was 4.2 per cent.", "It fell to 3.1."],
    ["Version 3.12.1 came out.", "It was late."],
    ["On 3 Jan. 2020 it began.", "It ended in Dec. 2021."],
    ["No. 5 is alive.", "Nos. 6 and 7 are not."],
    ["Is it 5?", "No.", "That is wrong."],
    ["It cost $1.50.", "That is cheap."],
    ["The value rose by 12.", "3 tests failed."],
    ["1. Introduction to the subject.", "It is short."],
    # labels after a word that names a thing
    ["Four methods were compared for Section C.", "Drilling was chosen."],
    ["He chose Plan B.", "Nothing else was left."],
    ["Take vitamin C.", "The effect is small."],
    # ellipses and runs of marks
    ["He waited...", "Nothing came."],
    ["He waited... and waited.", "Then he left."],
    ["Really?!", "Yes."],
    ["And then\u2026", "The end."],
    # quotations
    ['He said "It rose. It fell."', "Then he left."],
    ['"Stop!" she said.', "He stopped."],
    ["\u201cIt rose. It fell,\u201d he said.", "Nobody spoke."],
    ["She wrote: \u201cDone.\u201d", "He smiled."],
    ["He is 5'10\" tall.", "She is not."],
    # brackets
    ["The plant (see Fig. 3. It is old.) was closed.", "A new one opened."],
    ["It grew.", "(It is still growing.)", "Nobody knows why."],
    ["Call f(x).", "It returns y."],
    # citations after the stop
    ["It grew by 4 per cent.[1]", "It fell later.[2, 3]", "Then it stopped."],
    ["It grew.\u00b9", "It fell.\u00b2\u00b3", "It ended."],
    # identifiers and addresses
    ["Read pyproject.toml first.", "Then setup.py."],
    ["See https://example.org/a.b for it.", "It is long."],
    ["The file is named pip.conf.", "It is read at start."],
    # lower case after a stop is no beginning
    ["The ca. of the vs. and the approx. are abbreviations."],
    # other scripts
    ["今日は晴れ。", "明日は雨！", "本当？", "はい"],
    ["Das ist z.B. ein Satz.", "Hier ist Nr. 2."],
    ["Это первое предложение.", "Это второе."],
    ["هذه جملة.", "وهذه أخرى."],
    ["هل وافقت اللجنة؟", "بدأت الأعمال بعد شهرين؛ ثم توقفت."],
    ["بورڈ نے بجٹ منظور کیا۔", "کام شروع ہوا۔"],
    ["הוועדה אישרה 30.5 מיליון.", "העבודות החלו."],
    ["समिति ने बजट को मंजूरी दी।", "काम शुरू हुआ।"],
    ["Խորհուրդը հաստատեց բյուջեն։", "Սկսվեց։"],
    ["ቦርዱ በጀቱን አጸደቀ።", "ሥራው ተጀመረ።"],
    ["委員会は承認しました。", "「はい。そうです。」と彼は言った。", "会議は終わった。"],
    ["版本3.5发布了。", "「很好。」", "然后呢？"],
]


@pytest.mark.parametrize("sentences", CASES, ids=lambda case: case[0][:40])
def test_sentences_are_told_apart(sentences: list[str]) -> None:
    text = " ".join(sentences) if not sentences[0].endswith("。") else "".join(sentences)
    assert [text[span.start : span.end] for span in sentence_spans(text)] == sentences


def test_a_cjk_quotation_is_not_cut() -> None:
    text = "彼は「行く。来る。」と言った。"
    assert [text[span.start : span.end] for span in sentence_spans(text)] == [text]


def test_a_text_of_marks_only_is_one_stretch() -> None:
    assert [(span.start, span.end) for span in sentence_spans("... !!")] == [(0, 6)]


def test_no_text_has_no_sentences() -> None:
    assert sentence_spans("") == ()


@given(st.text(alphabet=st.sampled_from("aBcD e.!?(\"')[1]\u201c\u201d。 \u2026-,"), max_size=200))
def test_spans_cover_everything_but_white_space_between_them(text: str) -> None:
    spans = sentence_spans(text)
    for span in spans:
        assert 0 <= span.start < span.end <= len(text)
        assert not text[span.end - 1].isspace()
    for before, after in pairwise(spans):
        assert before.end <= after.start
    covered = {at for span in spans for at in range(span.start, span.end)}
    assert all(char.isspace() for at, char in enumerate(text) if at not in covered)


@pytest.mark.parametrize("unit", ["(", "a.b.", "A. B. ", "x ( y. Z ) ", '"', "e.g. A", "word "])
def test_hostile_repetition_stays_linear(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    assert sentence_spans(text)[-1].end == len(text.rstrip())
