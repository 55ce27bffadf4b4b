"""Which words find which: stems by language, accents, numbers and names of code, and words that are misspelt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from lace_ingest.adapters.postgres_work import PostgresWork
from lace_ingest.app.ports import UnitsOfWork
from lace_ingest.domain.retrieval.hits import Candidate, Correction
from lace_ingest.domain.retrieval.query import Filters, Query, Scope
from lace_platform.db.database import Database
from lace_platform.ids import new_id
from tests.contract.lace_ingest.test_lexical import candidates, keep, search, source, unit

NONE: frozenset[str] = frozenset()


@pytest.fixture
def work(database: Callable[[str], Database]) -> UnitsOfWork:
    return PostgresWork(database("ingest"), lambda readout: [])


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("We follow PEP 0703 here.", "PEP-0703"),
        ("As PEP-0703 has it.", "pep 0703"),
        ("Call foo_bar() twice.", "foo_bar"),
        ("The wall is 10.6 mm thick.", "10.6 mm"),
        ("A bolt of 12mm.", "12mm"),
        ("Between 2024-01-05 and now.", "2024-01-05"),
        ("Free-threaded builds.", "threaded"),
        ("Café au lait", "cafe"),
        ("A cafe nearby", "café"),
        ("Das alte Straßenfest", "strassenfest"),
        ("the eﬃciency of engines", "efficiency"),
        ("ＦＵＬＬ width", "full"),
        ("東京タワーは高い", "東京"),
        ("see https://example.org/path for more", "example.org"),
        ("write to ada@example.org", "ada@example.org"),
        ("C++ and C# code", "c++ c#"),
        ("مرحبا بالعالم", "بالعالم"),
    ],
)
async def test_a_word_is_found_however_it_is_written(
    work: UnitsOfWork, tenant_id: str, text: str, question: str
) -> None:
    await keep(work, tenant_id, source("a.md"), unit(0, text), unit(1, "nothing of the sort"))
    assert await search(work, tenant_id, question) == [[text]]


async def test_words_are_stemmed_by_the_language_of_their_source(work: UnitsOfWork, tenant_id: str) -> None:
    await keep(work, tenant_id, source("a.md", language="de-AT"), unit(0, "Die Häuser am See"))
    await keep(work, tenant_id, source("b.md", language="en"), unit(0, "Houses by the lake"))
    await keep(work, tenant_id, source("c.md", language="tlh"), unit(0, "wa' houses"))
    german, english, plain, stop = await search(work, tenant_id, "Haus", "house", "houses", "die")
    assert (german, english) == (["Die Häuser am See"], ["Houses by the lake"])
    assert set(plain) == {"Houses by the lake", "wa' houses"}
    assert stop == []


async def test_a_text_without_words_and_one_without_end_are_no_trouble(work: UnitsOfWork, tenant_id: str) -> None:
    long_one = " ".join(f"word{number}" for number in range(30_000)) + " the end" + " common" * 40_000
    made = [unit(0, "…"), unit(1, "the of and"), unit(2, long_one), unit(3, "x" * 3000), unit(4, "common ground")]
    await keep(work, tenant_id, source("a.md"), *made)
    assert await search(work, tenant_id, "word29999", "...", "of the") == [[long_one], [], []]
    assert (await search(work, tenant_id, "common ground"))[0][0] == "common ground"


async def corrected(work: UnitsOfWork, tenant_id: str, question: str, held: Sequence[str] = ()) -> list[Candidate]:
    [found] = await candidates(work, tenant_id, Scope(frozenset(held)), question)
    return list(found)


async def test_a_misspelt_word_is_taken_for_the_nearest_and_the_hit_says_so(work: UnitsOfWork, tenant_id: str) -> None:
    await keep(
        work, tenant_id, source("a.md", language="en"),
        unit(0, "Generators are lazy"), unit(1, "The python sleeps"), unit(2, "A bridge"), unit(3, "Nothing"),
    )  # fmt: skip
    [generators] = await corrected(work, tenant_id, "generatrs")
    assert generators.corrections == (Correction("generatrs", "generat"),)
    [python] = await corrected(work, tenant_id, "pyhton")
    assert python.corrections == (Correction("pyhton", "python"),)
    both = await corrected(work, tenant_id, "bridge pyhton")
    assert {one.corrections for one in both} == {(), (Correction("pyhton", "python"),)}
    assert await corrected(work, tenant_id, "elephant xyzzy brxdxx 12345") == []


async def test_a_word_that_is_there_is_never_taken_for_another(work: UnitsOfWork, tenant_id: str) -> None:
    await keep(work, tenant_id, source("a.md"), unit(0, "a brig at sea"), *[unit(n, "a bridge") for n in range(1, 9)])
    [brig] = await corrected(work, tenant_id, "brig")
    assert brig.corrections == ()


async def test_a_scope_without_the_word_guesses_within_itself(work: UnitsOfWork, tenant_id: str) -> None:
    first = await keep(work, tenant_id, source("a.md"), unit(0, "the estuary"))
    await keep(work, tenant_id, source("b.md"), unit(0, "estuaries estuarine"), unit(1, "estuery"))
    scope = Scope(NONE, Filters(source_ids=frozenset((first.source_id,))))
    [[found]] = await candidates(work, tenant_id, scope, "estuery")
    assert found.corrections[0].taken_for.startswith("estuari")


async def test_no_guess_comes_from_what_may_not_be_seen(work: UnitsOfWork, tenant_id: str) -> None:
    await keep(work, tenant_id, source("a.md"), unit(0, "a wooden bridge"), unit(1, "a wooden brine"))
    before = await corrected(work, tenant_id, "bridje wooden")
    assert before[0].corrections
    secret = [unit(number, "bridje secret bridjes bridie") for number in range(20)]
    await keep(work, tenant_id, source("b.md", labels=("x",)), *secret)
    await keep(work, new_id("ten"), source("c.md"), unit(0, "bridje"))
    assert await corrected(work, tenant_id, "bridje wooden") == before
    assert await corrected(work, tenant_id, "secrte") == []
    assert len(await corrected(work, tenant_id, "bridje wooden", held=("x",))) == 10
    seen = await corrected(work, tenant_id, "secrte", held=("x",))
    assert seen[0].corrections == (Correction("secrte", "secret"),)


async def test_many_questions_with_misspelt_words_are_answered_each(work: UnitsOfWork, tenant_id: str) -> None:
    await keep(work, tenant_id, source("a.md"), unit(0, "a wooden bridge"), unit(1, "python code"))
    scope = Scope(NONE)
    async with work(tenant_id) as unit_of_work:
        queries = [Query("a", "brigde"), Query("b", "pyhton"), Query("c", "wooden"), Query("d", "")]
        found = await unit_of_work.lexical.candidates(tenant_id, scope, queries, 5)
    assert [[one.corrections[:1] for one in each] for each in found] == [
        [(Correction("brigde", "bridg"),)], [(Correction("pyhton", "python"),)], [()], [],
    ]  # fmt: skip


async def test_lexemes_of_words_are_those_that_units_are_found_by(work: UnitsOfWork, tenant_id: str) -> None:
    async with work(tenant_id) as unit_of_work:
        for _ in range(2):  # the second time out of memory
            found = await unit_of_work.lexical.lexemes(tenant_id, "en", ["bridges", "the", "Café", "PEP-0703"])
            assert found == {
                "bridges": frozenset(("bridg",)), "the": NONE, "Café": frozenset(("cafe",)),
                "PEP-0703": frozenset(("pep", "0703")),
            }  # fmt: skip
        assert (await unit_of_work.lexical.lexemes(tenant_id, "de", ["die"]))["die"] == NONE
