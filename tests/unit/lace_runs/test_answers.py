"""What a model answered, decoded or refused with a pointer."""

from __future__ import annotations

import pytest

from lace_core.contract_bounds import LONGEST_ANSWER, MOST_ITEMS
from lace_core.contracts import PARAGRAPH, ParagraphText, WrittenSentence
from lace_core.errors import LaceError, Reason
from lace_runs.app.documents.answers import answer_of, pointed


def test_an_answer_of_the_contract_is_decoded() -> None:
    answer = answer_of(PARAGRAPH, '{"sentences": [{"text": "a", "fact_ids": ["f"]}]}', ParagraphText)
    assert answer == ParagraphText(sentences=(WrittenSentence(text="a", fact_ids=("f",)),))


@pytest.mark.parametrize(
    ("output", "field", "code"),
    [
        ("", "", "NOT_JSON"),
        ("Of course.", "", "NOT_JSON"),
        ("[]", "", "SCHEMA"),
        ("{}", "", "SCHEMA"),
        ('{"sentences": 1}', "/sentences", "SCHEMA"),
        ('{"sentences": [{"text": "a", "fact_ids": [1]}]}', "/sentences/0/fact_ids/0", "SCHEMA"),
    ],
)
def test_what_breaks_it_is_refused_by_pointer_and_may_be_asked_again(output: str, field: str, code: str) -> None:
    with pytest.raises(LaceError) as refused:
        answer_of(PARAGRAPH, output, ParagraphText)
    error = refused.value
    assert (error.reason, error.retryable) == (Reason.PROVIDER_OUTPUT_INVALID, True)
    assert (error.details[0].field, error.details[0].description.partition(":")[0]) == (field, code)


def test_more_than_anybody_could_read_is_refused_before_it_is_read() -> None:
    with pytest.raises(LaceError) as refused:
        answer_of(PARAGRAPH, "[" * (LONGEST_ANSWER + 1), ParagraphText)
    assert refused.value.details[0].description.startswith("TOO_LONG")
    many = ",".join(['{"text":"a","fact_ids":["f"]}'] * (MOST_ITEMS + 1))
    with pytest.raises(LaceError) as longer:
        answer_of(PARAGRAPH, '{"sentences":[%s]}' % many, ParagraphText)  # noqa: UP031 - braces all over
    assert (longer.value.details[0].field, longer.value.details[0].description[:8]) == ("/sentences", "TOO_MANY")


def test_a_place_becomes_a_pointer() -> None:
    assert pointed("Expected `str`, got `int` - at `$.a[0].b`") == ("/a/0/b", "Expected `str`, got `int`")
    assert pointed("Expected `object`, got `array`") == ("", "Expected `object`, got `array`")
