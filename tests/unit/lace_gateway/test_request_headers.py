"""Request headers that the contract gives a meaning."""

from __future__ import annotations

import pytest

from lace_core.errors import LaceError, Reason
from lace_gateway.domain import request_headers as headers


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("8e03978e", "8e03978e"),
        ("  k ", "k"),
        (r'"a \"quoted\" \\ key"', r'a "quoted" \ key'),
        ("k" * 255, "k" * 255),
    ],
)
def test_keys_quoted_and_bare(sent: str, key: str) -> None:
    assert headers.idempotency_key_of(sent) == key


@pytest.mark.parametrize("sent", [None, "", "  "])
def test_a_missing_key(sent: str | None) -> None:
    with pytest.raises(LaceError) as refused:
        headers.idempotency_key_of(sent)
    assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REQUIRED


@pytest.mark.parametrize("sent", ['""', '"a', 'a"b', "a b", "k" * 256, '"' + "k" * 256 + '"', "ü", '"a"; p=1'])
def test_keys_that_are_not_good(sent: str) -> None:
    with pytest.raises(LaceError) as refused:
        headers.idempotency_key_of(sent)
    assert refused.value.reason is Reason.IDEMPOTENCY_KEY_INVALID
    assert refused.value.details[0].field == "Idempotency-Key"


@pytest.mark.parametrize(("sent", "token"), [("Bearer t", "t"), ("bearer  t ", "t"), ("", None)])
def test_bearers(sent: str, token: str | None) -> None:
    assert headers.bearer_of(sent) == token


@pytest.mark.parametrize("sent", ["Basic dTpw", "Bearer", "Bearer  ", "t"])
def test_other_credentials(sent: str) -> None:
    with pytest.raises(LaceError) as refused:
        headers.bearer_of(sent)
    assert refused.value.reason is Reason.TOKEN_MISSING


@pytest.mark.parametrize("sent", ["", " ", "-a", "a b", "a\nb", "ü", "x" * 129, "a;b", "<a>"])
def test_ids_that_would_spoil_a_log(sent: str) -> None:
    with pytest.raises(LaceError) as refused:
        headers.request_id_of("X-Request-Id", sent)
    assert refused.value.reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize("sent", ["a", "req_01kahx5b7m", "A/b:c+d=e-f.g", "x" * 128])
def test_ids_that_are_good(sent: str) -> None:
    assert headers.request_id_of("X-Request-Id", sent) == sent


@pytest.mark.parametrize(
    ("sent", "good"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", True),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
        ("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        ("", False),
    ],
)
def test_trace_contexts(sent: str, good: bool) -> None:
    assert headers.traceparent_of(sent) == (sent if good else None)


@pytest.mark.parametrize(("sent", "etag"), [('"v3"', "v3"), ('W/"v3"', "v3"), ("v3", "v3"), ("*", ""), ('""', "")])
def test_if_match(sent: str, etag: str) -> None:
    assert headers.if_match_of(sent) == etag


@pytest.mark.parametrize("sent", ['"a", "b"', "a,b", "a b", '"a'])
def test_if_match_names_one(sent: str) -> None:
    with pytest.raises(LaceError) as refused:
        headers.if_match_of(sent)
    assert refused.value.reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("sent", "matches"),
    [('"v3"', True), ('"a", W/"v3"', True), ("*", True), ('"v"', False), ("v3", False), ("", False)],
)
def test_if_none_match(sent: str, matches: bool) -> None:
    assert headers.none_match(sent, "v3") is matches


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["respond-async"], True),
        (["return=minimal, Respond-Async; wait=5"], True),
        (["wait=5", "respond-async"], True),
        ([], False),
        (["respond-asynchronously", "x-respond-async"], False),
        (['note="respond-async"'], False),
    ],
)
def test_a_preference_is_read_wherever_it_stands(values: list[str], wanted: bool) -> None:
    assert headers.prefers_async(values) is wanted


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"),
        ("text/markdown, text/html;q=0.5", "markdown"),
        ("text/html;q=0.2, text/markdown;q=0.7", "markdown"),
        ("text/html;q=0", "json"),
        ("text/html;q=x", "json"),
        ("image/png", "json"),
        ("TEXT/HTML; charset=utf-8", "html"),
    ],
)
def test_the_form_that_is_liked_best(accept: str, form: str) -> None:
    assert headers.preferred_format(accept) == form
