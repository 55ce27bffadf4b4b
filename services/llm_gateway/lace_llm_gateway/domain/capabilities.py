"""What providers and models can do, and what they cost, as dated data that comes with the package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from lace_core.errors import LaceError, Reason
from lace_core.prices import Price
from lace_llm_gateway.domain.calls import CountMethod
from lace_llm_gateway.domain.exchange import FinishReason

_MILLION = 1_000_000
# No model costs a hundred times what the dearest has ever cost; a price beyond is a slip of the decimal point.
_DEAREST_MICRO_USD = 60_000 * _MILLION
# A model that is not listed (vLLM, Ollama, llama.cpp and others speak the same protocol): nothing is promised of it
# but what the protocol itself needs, and no price is made up.
_UNLISTED_CONTEXT, _UNLISTED_OUTPUT = 1_000_000, 65_536


class LongPrompt(Struct, frozen=True, kw_only=True):
    """The prices of a whole call whose input has more than `above_tokens`."""

    above_tokens: int
    input_price_micro_usd: int
    cached_input_price_micro_usd: int
    output_price_micro_usd: int


class LaterPrice(Struct, frozen=True, kw_only=True):
    """Prices that the provider has announced, from the day `since` on."""

    since: str
    input_price_micro_usd: int
    cached_input_price_micro_usd: int
    output_price_micro_usd: int


class ModelCapability(Struct, frozen=True, kw_only=True):
    """One model. Prices are in millionths of a US dollar for a million tokens; `price_date` is empty without one.

    `price_date` is the day from which the prices hold. `max_input_tokens` is 0 where the context alone bounds the
    input; `retires_on` is the day on which the provider ends the model, as far as announced.
    """

    model: str
    context_tokens: int
    max_output_tokens: int
    native_schema: bool
    deterministic: bool
    count_method: CountMethod
    max_input_tokens: int = 0
    tools: bool = False
    grounding: bool = False
    temperature: bool = True
    input_price_micro_usd: int = 0
    cached_input_price_micro_usd: int = 0
    output_price_micro_usd: int = 0
    price_date: str = ""
    long_prompt: LongPrompt | None = None
    later_prices: tuple[LaterPrice, ...] = ()
    retires_on: str = ""
    source: str = ""

    def input_limit(self, max_output_tokens: int) -> int:
        """Tokens in at most, for an answer of so many."""
        room = self.context_tokens - max_output_tokens
        return min(room, self.max_input_tokens) if self.max_input_tokens else room

    def on(self, day: date) -> ModelCapability:
        """The model with the prices of that day."""
        due = [price for price in self.later_prices if price.since <= day.isoformat()]
        if not due:
            return self
        last = max(due, key=lambda price: price.since)
        return msgspec.structs.replace(
            self,
            input_price_micro_usd=last.input_price_micro_usd,
            cached_input_price_micro_usd=last.cached_input_price_micro_usd,
            output_price_micro_usd=last.output_price_micro_usd,
            price_date=last.since,
            long_prompt=None,
            later_prices=(),
        )

    def priced(self, price: Price) -> ModelCapability:
        """The model at a price that was set for it, whatever the length of the prompt and from whichever cache."""
        return msgspec.structs.replace(
            self,
            input_price_micro_usd=price.input_micro_usd,
            cached_input_price_micro_usd=price.input_micro_usd,
            output_price_micro_usd=price.output_micro_usd,
            price_date=price.day,
            long_prompt=None,
            later_prices=(),
        )


class ProviderCapability(Struct, frozen=True, kw_only=True):
    """One provider with its models; `finish_reasons` gives the meaning of its own words for the end of an answer.

    `unlisted_models`: whether models may be asked for that are not in the list.
    """

    provider: str
    offline: bool
    default_model: str
    models: tuple[ModelCapability, ...]
    response_apis: tuple[str, ...] = ()
    finish_reasons: Mapping[str, FinishReason] = {}
    unlisted_models: bool = False

    def model(self, name: str, day: date | None = None) -> ModelCapability:
        """The model of that name or of the listed name that it is a dated version of (gpt-4o-2024-08-06).

        With the prices of the day, today where none is given. Raises LaceError MODEL_UNKNOWN for others where the
        provider is known to have no more.
        """
        found = self._listed(name)
        if found is not None:
            return found.on(day or datetime.now(UTC).date()) if found.later_prices else found
        if not self.unlisted_models:
            raise LaceError(Reason.MODEL_UNKNOWN, f"The provider {self.provider} has no model {name}.")
        return ModelCapability(
            model=name,
            context_tokens=_UNLISTED_CONTEXT,
            max_output_tokens=_UNLISTED_OUTPUT,
            native_schema=True,
            deterministic=False,
            count_method=CountMethod.BOUND,
        )

    def _listed(self, name: str) -> ModelCapability | None:
        for known in self.models:
            if known.model == name:
                return known
        dated = [known for known in self.models if _is_version(name, known.model)]
        return msgspec.structs.replace(max(dated, key=lambda known: len(known.model)), model=name) if dated else None


def _is_version(name: str, alias: str) -> bool:
    return name.startswith(alias) and name[len(alias) : len(alias) + 1] == "-" and name[len(alias) + 1 :][:1].isdigit()


class _Matrix(Struct, frozen=True, forbid_unknown_fields=True):
    providers: tuple[ProviderCapability, ...]


@cache
def capabilities() -> dict[str, ProviderCapability]:
    """The providers by name."""
    return matrix_of((files("lace_llm_gateway.domain") / "capabilities.json").read_bytes())


def matrix_of(data: bytes, day: date | None = None) -> dict[str, ProviderCapability]:
    """A capability matrix out of JSON. Raises LaceError PRICE_INVALID, CAPABILITIES_INVALID for one that cannot be.

    With a day also for a price that holds only later, which is not for the start of a program to ask: a clock that is
    wrong must not stop it.
    """
    try:
        found = msgspec.json.decode(data, type=_Matrix).providers
    except msgspec.DecodeError as error:
        raise LaceError(Reason.CAPABILITIES_INVALID, f"The capability matrix cannot be read: {error}.") from None
    for provider in found:
        for model in provider.models:
            _check(provider.provider, model)
            if day is not None and model.price_date > day.isoformat():
                name = f"{provider.provider}/{model.model}"
                raise LaceError(Reason.PRICE_INVALID, f"The price of {name} holds only from {model.price_date} on.")
        if provider.default_model and provider.default_model not in {model.model for model in provider.models}:
            raise _invalid(provider.provider, f"its default model {provider.default_model} is not in its list")
    return {provider.provider: provider for provider in sorted(found, key=lambda p: p.provider)}


def capability_of(provider: str) -> ProviderCapability:
    """The provider of that name; raises LaceError PROVIDER_UNKNOWN."""
    known = capabilities()
    if provider not in known:
        raise LaceError(Reason.PROVIDER_UNKNOWN, f"No provider {provider}; there are {', '.join(known)}.")
    return known[provider]


def price_of(prices: Iterable[Price], provider: str, model: str) -> Price | None:
    """The newest of the prices for a model, or for the one that it is a dated version of; None where there is none.

    Raises LaceError PRICE_INVALID for one that is dated tomorrow or later.
    """
    own = [price for price in prices if price.provider == provider]
    for price in own:
        price.refuse_before(datetime.now(UTC).date().isoformat())
    exact = [price for price in own if price.model == model]
    found = exact or [price for price in own if _is_version(model, price.model)]
    return max(found, key=lambda price: (len(price.model), price.day), default=None)


def finish_reason_of(provider: str, word: str) -> FinishReason:
    """What the provider's own word means; a word that nobody knows is never taken for a good end."""
    return capability_of(provider).finish_reasons.get(word, FinishReason.UNKNOWN)


