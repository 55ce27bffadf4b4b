"""What is asked for, and making it ready: all that can be wrong with it is found before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from lace_core.canonical import sha256_hex
from lace_core.contracts import CONTRACTS
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.app.calls.fit import Fitted, fit
from lace_llm_gateway.app.calls.payloads import prompt_bytes
from lace_llm_gateway.app.calls.protecting import protected
from lace_llm_gateway.app.gateway import Choice, Gateway
from lace_llm_gateway.domain.answers import check_input
from lace_llm_gateway.domain.calls import CallKey
from lace_llm_gateway.domain.exchange import Message, ProviderRequest
from lace_llm_gateway.domain.prompts import PromptTemplate, template_of
from lace_llm_gateway.domain.protection import Protected
from lace_llm_gateway.domain.schemas import AnswerSchema, answer_schema
from lace_llm_gateway.domain.settings import CallSettings


@dataclass(frozen=True)
class Order:
    """What is asked for: a contract with its input, or messages. Empty and None fields leave it to the settings.

    `output_schema_json` holds the answer to messages to a schema of the caller's. With `accept_partial` a text that was
    cut at its output limit is an answer, which its finish reason tells. The fields named template_ tell the
    stored template that messages were rendered from; `prompt` is the contract's, the packaged one where it is None.
    """

    contract: str = ""
    input_json: str = ""
    messages: tuple[Message, ...] = ()
    provider: str = ""
    model: str = ""
    temperature_milli: int | None = None
    max_output_tokens: int = 0
    run_id: str = ""
    step_id: str = ""
    attempt: int = 0
    settings: Mapping[str, Any] | None = None
    output_schema_json: str = ""
    accept_partial: bool = False
    principal_id: str = ""
    template_id: str = ""
    template_version: str = ""
    template_hash: str = ""
    grounding: bool = False
    stop: tuple[str, ...] = ()
    seed: int | None = None
    prompt: PromptTemplate | None = None
    trace_id: str = ""


@dataclass(frozen=True)
class Prepared:
    """An order made ready: everything that can be wrong with it has been looked at, and nothing was sent yet.

    `sent` is the request as it leaves the installation, `request` what records are about.
    """

    order: Order
    choices: tuple[Choice, ...]
    request: ProviderRequest
    settings: CallSettings
    key: CallKey
    template_hash: str
    protected: Protected
    sent: ProviderRequest
    schema: AnswerSchema | None = None

    @property
    def choice(self) -> Choice:
        """What was asked for; the others are where a call goes that this one cannot answer."""
        return self.choices[0]

    def opened(self, output: str) -> str:
        """The output with what was kept from the provider; raises LaceError PROVIDER_OUTPUT_LEAKED and _INVALID."""
        if self.template_hash:
            self.protected.refuse_leaks(output)
        return self.protected.restore(output, as_json=self.request.output_schema is not None)

    @property
    def partial(self) -> bool:
        """Whether half an answer is one, which is told by its finish reason; never under a schema."""
        return self.order.accept_partial and self.request.output_schema is None


async def stated(gateway: Gateway, tenant_id: str, order: Order) -> Order:
    """The order with the settings that it goes by."""
    values = await gateway.values_for(tenant_id, order.principal_id, order.run_id, order.settings)
    return order if values is order.settings else replace(order, settings=values)


def prepare(gateway: Gateway, order: Order, remaining_s: float | None, call_id: str = "") -> Prepared:
    """Checks and renders an order; raises LaceError. Outside runs the call's id makes its nonce its own."""
    settings = gateway.settings(order.settings or {})
    messages, template_hash = _messages(order)
    schema = answer_schema(order.output_schema_json) if order.output_schema_json else None
    choice = gateway.choose(order.provider or settings.provider, order.model or settings.model, settings.prices)
    request = ProviderRequest(
        contract=order.contract,
        messages=messages,
        output_schema=schema.value if schema else output_schema_of(order.contract),
        model=choice.model.model,
        temperature_milli=settings.temperature_milli if order.temperature_milli is None else order.temperature_milli,
        max_output_tokens=min(order.max_output_tokens or settings.max_output_tokens, choice.model.max_output_tokens),
        timeout_s=settings.timeout_s if remaining_s is None else min(settings.timeout_s, remaining_s),
        grounding=order.grounding,
        stop=order.stop,
        seed=order.seed,
    )
    key = _key(order, choice, request)
    choices = (choice, *_fallbacks(gateway, settings, choice))
    # An attempt of a step is the same call when it is repeated; any other is only ever itself.
    identity = (key.run_id, key.step_id if key.run_id else call_id, str(key.attempt))
    shielded = protected(gateway, settings, choices, request, identity, template_hash)
    sent = replace(request, messages=shielded.messages) if shielded.messages != messages else request
    return Prepared(order, choices, request, settings, key, template_hash, shielded, sent, schema)


def refuse_too_long(gateway: Gateway, prepared: Prepared) -> Fitted:
    """What the messages take; raises LaceError CONTEXT_TOO_LONG where they do not fit the setting or the model."""
    return fit(gateway.counter, prepared.choice.model, prepared.settings, prepared.sent)


def _fallbacks(gateway: Gateway, settings: CallSettings, first: Choice) -> Iterator[Choice]:
    for provider, model in settings.routing.fallbacks:
        choice = gateway.choose(provider, model, settings.prices)
        if choice != first:
            yield choice


@lru_cache(maxsize=64)
def output_schema_of(contract: str) -> Mapping[str, Any] | None:
    """The schema of a contract's output, the same object each time; None in text mode."""
    return CONTRACTS[contract].output_schema() if contract else None


def settings_of(text: str) -> Mapping[str, Any]:
    """The settings that a request carries as JSON; raises LaceError INVALID_ARGUMENT."""
    return _parsed_settings(text) if text else {}


@lru_cache(maxsize=256)
def _parsed_settings(text: str) -> Mapping[str, Any]:
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise LaceError(Reason.INVALID_ARGUMENT, "settings_json must be a JSON object.")
    return given


def _messages(order: Order) -> tuple[tuple[Message, ...], str]:
    if bool(order.contract) == bool(order.messages):
        raise LaceError(Reason.INVALID_ARGUMENT, "Give either a contract with input_json, or messages.")
    if order.messages:
        return order.messages, order.template_hash
    if order.output_schema_json:
        raise LaceError(Reason.INVALID_ARGUMENT, "A contract brings its own schema; give output_schema_json without.")
    check_input(order.contract, order.input_json)
    template = order.prompt or template_of(order.contract)
    return template.render(order.input_json), template.template_hash


def _key(order: Order, choice: Choice, request: ProviderRequest) -> CallKey:
    return CallKey(
        run_id=order.run_id,
        step_id=order.step_id,
        attempt=order.attempt,
        contract=order.contract,
        provider=choice.provider.name,
        model=choice.model.model,
        temperature_milli=request.temperature_milli,
        input_hash=sha256_hex(prompt_bytes(request)),
    )
