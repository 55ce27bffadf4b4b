"""Which language a text is in."""

from __future__ import annotations

import pytest

from lace_ingest.adapters.reading.extractors.languages import language_of
from lace_ingest.domain.documents import Unit, UnitKind

TEXTS = {
    "en": "The station has four pumps, and each of them delivers seventy-five litres of water a second.",
    "de": "Die Anlage hat vier Pumpen, und jede von ihnen fördert fünfundsiebzig Liter Wasser in der Sekunde.",
    "fr": "La station a quatre pompes, et chacune d'elles fournit soixante-quinze litres d'eau par seconde.",
    "es": "La estación tiene cuatro bombas, y cada una de ellas entrega setenta y cinco litros de agua por segundo.",
    "el": "Ο σταθμός έχει τέσσερις αντλίες και η καθεμία δίνει εβδομήντα πέντε λίτρα νερό το δευτερόλεπτο.",
    "he": "בתחנה יש ארבע משאבות, וכל אחת מהן מספקת שבעים וחמישה ליטר מים בשנייה.",
    "ar": "في المحطة أربع مضخات، وكل واحدة منها تعطي خمسة وسبعين لترا من الماء في الثانية.",
    "ja": "この施設には四台のポンプがあり、それぞれが毎秒七十五リットルの水を送ります。",
    "zh": "这个泵站有四台水泵，每台水泵每秒输送七十五升水。",
    "hi": "स्टेशन में चार पंप हैं, और उनमें से प्रत्येक प्रति सेकंड पचहत्तर लीटर पानी देता है।",
    "mr": "या केंद्रात चार पंप आहेत आणि त्यातील प्रत्येक पंप दर सेकंदाला पंचाहत्तर लिटर पाणी पुरवतो.",
    "ne": "यस स्टेशनमा चारवटा पम्प छन्, र ती प्रत्येकले प्रति सेकेन्ड पचहत्तर लिटर पानी दिन्छन्।",
    "bn": "এই স্টেশনে চারটি পাম্প আছে, এবং তাদের প্রত্যেকটি প্রতি সেকেন্ডে পঁচাত্তর লিটার জল সরবরাহ করে।",
    "ru": "На станции четыре насоса, и каждый из них подаёт семьдесят пять литров воды в секунду.",
}


def unit(text: str, kind: UnitKind = UnitKind.PARAGRAPH) -> Unit:
    return Unit("u", 0, kind, text, "h", ())


@pytest.mark.parametrize(("tag", "text"), TEXTS.items())
def test_the_language_is_told_as_a_bcp_47_tag(tag: str, text: str) -> None:
    assert language_of([unit(text)]) == tag
    assert language_of([unit(text)]) == tag


@pytest.mark.parametrize("text", ["", "12.5 | 14 | 3", "A-7 B-9", "¶ § †"])
def test_what_is_too_short_tells_none(text: str) -> None:
    assert language_of([unit(text)]) == ""


def test_code_tells_none() -> None:
    assert language_of([unit("for number in range(ten): print(number) and then return it", UnitKind.CODE)]) == ""


def test_an_even_mixture_tells_none() -> None:
    assert language_of([unit(text) for text in TEXTS.values()]) == ""
