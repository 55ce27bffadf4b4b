"""The ledger's statements; each writes the rows of many callers, given as one JSON array, and commits by itself."""

from __future__ import annotations

from collections.abc import Mapping

from lace_llm_gateway.domain.usage import UsageBy

_KEY = (
    "run_id text, step_id text, attempt int, contract text, provider text, requested_model text, "
    "temperature_milli int, input_hash text"
)
_INTENT = (
    "tenant_id text, call_id text, principal_id text, template_id text, template_version text, "
    f"template_hash text, prompt_sample text, started_at timestamptz, trace_id text, {_KEY}, "
    "budget_lease text, reserved_tokens bigint, reserved_micro_usd bigint"
)
_OUTCOME = (
    "state text, output text, output_hash text, output_sample text, finish_reason text, resolved_model text, "
    "answered_model text, fingerprint text, input_tokens bigint, output_tokens bigint, count_method text, "
    "cost_micro_usd bigint, tries int, repairs int, duration_ms bigint, error_code text, error_message text, "
    "response_api text, grounding jsonb, trail jsonb, hedged boolean"
)


def _names(columns: str) -> str:
    return ", ".join(column.split()[0] for column in columns.split(", "))


# The partial index over steps serves it because of the last condition.
_SAME_KEY = """
  c.tenant_id = g.tenant_id AND c.run_id = g.run_id AND c.step_id = g.step_id AND c.attempt = g.attempt
  AND c.contract = g.contract AND c.provider = g.provider AND c.requested_model = g.requested_model
  AND c.temperature_milli = g.temperature_milli AND c.input_hash = g.input_hash AND c.run_id <> ''
"""
# Of what may be given again, the newest.
_ANSWERED = f"""
    SELECT c.* FROM llm_gateway.llm_calls c
    WHERE {_SAME_KEY} AND (c.state = 'succeeded' OR (c.state = 'failed' AND c.error_code = ANY(:lasting)))
    ORDER BY c.started_at DESC, c.call_id DESC LIMIT 1
"""
ANSWERED = f"""
SELECT found.* FROM json_to_recordset(CAST(:rows AS json)) AS g(tenant_id text, {_KEY})
CROSS JOIN LATERAL ({_ANSWERED}) AS found
"""
ANSWERED_OR_ADDED = f"""
WITH g AS MATERIALIZED (
  SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given({_INTENT})
), known AS MATERIALIZED (
  SELECT g.call_id AS asked, found.* FROM g CROSS JOIN LATERAL ({_ANSWERED}) AS found
), abandoned AS (
  UPDATE llm_gateway.llm_calls c SET state = 'abandoned', error_code = 'INTERNAL',
    error_message = 'The process that made this call ended before it was settled.'
  FROM g WHERE {_SAME_KEY} AND c.state = 'pending' AND c.started_at < g.started_at
), added AS (
  INSERT INTO llm_gateway.llm_calls ({_names(_INTENT)}, state)
  SELECT {_names(_INTENT)}, 'pending' FROM g WHERE NOT EXISTS (SELECT FROM known WHERE known.asked = g.call_id)
  ON CONFLICT (tenant_id, call_id) DO NOTHING
)
SELECT * FROM known
"""
# A call that was given up for dead and answers after all is settled too.
SETTLE = f"""
UPDATE llm_gateway.llm_calls c SET ({_names(_OUTCOME)}) = ROW ({
    ", ".join(f"s.{name}" for name in _names(_OUTCOME).split(", "))
})
FROM json_to_recordset(CAST(:rows AS json)) AS s(tenant_id text, call_id text, {_OUTCOME})
WHERE c.tenant_id = s.tenant_id AND c.call_id = s.call_id AND c.state IN ('pending', 'abandoned')
"""
RECORD = f"""
INSERT INTO llm_gateway.llm_calls ({_names(_INTENT)}, {_names(_OUTCOME)})
SELECT {_names(_INTENT)}, {_names(_OUTCOME)} FROM json_to_recordset(CAST(:rows AS json)) AS given({_INTENT}, {_OUTCOME})
ON CONFLICT (tenant_id, call_id) DO NOTHING
"""
OF_RUN = """
SELECT * FROM llm_calls
WHERE tenant_id = :tenant_id AND run_id = :run_id
  AND (CAST(:started_at AS timestamptz) IS NULL OR (started_at, call_id) > (:started_at, :call_id))
ORDER BY started_at, call_id LIMIT :limit
"""
_KEYS: Mapping[UsageBy, tuple[str, str, str]] = {
    UsageBy.DAY: ("to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')", "CAST('' AS text)", "DESC"),
    UsageBy.MODEL: ("provider", "requested_model", "ASC"),
    UsageBy.PRINCIPAL: ("principal_id", "CAST('' AS text)", "ASC"),
    UsageBy.RUN: ("run_id", "CAST('' AS text)", "ASC"),
}


def _usage(first: str, second: str, order: str) -> str:
    beyond = "<" if order == "DESC" else ">"
    return f"""
SELECT * FROM (
  SELECT {first} AS first, {second} AS second, count(*) AS calls,
    count(*) FILTER (WHERE state IN ('failed', 'cancelled', 'abandoned')) AS failed_calls,
    sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_micro_usd) AS cost_micro_usd
  FROM llm_calls WHERE tenant_id = :tenant_id AND started_at >= :start AND started_at < :end GROUP BY 1, 2) AS summed
WHERE CAST(:from_start AS boolean) OR (first, second) {beyond} (CAST(:first AS text), CAST(:second AS text))
ORDER BY first {order}, second {order} LIMIT :limit
"""


USAGE: Mapping[UsageBy, str] = {by: _usage(*keys) for by, keys in _KEYS.items()}
