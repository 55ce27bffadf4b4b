"""Text that is not English is supported word for word, and in other words never, whatever the rules make of it."""

from __future__ import annotations

import pytest

from lace_core.verification.grounding import Verdict, verify
from lace_core.verification.language import Language, language_of

GERMAN = [
    ("Der Damm ist sicher.", "Der Damm (nicht geprüft) ist sicher."),
    ("Der Damm ist sicher.", "Der Damm ist sicher; das stimmt nicht."),
    ("Der Damm ist sicher.", "Der Damm ist sicher, was niemand bestätigt hat."),
    ("Der Damm ist sicher.", "Der Damm ist angeblich sicher."),
    ("Der Damm ist sicher.", "Der Damm ist an sich sicher."),
    ("Der Damm ist sicher.", "Der Damm ist also sicher."),
    ("Der Damm wurde von Anna Berg gebaut.", "Anna Berg wurde von dem Damm gebaut."),
    ("2019 stieg der Umsatz um 4 Prozent.", "Im Plan stieg der Umsatz 2019 um 4 Prozent."),
    ("Die Pumpe ist 5 m lang.", "Die Pumpe ist keine 5 m lang."),
    ("Die Kapazität war 400 l.", "Kapazität: 400 l, nicht erreicht"),
    ("Der Rat kaufte eine Mühle.", "Der Rat kaufte eine Mühle und keine Wiese."),
    ("Hunde am Strand.", "Verboten sind z.B. Hunde am Strand."),
    ("Lasten bis 5 t.", "Gesperrt bzgl. Lasten bis 5 t."),
    ("Der Film war lang.", "Der Film „The Wall“ (nicht gezeigt) war lang."),
    ("Ann Leigh war in Rom.", "Ann Leigh war nie in Rom."),
    ("Band A is sicher.", "Band A (nie ok) is sicher."),
]
FRENCH = [
    ("Le pont est sûr.", "Le pont (non contrôlé) est sûr."),
    ("Le pont est sûr.", "Le pont est sûr ; c'est faux."),
    ("Le pont est sûr.", "Le pont n'est pas sûr."),
    ("Le pont est long de 5 m.", "Le pont est long de plus de 5 m."),
    ("La ville a voté le plan.", "La ville a rejeté, puis voté le plan."),
    ("Le maire a vendu le moulin en 2019.", "En 2019 le maire a failli vendre le moulin."),
    ("Le maire a vendu le moulin.", "Le moulin a vendu le maire."),
    ("Le moulin, vendu en 2019, est grand.", "Le moulin est grand. Le moulin fut presque vendu en 2019."),
    ("Anne Petit est maire.", "Anne Petit, adjointe, est maire."),
    ("Le kit contient une lampe.", "Le kit ne contient aucune :\n- lampe\n- carte"),
    ("Il est sûr.", "Le pont fut ouvert en 1936. Il est sûr, dit-on."),
]
OTHER = [
    ("Silta on turvallinen.", "Silta (ei tarkastettu) on turvallinen."),
    ("De brug is veilig.", "De brug (niet gekeurd) is veilig."),
    ("A híd biztonságos.", "A híd (nem vizsgált) biztonságos."),
    ("El puente es seguro.", "El puente (no revisado) es seguro."),
    ("Мост безопасен.", "Мост (не проверен) безопасен."),
    ("桥是安全的。", "桥(未检查)是安全的。"),
    ("Broen er sikker.", "Broen er sikker; det er ikke sandt."),
]


@pytest.mark.parametrize(("sentence", "quote"), [*GERMAN, *FRENCH, *OTHER])
def test_other_words_of_another_language_are_never_supported(sentence: str, quote: str) -> None:
    assert verify(sentence, (quote,)).verdict is not Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("sentence", "quote"),
    [
        ("Der Damm wurde 1936 gebaut.", "Der Damm wurde 1936 gebaut."),
        ("Der Damm wurde 1936 gebaut", "Er ist alt. Der Damm wurde 1936 gebaut. Er ist hoch."),
        ("La ville a voté le « plan ».", "La ville a voté le “plan”."),
        ("Мост безопасен.", "Мост безопасен. Он открыт."),
    ],
)
def test_word_for_word_it_is_supported(sentence: str, quote: str) -> None:
    quotes = (quote.replace("“", "« ").replace("”", " »"),)
    assert verify(sentence, quotes).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the bridge is safe", Language.ENGLISH),
        ("harlow ltd rebuilt mill lane in 2020", Language.ENGLISH),
        ("the rue de seine was closed and reopened", Language.ENGLISH),
        ("a café in düsseldorf had a roof of slate", Language.ENGLISH),
        ("capacity: 400 l", Language.UNKNOWN),
        ("silta on turvallinen", Language.UNKNOWN),
        ("der damm ist sicher", Language.OTHER),
        ("der film the wall war nicht lang", Language.OTHER),
        ("le pont est sûr", Language.OTHER),
        ("мост безопасен", Language.OTHER),
    ],
)
def test_the_language_of_a_text_is_told_by_its_function_words(text: str, language: Language) -> None:
    assert language_of(text) is language
