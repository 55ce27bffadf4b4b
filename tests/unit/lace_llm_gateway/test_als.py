"""Context blocks: the same for ever under their key, counted in NFC, and refused rather than sent too long."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_core.settings import SETTINGS
from lace_llm_gateway.adapters.record_seals import first_secret
from lace_llm_gateway.domain.als import SeedKeys, als_block, check_variants, wordings
from lace_llm_gateway.domain.stored_templates import AlsBlock, AlsVariant, TemplateContent

K1 = {"k1": b"first secret of the server"}
K2 = {**K1, "k2": b"second secret of the server"}
LIMIT = 350
VARIANTS = tuple(
    AlsVariant(f"{locale}-{at}", locale, f"Text {at} of {locale}.")
    for locale in ("de-AT", "de", "en")
    for at in range(7)
)
GOLDEN = {
    ("a", "de-AT"): "de-AT-5",
    ("a", "de-CH"): "de-1",
    ("a", "de"): "de-4",
    ("a", "en"): "en-2",
    ("a", "en-GB"): "en-3",
    ("b", "de-AT"): "de-AT-6",
    ("b", "de-CH"): "de-1",
    ("b", "de"): "de-1",
    ("b", "en"): "en-1",
    ("b", "en-GB"): "en-6",
}
LOCALES = ("de-AT", "de-CH", "de", "en", "en-GB")
TEMPLATES = tuple(f"als_{at}" for at in range(60))


def block(locale: str = "de-AT", key: str = "k1", keys: dict[str, bytes] = K1, name: str = "als_1") -> AlsBlock:
    return als_block(name, VARIANTS, locale, key, SeedKeys(keys), LIMIT)


def with_text(text: str, limit: int = LIMIT) -> AlsBlock:
    return als_block("als_1", (AlsVariant("v", "", text),), "en", "k1", SeedKeys(K1), limit)


def refused(reason: Reason, *args: object, **kwargs: object) -> LaceError:
    with pytest.raises(LaceError) as failure:
        with_text(*args, **kwargs)  # type: ignore[arg-type]
    assert failure.value.reason is reason
    return failure.value


def test_these_choices_never_change() -> None:
    """Written down once: another order of bytes, another hash or separator would change every block there is."""
    chosen = {(name, locale): block(locale, name=name).als_variant_id for name in ("a", "b") for locale in LOCALES}
    assert chosen == GOLDEN


def test_a_new_key_leaves_older_templates_byte_identical() -> None:
    before = [block(locale, name=name) for name in TEMPLATES for locale in LOCALES]
    after = [block(locale, name=name, keys=K2) for name in TEMPLATES for locale in LOCALES]
    assert before == after


def test_new_templates_are_under_the_newest_key() -> None:
    assert (SeedKeys(K1).newest, SeedKeys(K2).newest) == ("k1", "k2")
    changed = [block(name=name) != block(name=name, key="k2", keys=K2) for name in TEMPLATES]
    assert sum(changed) > len(changed) / 2  # of seven wordings another is chosen six times in seven


def test_the_key_is_part_of_what_a_template_is() -> None:
    content = {"name": "n", "version": "1", "messages": (), "als_template_id": "als_1", "als_variants": VARIANTS}
    of_k1, of_k2 = (TemplateContent(**content, seed_key_id=key) for key in ("k1", "k2"))  # type: ignore[arg-type]
    assert of_k1.template_sha256 != of_k2.template_sha256


def test_a_key_that_was_taken_away_fails_closed() -> None:
    with pytest.raises(LaceError) as failure:
        block(key="k0")
    assert failure.value.reason is Reason.SETTING_INVALID


@pytest.mark.parametrize("keys", [{}, {"k1": b""}])
def test_there_is_no_block_without_a_secret(keys: dict[str, bytes]) -> None:
    with pytest.raises(LaceError):
        SeedKeys(keys)


def test_the_first_key_outlives_the_secret_that_it_is_derived_from() -> None:
    """Who changes LACE_SERVICE_SECRET gives the one before as k0, once, for the seals and for the blocks."""
    before, after = "the secret of an installation", "the secret that came after"
    keys = SeedKeys.of(first_secret("", before), "")
    assert keys.newest == "k1"
    assert before.encode() not in keys.key("k1")
    for record_keys in (f"k0={before}", f"k0={before},k1=0123456789abcdef"):
        kept = SeedKeys.of(first_secret(record_keys, after), "k2=fedcba9876543210")
        assert kept.key("k1") == keys.key("k1")
        assert kept.ids == ("k1", "k2")
    assert SeedKeys.of(first_secret("", after), "").key("k1") != keys.key("k1")


@pytest.mark.parametrize("given", ["k2", "k2=short", "K=0123456789abcdef", "k2=0123456789abcdef,k2=fedcba9876543210"])
def test_keys_that_cannot_be_read_stop_the_start(given: str) -> None:
    with pytest.raises(LaceError) as failure:
        SeedKeys.of("a service secret", given)
    assert failure.value.reason is Reason.SETTING_INVALID
    assert "0123456789abcdef" not in failure.value.message


def test_no_setting_raises_the_limit() -> None:
    assert (SETTINGS["llm.als_limit"].default, SETTINGS["llm.als_limit"].maximum) == (LIMIT, LIMIT)


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(SeedKeys(K2))


def test_every_wording_of_a_locale_is_drawn_and_none_of_another() -> None:
    drawn = {block("en", name=f"als_{at}").als_variant_id for at in range(300)}
    assert drawn == {variant.variant_id for variant in VARIANTS if variant.locale == "en"}


def test_a_locale_has_its_own_wordings_then_its_language_s_then_those_for_all() -> None:
    everyone = AlsVariant("all", "", "For all.")
    assert {v.locale for v in wordings((*VARIANTS, everyone), "de-AT")} == {"de-AT"}
    assert {v.locale for v in wordings((*VARIANTS, everyone), "DE-at")} == {"de-AT"}
    assert {v.locale for v in wordings((*VARIANTS, everyone), "de-CH")} == {"de"}
    assert wordings((*VARIANTS, everyone), "fr-FR") == (everyone,)
    with pytest.raises(LaceError) as failure:
        block("fr-FR")
    assert failure.value.reason is Reason.INVALID_ARGUMENT


def test_the_block_carries_its_text_and_hash() -> None:
    made = with_text("Bienvenue a\u0300 Lyon.")
    assert made.als_block_text == "Bienvenue \u00e0 Lyon."
    assert made.als_block_sha256 == sha256_hex("Bienvenue \u00e0 Lyon.".encode())
    assert (made.als_variant_id, made.seed_key_id) == ("v", "k1")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("a" * 350, 350),
        ("e\u0301" * 350, 350),  # decomposed: twice as many before NFC
        ("\u1e69" * 350, 350),  # one letter with two marks below and above
        ("s\u0323\u0307" * 350, 350),  # the same in three
        ("\U0001f600" * 350, 350),  # astral, two UTF-16 units each
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467" * 70, 350),  # a family is five code points, in NFC as well
        ("\u1100\u1161\u11a8" * 350, 350),  # Hangul jamo compose to one syllable
        ("\u2126" * 350, 350),  # the ohm sign becomes omega
    ],
)
def test_the_length_is_that_of_nfc(text: str, length: int) -> None:
    assert len(unicodedata.normalize("NFC", text)) == length
    assert len(with_text(text).als_block_text) == length
    refused(Reason.ALS_OVER_LIMIT, text + "x")
    refused(Reason.ALS_OVER_LIMIT, text, limit=length - 1)


def test_marks_that_do_not_compose_count_each() -> None:
    refused(Reason.ALS_OVER_LIMIT, "x\u0336" * 176)
    assert with_text("x\u0336" * 175).als_block_text


def test_text_that_grows_in_nfc_is_counted_as_it_is_sent() -> None:
    """Some letters are excluded from composition: U+0958 is two in NFC."""
    assert with_text("\u0958" * 175).als_block_text == "\u0915\u093c" * 175
    refused(Reason.ALS_OVER_LIMIT, "\u0958" * 176)


@given(st.text(min_size=1, max_size=500))
def test_no_text_over_the_limit_is_ever_given(text: str) -> None:
    sent = unicodedata.normalize("NFC", text)
    if len(sent) > LIMIT:
        refused(Reason.ALS_OVER_LIMIT, text)
    else:
        assert with_text(text).als_block_text == sent


def test_a_template_is_refused_when_any_of_its_wordings_could_not_be_sent() -> None:
    check_variants(VARIANTS, LIMIT)
    for variants in ((*VARIANTS, AlsVariant("long", "fr", "x" * 351)), (*VARIANTS, VARIANTS[0])):
        with pytest.raises(LaceError):
            check_variants(variants, LIMIT)
