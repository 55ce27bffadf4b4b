"""Events that tell of content: model calls and findings, with as much of it as the tenant's redaction lets through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from lace_core.canonical import canonical_json, sha256_hex
from lace_core.contracts import Contract
from lace_core.errors import LaceError
from lace_core.redaction import Level, shown
from lace_runs.app.event_content import payload_days
from lace_runs.app.execution import Execution
from lace_runs.app.model_ports import ModelAnswer
from lace_runs.app.step_scope import StepScope

log = structlog.get_logger(__name__)


def tell_call(scope: StepScope, contract: Contract, answer: ModelAnswer, now: datetime) -> None:
    """Prompt, answer and usage of a call; the samples are the gateway's, which has masked them."""
    call = answer.call
    scope.lineage.calls.append({**call, "content": _kept_until(scope, answer, now)})
    shared = {"call_id": call["call_id"]}
    prompt = {
        **shared,
        "contract": contract.name,
        "provider": call["provider"],
        "model": call["requested_model"],
        "prompt_hash": call["input_hash"],
        "sample": call["prompt_sample"],
    }
    response = {
        **shared,
        "finish_reason": call.get("finish_reason", ""),
        "output_hash": call["output_hash"],
        "repairs": call["repairs"],
        "sample": call["output_sample"],
    }
    usage = {name: call[name] for name in ("input_tokens", "output_tokens", "cost_micro_usd")}
    sent_at = datetime.fromisoformat(call["started_at"]) if "started_at" in call else now
    scope.event("pipeline.llm.prompt", {"llm_prompt": prompt}, sent_at, **_content(answer, "input_hash"))
    scope.event("pipeline.llm.response", {"llm_response": response}, now, **_content(answer, "output_hash"))
    scope.event(
        "pipeline.llm.usage", {"llm_usage": {**shared, **usage, "count_method": call.get("count_method", "")}}, now
    )


def _kept_until(scope: StepScope, answer: ModelAnswer, now: datetime) -> dict[str, str]:
    """Where prompt and answer are whole, and when they are deleted; the latter is left out where that is never."""
    call, days = answer.call, payload_days(scope.run)
    kept = {"prompt_hash": call["input_hash"], "prompt_uri": answer.prompt_uri}
    kept |= {"output_hash": call["output_hash"], "output_uri": answer.output_uri}
    if days and (answer.prompt_uri or answer.output_uri):
        kept["not_after"] = (now + timedelta(days=days)).isoformat()
    return kept


def _content(answer: ModelAnswer, hash_name: str) -> dict[str, str]:
    return {
        "redaction_level": answer.redaction,
        "content_hash": answer.call[hash_name],
        "content_uri": answer.prompt_uri if hash_name == "input_hash" else answer.output_uri,
    }


async def tell_findings(
    execution: Execution, scope: StepScope, payload: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]
) -> None:
    """What a check found; `payload` is all but the findings, whose messages quote the text."""
    told: dict[str, Any] = {}
    level: Level = execution.run.settings.get("events.redaction", "sample")
    if findings:
        whole = canonical_json([dict(finding) for finding in findings])
        told = {"redaction_level": level, "content_hash": sha256_hex(whole)}
        told["content_uri"] = await _kept(execution, told["content_hash"], whole)
    reduced = [{**finding, "message": shown(finding["message"], level)} for finding in findings]
    result = {"validation_result": {**payload, "findings": reduced}}
    scope.event("pipeline.validation.result", result, execution.tools.now(), **told)


async def _kept(execution: Execution, sha256: str, data: bytes) -> str:
    """Where the findings are whole; empty where the store does not take them, which is no reason to check again."""
    run = execution.run
    try:
        return await execution.tools.snapshots.put_result(run.tenant_id, run.run_id, sha256, data)
    except LaceError as error:
        log.warning("payload_not_kept", run_id=run.run_id, error=str(error))
        return ""
