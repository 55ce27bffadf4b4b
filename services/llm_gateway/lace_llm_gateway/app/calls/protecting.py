"""Which protection a call gets: by the tenant's settings, and by where it goes."""

from __future__ import annotations

from collections.abc import Sequence

from lace_llm_gateway.app.gateway import Choice, Gateway
from lace_llm_gateway.domain.exchange import ProviderRequest
from lace_llm_gateway.domain.protection import Protected, call_key, is_clear, protect
from lace_llm_gateway.domain.redaction import Placeholders, Policy
from lace_llm_gateway.domain.settings import CallSettings

_NO_TAG = "00000000"


def policy_for(settings: CallSettings, choices: Sequence[Choice]) -> Policy:
    """What is replaced in a call that may go to these providers; with `remote`, where one of them is elsewhere.

    It is one policy for the whole call: a failover, or the repair of an answer that another provider gave, then sends
    nothing that was not protected before.
    """
    return _policy(settings, is_remote=any(not choice.capability.offline for choice in choices))


def protected_texts(settings: CallSettings, texts: Sequence[str], *, is_remote: bool) -> tuple[str, ...]:
    """Texts as they are sent to be measured: nothing comes back, so the same text is the same in every call.

    Raises LaceError SETTING_INVALID for patterns that cannot be read.
    """
    policy = _policy(settings, is_remote=is_remote)
    return tuple(Placeholders(policy, _NO_TAG).replace(text) for text in texts)


def _policy(settings: CallSettings, *, is_remote: bool) -> Policy:
    wanted = settings.redacts == "all" or (settings.redacts == "remote" and is_remote)
    return Policy(settings.redaction_kinds, settings.redaction_patterns) if wanted else Policy()


def protected(
    gateway: Gateway,
    settings: CallSettings,
    choices: Sequence[Choice],
    request: ProviderRequest,
    identity: tuple[str, str, str],
    template_hash: str,
) -> Protected:
    """The request's messages as they are sent; the same for the same `identity`: run, step or call, and attempt.

    Raises LaceError SETTING_INVALID for patterns that cannot be read.
    """
    policy = policy_for(settings, choices)
    if not template_hash and is_clear(request.messages, policy):
        return Protected(request.messages)
    return protect(
        request.messages,
        policy,
        call_key(gateway.prompt_secret, *identity, template_hash),
        templated=bool(template_hash),
        packaged=bool(request.contract),
    )