def cost_micro_usd(model: ModelCapability, input_tokens: int, output_tokens: int, cached_input_tokens: int = 0) -> int:
    """What a call costs in millionths of a US dollar, rounded up; 0 where no price is known.

    `input_tokens` is all that went in, of which `cached_input_tokens` were in the provider's cache.
    """
    long = model.long_prompt
    prices = long if long is not None and input_tokens > long.above_tokens else model
    cached = min(cached_input_tokens, input_tokens)
    spent = (
        (input_tokens - cached) * prices.input_price_micro_usd
        + cached * prices.cached_input_price_micro_usd
        + output_tokens * prices.output_price_micro_usd
    )
    return -(-spent // _MILLION)


def _check(provider: str, model: ModelCapability) -> None:
    name = f"{provider}/{model.model}"
    for what, price in _prices(model):
        if not 0 <= price <= _DEAREST_MICRO_USD:
            wrong = "negative" if price < 0 else "beyond all reason"
            raise LaceError(Reason.PRICE_INVALID, f"The {what} of {name} is {wrong}.")
    if bool(model.price_date) != bool(model.input_price_micro_usd or model.output_price_micro_usd):
        raise LaceError(Reason.PRICE_INVALID, f"The price of {name} has no day, or its day no price.")
    for day in (model.price_date, model.retires_on, *(price.since for price in model.later_prices)):
        if day and not _is_day(day):
            raise LaceError(Reason.PRICE_INVALID, f"The day {day} of {name} is none.")
    if any(price.since <= model.price_date for price in model.later_prices):
        raise LaceError(Reason.PRICE_INVALID, f"A later price of {name} is not later than {model.price_date}.")
    if model.max_output_tokens < 1 or model.context_tokens < model.max_output_tokens or model.max_input_tokens < 0:
        raise _invalid(name, "its limits contradict each other")


def _prices(model: ModelCapability) -> Iterator[tuple[str, int]]:
    held: list[ModelCapability | LongPrompt | LaterPrice] = [model, *model.later_prices]
    if model.long_prompt is not None:
        held.append(model.long_prompt)
    for price in held:
        yield "input price", price.input_price_micro_usd
        yield "output price", price.output_price_micro_usd
        yield "price of cached input", price.cached_input_price_micro_usd
        if price.cached_input_price_micro_usd > price.input_price_micro_usd:
            yield "price of cached input beside the other", -1


def _is_day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _invalid(name: str, what: str) -> LaceError:
    return LaceError(Reason.CAPABILITIES_INVALID, f"The capability matrix is wrong about {name}: {what}.")
