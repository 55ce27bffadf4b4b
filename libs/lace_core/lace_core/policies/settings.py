"""What a policy does to the settings of a run: it adds to what is redacted, pins prompts, and forbids models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lace_core.errors import Detail, LaceError, Reason
from lace_core.policies.in_force import SETTINGS_KEY, PolicyInForce, pinned_in, stored
from lace_core.policies.model import MOST_PATTERNS, REDACTED_BEFORE
from lace_core.policies.resolving import allows
from lace_core.prompt_pins import over

_LOCAL = "local"


def under(policy: PolicyInForce, values: Mapping[str, Any]) -> dict[str, Any]:
    """A run's settings under a policy, which is pinned among them."""
    patterns = list(dict.fromkeys((*values["llm.redaction_patterns"], *policy.redaction_patterns)))
    return {
        **values,
        "llm.redaction": max(values["llm.redaction"], policy.redact_before, key=REDACTED_BEFORE.index),
        "llm.redaction_kinds": list(dict.fromkeys((*values["llm.redaction_kinds"], *policy.redaction_kinds))),
        "llm.redaction_patterns": patterns,
        "llm.prompts": over(values["llm.prompts"], [f"{name}={sha}" for name, sha in policy.prompts.items()]),
        SETTINGS_KEY: stored(policy),
    }


def refuse_models(values: Mapping[str, Any]) -> None:
    """Whether a run with these settings may ask the models that they name, where a policy is pinned among them.

    Raises LaceError POLICY_FORBIDS for those that it does not allow, and where there are more patterns of what is to be
    redacted than a call can look for.
    """
    policy = pinned_in(values)
    if policy is None:
        return
    count = len(values["llm.redaction_patterns"])
    if count > MOST_PATTERNS:
        message = f"{policy.link.name} and the settings have {count} patterns to redact; {MOST_PATTERNS} fit."
        raise _forbidden("llm.redaction_patterns", message)
    if policy.models is None:
        return
    asked = [("llm.fallbacks", name) for name in values["llm.fallbacks"]]
    for kind in ("", "embedding_", "rerank_"):
        provider, model = values[f"llm.{kind}provider"], values[f"llm.{kind}model"]
        asked.append((f"llm.{kind}provider", f"{provider}/{model}" if model else provider))
    for setting, name in asked:
        if name.partition("/")[0] != _LOCAL and not allows(policy.models, name):
            allowed = ", ".join(policy.models)
            raise _forbidden(setting, f"The policy {policy.link.name} allows {allowed}; {setting} asks for {name}.")


def _forbidden(field: str, message: str) -> LaceError:
    return LaceError(Reason.POLICY_FORBIDS, message, details=[Detail(field, message)])
