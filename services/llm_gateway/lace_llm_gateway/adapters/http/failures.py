"""Statuses and broken connections as coded failures: what can be tried again is decided by kind and status alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.http.wire import Refused

_LONGEST = 300
_LONGEST_WAIT_S = 3600.0


def of_status(refused: Refused, said: str) -> LaceError:
    """The failure that a status stands for with every provider; `said` is the server's own words, without keys."""
    status, wait = refused.status, retry_after(refused.headers)
    if status == 429:
        words = "The provider takes no more calls just now."
        return LaceError(Reason.PROVIDER_RATE_LIMITED, words, retryable=True, retry_after=wait)
    if status in (401, 402, 403):
        return credentials(status)
    if status == 404:
        return LaceError(Reason.MODEL_UNKNOWN, f"The server does not know the model or the address: {said}")
    if 300 <= status < 400:
        return LaceError(
            Reason.PROVIDER_UNAVAILABLE, f"The provider's address leads elsewhere ({status}); keys are not sent there."
        )
    if 400 <= status < 500 and status not in (408, 409, 425):
        return LaceError(Reason.INVALID_ARGUMENT, f"The provider refused the request ({status}): {said}")
    return LaceError(Reason.PROVIDER_UNAVAILABLE, f"The provider failed ({status}).", retryable=True, retry_after=wait)


def credentials(status: int) -> LaceError:
    """The key, the account or its balance; nothing that a second try mends."""
    return LaceError(Reason.PROVIDER_CREDENTIALS, f"The provider refused the key or the account ({status}).")


def too_long(said: str) -> LaceError:
    """The prompt does not fit the model."""
    return LaceError(Reason.CONTEXT_TOO_LONG, f"The provider says that the prompt is too long: {said}")


def web_page() -> LaceError:
    """A page of HTML: the address is not that of an API, or something lies between; the same again brings no other."""
    words = "The provider's address answers with a web page, not as an API does; is the base URL right?"
    return LaceError(Reason.PROVIDER_OUTPUT_INVALID, words)


def no_answer() -> LaceError:
    """Something came that is none of the provider's answers."""
    return LaceError(Reason.PROVIDER_OUTPUT_INVALID, "The server's answer cannot be read.", retryable=True)


def broken_off() -> LaceError:
    """The answer began and did not come to its end."""
    return LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider's answer broke off.", retryable=True)


def failed_in_stream() -> LaceError:
    """The provider itself said in the middle of its answer that it failed."""
    return LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider failed in the middle of its answer.", retryable=True)


def unreachable() -> LaceError:
    """No connection, or one that ended before an answer began."""
    return LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider cannot be reached.", retryable=True)


def untrusted() -> LaceError:
    """The server cannot show that it is who it should be, or the address is none."""
    return LaceError(Reason.PROVIDER_UNAVAILABLE, "The provider's address or certificate is not valid.")


def too_late(timeout_s: float) -> LaceError:
    """No whole answer within the call's time."""
    words = f"The provider did not answer within {timeout_s:.3g} s."
    return LaceError(Reason.PROVIDER_UNAVAILABLE, words, retryable=True)


def shortened(words: object) -> str:
    """What a server said, short enough to show; empty for what is no text."""
    return words[:_LONGEST] if isinstance(words, str) else ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of Retry-After (a number or a date, RFC 9110 10.2.3) or of the retry-after-ms that some servers send.

    None where there is none that makes sense; an hour at most.
    """
    exact = _seconds(headers.get("retry-after-ms", ""))
    seconds = exact / 1000 if exact is not None else _moment(headers.get("retry-after", ""))
    return min(seconds, _LONGEST_WAIT_S) if seconds is not None and seconds >= 0 else None


def _moment(value: str) -> float | None:
    number = _seconds(value)
    if number is not None:
        return number
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime.now(UTC)).total_seconds()


def _seconds(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
