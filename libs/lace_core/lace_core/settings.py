"""The registry of every tunable of LACE, and the pure resolution of layers into one snapshot.

A tunable appears here and nowhere else; source_settings is the part of it that is about sources. Layers, weakest first:
default, env_file, environment, system, tenant, user, request. Settings of the scope `process` configure one process and
never come from the database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from lace_core.canonical import hash_json
from lace_core.errors import Detail, LaceError, Reason
from lace_core.model_names import model_name
from lace_core.prices import parse_price
from lace_core.prompt_pins import PROMPT_PINS, check_pin, over
from lace_core.redaction import LEVELS
from lace_core.source_settings import SOURCE_SETTINGS
from lace_core.tunables import ADMIN as _ADMIN
from lace_core.tunables import ALL as _ALL
from lace_core.tunables import PROCESS as _PROCESS
from lace_core.tunables import Scope, Setting
from lace_core.tunables import integer as _int
from lace_core.tunables import per_step as _per_step
from lace_core.tunables import secret as _secret
from lace_core.tunables import text as _str

__all__ = [
    "LAYERS",
    "SETTINGS",
    "Layer",
    "Scope",
    "Setting",
    "Snapshot",
    "check_values",
    "environment_layer",
    "resolve",
    "settings_of_json",
]

LAYERS = ("default", "env_file", "environment", "system", "tenant", "user", "request")


_PROVIDERS = ("extractive", "openai", "anthropic", "gemini", "replay")

_DEFINITIONS: tuple[Setting, ...] = (
    # process: what one process needs to start
    _str("data_dir", ".lace", _PROCESS, "Folder for the embedded database, blobs and keys."),
    _str("dsn", "", _PROCESS, "Postgres as an administrator's DSN; the embedded server where empty."),
    _str(
        "secrets_dir",
        "/run/secrets",
        _PROCESS,
        "Folder with a file for each secret, called as its variable; read again when it changes, before all else.",
    ),
    _secret("db_role_secret", "Secret from which the services' database passwords are derived; made on first start."),
    _secret("service_secret", "Secret by which services prove who they are to control; made on first start."),
    _secret("url_signing_secret", "Secret that signs download links and page tokens; made on first start."),
    _secret(
        "record_keys",
        "Keys that seal templates, as id=secret,id=secret with the newest last; a key that sealed a record must stay. "
        "The first, k0, is derived from service_secret, and so is the first of seed_keys: when that changes, give k0= "
        "with the secret before.",
    ),
    _secret(
        "seed_keys",
        "Keys that choose the wording of templates' context blocks, as k2=secret,k3=secret with the newest last; a key "
        "that a template was written under must stay. k1 is derived from the secret that k0 of record_keys is.",
    ),
    _str("bus", "postgres", _PROCESS, "What carries dispatch between services.", "postgres", "kafka"),
    _str(
        "bus_publish_events",
        "auto",
        _PROCESS,
        "Whether every event of a run goes onto the bus, for consumers outside of LACE; auto: on Kafka it does.",
        "auto",
        "on",
        "off",
    ),
    _str("kafka_bootstrap", "127.0.0.1:9092", _PROCESS, "Kafka brokers, comma separated."),
    _int("kafka_partitions", 6, 1, 1000, _PROCESS, "Partitions of topics that LACE makes."),
    _str("blobs", "folder", _PROCESS, "Where files are kept.", "folder", "minio"),
    _str("minio_endpoint", "127.0.0.1:9000", _PROCESS, "MinIO or another S3 server, host:port."),
    _secret("minio_access_key", "Access key of the S3 server."),
    _secret("minio_secret_key", "Secret key of the S3 server."),
    Setting("minio_secure", "bool", False, "Whether the S3 server is spoken to by TLS.", _PROCESS),
    _str("host", "127.0.0.1", _PROCESS, "Address on which the services listen."),
    _int("gateway_port", 8080, 0, 65535, _PROCESS, "Port of the REST gateway; 0 takes a free one."),
    Setting(
        "addresses", "list", [], "Where the services are, as name=host:port; loopback ports where left out.", _PROCESS
    ),
    Setting("docs_enabled", "bool", True, "Whether /read, /docs and /openapi.json are open.", _PROCESS),
    Setting("allowed_origins", "list", [], "Web origins that may open a WebSocket beside the gateway's own.", _PROCESS),
    _str("otlp_endpoint", "", _PROCESS, "OTLP gRPC endpoint for traces; none are sent where empty."),
    _str("log_level", "info", _PROCESS, "Least level of log lines.", "debug", "info", "warning", "error"),
    _str("log_format", "json", _PROCESS, "Form of log lines.", "json", "console"),
    _secret("openai_api_key", "Key of the OpenAI-compatible provider; OPENAI_API_KEY is read too."),
    _str("openai_base_url", "", _PROCESS, "Address of an OpenAI-compatible server; OPENAI_BASE_URL is read too."),
    _str(
        "openai_api_version",
        "",
        _PROCESS,
        "Version of Azure's API where openai_base_url is an Azure resource; OPENAI_API_VERSION is read too.",
    ),
    _secret("anthropic_api_key", "Key of the provider anthropic; ANTHROPIC_API_KEY is read too."),
    _str("anthropic_base_url", "", _PROCESS, "Another address of anthropic; ANTHROPIC_BASE_URL is read too."),
    _secret("gemini_api_key", "Key of the provider gemini; GEMINI_API_KEY and GOOGLE_API_KEY are read too."),
    _str("gemini_base_url", "", _PROCESS, "Another address of gemini; GOOGLE_GEMINI_BASE_URL is read too."),
    _str("rerank_base_url", "", _PROCESS, "Address of a server with POST /rerank, as https://api.jina.ai/v1."),
    _secret("rerank_api_key", "Key of that server."),
    _str("rerank_model", "", _PROCESS, "The model of that server where a call names none."),
    _str("replay_folder", "", _PROCESS, "Folder of recorded calls for the provider replay; it is off where empty."),
    _str(
        "replay_source",
        "",
        _PROCESS,
        "Provider that replay asks, and records, where there is no recording; it asks none where empty.",
    ),
    # gateway
    _int("gateway.max_body_bytes", 1_048_576, 1024, 67_108_864, ("system",), "Bytes of a JSON body at most."),
    _int("gateway.max_json_depth", 64, 8, 1000, ("system",), "Levels of nesting of a JSON body at most."),
    _int("gateway.heartbeat_ms", 10_000, 100, 60_000, ("system",), "Milliseconds between heartbeats of a stream."),
    _int(
        "gateway.stalled_after_s",
        60,
        1,
        3600,
        ("system",),
        "Seconds after which a client that takes nothing of what waits for it is disconnected; read at the start.",
    ),
    _int("gateway.deadline_s", 30, 1, 600, ("system",), "Seconds a call may take where the client says nothing."),
    _int("gateway.model_deadline_s", 600, 1, 3600, ("system",), "Seconds a call of a model may take over REST."),
    _int("gateway.download_ttl_s", 900, 1, 86_400, _ADMIN, "Seconds that a signed download link is good."),
    # control
    _int("auth.identity_ttl_s", 300, 30, 3600, ("system",), "Seconds that a signed identity is good."),
    _int("auth.token_ttl_days", 90, 1, 400, _ADMIN, "Days that a token lives where its maker says nothing."),
    # sources: ingest, facts, retrieval
    *SOURCE_SETTINGS,
    # runs
    _int("runs.max_nodes", 60, 1, 2000, _ALL, "Nodes of a document at most."),
    _int("runs.max_actions", 500, 1, 500, _ALL, "Actions of one proposal at most."),
    _int("runs.max_text_chars", 100_000, 100, 1_000_000, _ALL, "Characters of one text of a proposal at most."),
    _int("runs.max_depth", 3, 1, 8, _ALL, "Levels of headings below the title at most."),
    _int("runs.max_sections", 9, 1, 60, _ALL, "Sections directly below the title at most."),
    _int("runs.node_parallelism", 4, 1, 64, _ALL, "Nodes of one run that are written at once."),
    _int("runs.concurrency", 64, 1, 10_000, ("system",), "Runs that one worker process works on at once."),
    _int("runs.facts_per_node", 40, 4, 400, _ALL, "Facts that one node is given at most."),
    _int("runs.target_words", 2600, 100, 200_000, _ALL, "Words of the document to aim at."),
    _int("runs.step_timeout_s", 180, 1, 3600, _ALL, "Seconds after which an attempt of a step is given up."),
    _int("runs.step_attempts", 3, 1, 10, _ALL, "Attempts of a step at most."),
    _int(
        "runs.outage_s",
        600,
        0,
        86_400,
        _ALL,
        "Seconds that a step waits for a part of the installation that is away; these attempts are not counted.",
    ),
    _per_step(
        "runs.step_timeouts",
        86_400,
        "Seconds after which an attempt is given up, by kind of step, in place of runs.step_timeout_s and "
        "runs.job_timeout_s.",
    ),
    _per_step("runs.step_max_attempts", 10, "Attempts at most, by kind of step, in place of runs.step_attempts."),
    _int("runs.job_timeout_s", 900, 1, 86_400, _ALL, "Seconds that a job may take before its step fails."),
    _int(
        "runs.deadline_s",
        14_400,
        1,
        604_800,
        _ALL,
        "Seconds that a run may take from its first step on, without the time that it stands paused.",
    ),
    _int("runs.lease_ms", 1500, 500, 60_000, ("system",), "Milliseconds after which a silent worker's runs are taken."),
    _int("runs.lease_renewal_ms", 300, 50, 10_000, ("system",), "Milliseconds between renewals of a worker's lease."),
    _int("runs.evaluation_timeout_s", 20, 1, 120, ("system",), "Seconds that an evaluation or verification may take."),
    _int("runs.evaluation_concurrency", 2, 1, 64, ("system",), "Evaluations that one process works on at once."),
    _int("runs.suite_timeout_s", 30, 1, 300, ("system",), "Seconds that a suite may take on a document."),
    _int("runs.suite_concurrency", 2, 1, 64, ("system",), "Suites that one process runs at once."),
    Setting("runs.must_cite", "bool", True, "Whether every sentence must cite.", _ALL),
    Setting("runs.judge", "bool", True, "Whether a judge looks at sentences that the checks pass.", _ALL),
    _str(
        "runs.abstentions",
        "keep",
        _ALL,
        "What becomes of a sentence that the judge says nothing of: keep leaves it to the checks, review keeps it out "
        "until a person has looked.",
        "keep",
        "review",
    ),
    Setting("runs.bench_pipelines", "bool", False, "Whether the pipeline noop10 can be started.", ("system",)),
    # events
    _str(
        "events.redaction",
        "sample",
        _ADMIN,
        "What events show of prompts, answers and findings: hash nothing, sample some words with secrets masked, none "
        "the text itself. The whole is kept for those with the scope payloads:read.",
        *LEVELS,
    ),
    # model calls
    _str("llm.provider", "extractive", _ALL, "The provider that writes.", *_PROVIDERS),
    _str("llm.model", "", _ALL, "The model; the provider's default where empty."),
    _str("llm.embedding_provider", "local", _ALL, "The provider that embeds.", "local", "openai", "gemini"),
    _str("llm.embedding_model", "", _ALL, "The model that embeds; the provider's default where empty."),
    _str("llm.rerank_provider", "local", _ALL, "The provider that orders by relevance.", "local", "rerank"),
    _str("llm.rerank_model", "", _ALL, "The model that orders by relevance; the provider's default where empty."),
    _int("llm.temperature_milli", 0, 0, 2000, _ALL, "Temperature in thousandths."),
    _int("llm.max_output_tokens", 4096, 64, 65_536, _ALL, "Tokens out at most in one call."),
    _int("llm.context_tokens", 24_000, 1000, 1_000_000, _ALL, "Tokens in at most in one call."),
    _int("llm.timeout_s", 120, 1, 3600, _ALL, "Seconds that one call may take."),
    _int("llm.retries", 2, 0, 10, _ALL, "Further tries of a call that may succeed when it is repeated."),
    _int("llm.repair_attempts", 0, 0, 5, _ALL, "Times that an answer that breaks its schema is sent back."),
    # what may leave the installation
    _str(
        "llm.redaction",
        "remote",
        _ADMIN,
        "Before which calls secrets and personal data are replaced by placeholders that the answer gives back: off "
        "none, remote those to providers outside of this process, all every call.",
        "off",
        "remote",
        "all",
    ),
    Setting(
        "llm.redaction_kinds",
        "list",
        ["secrets", "emails", "phones"],
        "What is replaced: secrets (keys, tokens, private keys, passwords), emails, phones (telephone numbers).",
        _ADMIN,
        choices=("secrets", "emails", "phones"),
    ),
    Setting(
        "llm.redaction_patterns",
        "list",
        [],
        "Regular expressions (RE2) of what is replaced beside that; at most 32 of 200 characters.",
        _ADMIN,
    ),
    Setting(
        "llm.prompts",
        "list",
        list(PROMPT_PINS),
        "The prompt of each contract, as contract=hash of a stored template of the mode json that takes one variable, "
        "input; contracts that are not named keep theirs. A run keeps those that it was started with.",
        _ALL,
        item=check_pin,
        over=over,
    ),
    # batches and determinism
    _str(
        "llm.execution_mode",
        "sync",
        ("system",),
        "Where a batch runs: sync in the process that was asked, queue in whichever process takes it from the bus. The "
        "outputs are the same.",
        "sync",
        "queue",
    ),
    _int(
        "llm.versions_ttl_s",
        300,
        0,
        86_400,
        ("system",),
        "Seconds that a provider's answer about the versions of its models holds.",
    ),
    _int("llm.versions_timeout_s", 20, 1, 50, ("system",), "Seconds that asking for versions may take."),
    _int("llm.als_limit", 350, 1, 350, ("system",), "NFC characters that a template's locale block may have at most."),
    _int("llm.batch_cells", 1000, 1, 10_000, ("system",), "Runs that one batch may have at most."),
    _int("llm.batch_concurrency", 4, 1, 64, ("system",), "Runs of one batch that are under way at once."),
    _int("llm.batch_per_minute", 0, 0, 100_000, ("system",), "Runs of one batch begun in a minute; 0: no limit."),
    _int("llm.batch_retries", 2, 0, 10, ("system",), "Further tries of a batch's run that may succeed when repeated."),
    _int("llm.batch_backoff_ms", 500, 0, 60_000, ("system",), "Milliseconds before a second try; doubles with each."),
    # model calls that fail, wait, or cost too much
    Setting(
        "llm.fallbacks",
        "list",
        [],
        "Models as provider/model that are asked in this order where the first cannot be reached, asks to wait or "
        "refuses the key; never once a stream has begun.",
        _ALL,
        item=model_name,
    ),
    Setting(
        "llm.hedge",
        "bool",
        False,
        "Whether a slow call is made a second time; the first answer wins and both cost.",
        _ALL,
    ),
    _int(
        "llm.hedge_after_ms",
        0,
        0,
        600_000,
        _ALL,
        "Milliseconds after which a call counts as slow; 0 for the 95th percentile of the model's last 200 calls.",
    ),
    _int(
        "llm.retry_percent", 20, 0, 1000, ("system",), "Retries at one provider per 100 calls, beyond llm.retry_burst."
    ),
    _int(
        "llm.retry_burst",
        20,
        0,
        10_000,
        ("system",),
        "Retries that a process may make at once at one provider; one comes back every two seconds.",
    ),
    _int("llm.breaker_failure_percent", 50, 1, 100, ("system",), "Share of failures at which a model's circuit opens."),
    _int("llm.breaker_min_calls", 20, 1, 10_000, ("system",), "Calls of a model before their failures say anything."),
    _int("llm.breaker_window_s", 30, 1, 3600, ("system",), "Seconds over which a model's failures are counted."),
    _int("llm.breaker_open_s", 10, 1, 3600, ("system",), "Seconds before an open circuit lets one call try."),
    _int("llm.concurrency", 1024, 1, 100_000, ("system",), "Model calls that one process has under way at most."),
    _int("llm.queue", 4096, 0, 1_000_000, ("system",), "Model calls that wait in one process at most."),
    _int(
        "llm.tenant_concurrency",
        256,
        1,
        100_000,
        ("system",),
        "Model calls of one tenant under way in one process at most.",
    ),
    _int(
        "llm.tenant_queue",
        1024,
        0,
        1_000_000,
        ("system",),
        "Model calls of one tenant that wait in one process at most.",
    ),
    _int(
        "llm.budget_slice_tokens",
        200_000,
        1,
        1_000_000_000,
        ("system",),
        "Tokens of a tenant's budget that one process takes into its hands at once, at most a quarter of what is left.",
    ),
    _int(
        "llm.budget_slice_micro_usd",
        1_000_000,
        1,
        1_000_000_000_000,
        ("system",),
        "Money of a tenant's budget that one process takes into its hands at once, in millionths of a US dollar.",
    ),
    _int(
        "llm.budget_lease_s",
        30,
        2,
        3600,
        ("system",),
        "Seconds after which the budget in a silent process's hands is settled from the ledger.",
    ),
    Setting(
        "llm.payload_days",
        "int",
        90,
        "Days that whole prompts and answers of runs are kept; 0 for ever.",
        ("system",),
        minimum=0,
        maximum=3650,
    ),
    Setting(
        "llm.prices",
        "list",
        [],
        "Prices in place of the built-in ones, as provider/model=IN:OUT@YYYY-MM-DD in US dollars a million tokens.",
        _ADMIN,
        item=parse_price,
    ),
    # compile
    Setting(
        "compile.targets",
        "list",
        ["md", "docx", "pdf", "owl"],
        "Formats that a run compiles.",
        _ALL,
        choices=("md", "docx", "pdf", "owl"),
    ),
    _int("compile.timeout_s", 300, 1, 3600, _ADMIN, "Seconds that compiling one target may take."),
    _int(
        "compile.memory_bytes",
        2_147_483_648,
        268_435_456,
        17_179_869_184,
        _ADMIN,
        "Bytes of memory that compiling one target may take.",
    ),
    _int("compile.toc_depth", 3, 1, 8, _ALL, "Levels of headings in the table of contents."),
    _str("compile.page_size", "a4", _ALL, "Paper of docx and pdf.", "a4", "us-letter"),
    Setting("compile.quotes", "bool", True, "Whether the source list shows the quoted spans.", _ALL),
    Setting(
        "compile.appendices",
        "bool",
        True,
        "Whether evidence, verification and what was withheld follow the text of md, docx and pdf.",
        _ALL,
    ),
    # provenance
    _str("provenance.retention_policy", "keep", _ADMIN, "Name of the retention policy recorded in the logs."),
)

SETTINGS: Mapping[str, Setting] = {setting.key: setting for setting in _DEFINITIONS}


@dataclass(frozen=True)
class Layer:
    """Values of one layer; `version` is that of the stored settings, 0 where the layer is not stored."""

    name: str
    values: Mapping[str, Any]
    version: int = 0


@dataclass(frozen=True)
class Snapshot:
    """What every non-process setting comes to, its hash, and which (layer, version) gave each value."""

    values: Mapping[str, Any]
    settings_hash: str
    trace: Mapping[str, tuple[str, int]]

    def subset(self, *prefixes: str) -> dict[str, Any]:
        """The settings whose keys begin with one of the prefixes, in key order."""
        return {key: self.values[key] for key in sorted(self.values) if key.startswith(prefixes)}


def environment_layer(name: str, environ: Mapping[str, str]) -> Layer:
    """The layer that LACE_* variables give; variables that name no setting are left to the caller."""
    found = {s.key: s.parse(environ[s.environment_variable]) for s in _DEFINITIONS if s.environment_variable in environ}
    return Layer(name, found)


def check_values(values: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """The values that may be set at that scope, checked; raises LaceError SETTING_* naming the first offender."""
    return {key: _allowed(key, scope).check(value) for key, value in sorted(values.items())}


def _allowed(key: str, scope: Scope) -> Setting:
    setting = SETTINGS.get(key)
    if setting is None:
        raise LaceError(Reason.SETTING_UNKNOWN, f"There is no setting {key}.", details=[Detail(key, "unknown")])
    if scope not in setting.scopes:
        where = ", ".join(setting.scopes)
        raise LaceError(
            Reason.SETTING_SCOPE_FORBIDDEN,
            f"{key} cannot be set for a {scope}; it is set for: {where}.",
            details=[Detail(key, f"scopes: {where}")],
        )
    return setting


def resolve(layers: Sequence[Layer]) -> Snapshot:
    """Lay the layers over the defaults, weakest first; process settings are left out.

    Raises ValueError when the layers are not in the order of LAYERS.
    """
    order = [LAYERS.index(layer.name) for layer in layers]
    if order != sorted(order):
        raise ValueError("layers must come weakest first")
    values: dict[str, Any] = {}
    trace: dict[str, tuple[str, int]] = {}
    for setting in _DEFINITIONS:
        if setting.scopes == _PROCESS:
            continue
        values[setting.key], trace[setting.key] = copy(setting.default), ("default", 0)
        for layer in layers:
            if setting.key in layer.values:
                given = layer.values[setting.key]
                values[setting.key] = setting.over(values[setting.key], given) if setting.over else given
                trace[setting.key] = (layer.name, layer.version)
    return Snapshot(values, hash_json(values), trace)


def settings_of_json(text: str) -> dict[str, Any]:
    """The settings that a job's or call's `settings_json` carries, over the defaults."""
    given = json.loads(text) if text else {}
    return {**{s.key: copy(s.default) for s in _DEFINITIONS if s.scopes != _PROCESS}, **given}
