"""The closed set of error reasons and the one exception that carries them through every layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Stable, machine-readable cause of a failure; the wire twin is lace.common.v1.ErrorReason."""

    INTERNAL = "INTERNAL"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    MALFORMED_JSON = "MALFORMED_JSON"
    JSON_TOO_DEEP = "JSON_TOO_DEEP"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_AVAILABLE_YET = "NOT_AVAILABLE_YET"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    RATE_LIMITED = "RATE_LIMITED"
    TOKEN_MISSING = "TOKEN_MISSING"
    TOKEN_INVALID = "TOKEN_INVALID"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    TOKEN_REVOKED = "TOKEN_REVOKED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    IDEMPOTENCY_KEY_REQUIRED = "IDEMPOTENCY_KEY_REQUIRED"
    IDEMPOTENCY_KEY_INVALID = "IDEMPOTENCY_KEY_INVALID"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    TENANT_NOT_FOUND = "TENANT_NOT_FOUND"
    PRINCIPAL_NOT_FOUND = "PRINCIPAL_NOT_FOUND"
    TOKEN_NOT_FOUND = "TOKEN_NOT_FOUND"
    SETTING_UNKNOWN = "SETTING_UNKNOWN"
    SETTING_INVALID = "SETTING_INVALID"
    SETTING_SCOPE_FORBIDDEN = "SETTING_SCOPE_FORBIDDEN"
    ARTIFACT_NOT_FOUND = "ARTIFACT_NOT_FOUND"
    REVISION_NOT_FOUND = "REVISION_NOT_FOUND"
    NODE_NOT_FOUND = "NODE_NOT_FOUND"
    ARTIFACT_LOCKED = "ARTIFACT_LOCKED"
    ARTIFACT_EMPTY = "ARTIFACT_EMPTY"
    REVISION_CONFLICT = "REVISION_CONFLICT"
    PROPOSAL_REJECTED = "PROPOSAL_REJECTED"
    IR_INVALID = "IR_INVALID"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    RUN_TRANSITION_ILLEGAL = "RUN_TRANSITION_ILLEGAL"
    RUN_FENCED = "RUN_FENCED"
    RUN_CANCELLED = "RUN_CANCELLED"
    RUN_DEADLINE_EXCEEDED = "RUN_DEADLINE_EXCEEDED"
    PIPELINE_UNKNOWN = "PIPELINE_UNKNOWN"
    STEP_UNKNOWN = "STEP_UNKNOWN"
    STEP_TIMEOUT = "STEP_TIMEOUT"
    EVENT_CURSOR_INVALID = "EVENT_CURSOR_INVALID"
    SOURCE_NOT_FOUND = "SOURCE_NOT_FOUND"
    SOURCE_FORMAT_UNSUPPORTED = "SOURCE_FORMAT_UNSUPPORTED"
    SOURCE_NAME_INVALID = "SOURCE_NAME_INVALID"
    SOURCE_TOO_LARGE = "SOURCE_TOO_LARGE"
    SOURCE_EMPTY = "SOURCE_EMPTY"
    SOURCE_UNREADABLE = "SOURCE_UNREADABLE"
    SOURCE_ENCRYPTED = "SOURCE_ENCRYPTED"
    SOURCE_NO_TEXT = "SOURCE_NO_TEXT"
    SOURCE_LIMIT_EXCEEDED = "SOURCE_LIMIT_EXCEEDED"
    SOURCE_NOT_READY = "SOURCE_NOT_READY"
    NO_USABLE_SOURCES = "NO_USABLE_SOURCES"
    NO_EVIDENCE = "NO_EVIDENCE"
    PROVIDER_UNKNOWN = "PROVIDER_UNKNOWN"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    PROVIDER_CREDENTIALS = "PROVIDER_CREDENTIALS"
    PROVIDER_RATE_LIMITED = "PROVIDER_RATE_LIMITED"
    PROVIDER_OUTPUT_INVALID = "PROVIDER_OUTPUT_INVALID"
    PROVIDER_OUTPUT_TRUNCATED = "PROVIDER_OUTPUT_TRUNCATED"
    PROVIDER_REFUSED = "PROVIDER_REFUSED"
    MODEL_UNKNOWN = "MODEL_UNKNOWN"
    CONTRACT_UNKNOWN = "CONTRACT_UNKNOWN"
    SCHEMA_INVALID = "SCHEMA_INVALID"
    CONTEXT_TOO_LONG = "CONTEXT_TOO_LONG"
    COMPILE_TARGET_UNKNOWN = "COMPILE_TARGET_UNKNOWN"
    COMPILE_FAILED = "COMPILE_FAILED"
    COMPILED_NOT_FOUND = "COMPILED_NOT_FOUND"
    BLOB_NOT_FOUND = "BLOB_NOT_FOUND"
    BLOB_CONFLICT = "BLOB_CONFLICT"
    BLOB_CORRUPT = "BLOB_CORRUPT"
    SIGNED_URL_INVALID = "SIGNED_URL_INVALID"
    SIGNED_URL_EXPIRED = "SIGNED_URL_EXPIRED"
    PROVENANCE_NOT_FOUND = "PROVENANCE_NOT_FOUND"
    ARTIFACT_NOT_EMPTY = "ARTIFACT_NOT_EMPTY"
    IR_CORRUPT = "IR_CORRUPT"
    SCHEMA_TOO_NEW = "SCHEMA_TOO_NEW"
    EVENT_SCHEMA_UNSUPPORTED = "EVENT_SCHEMA_UNSUPPORTED"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    EVENT_CONTENT_NOT_FOUND = "EVENT_CONTENT_NOT_FOUND"
    PIPELINE_INVALID = "PIPELINE_INVALID"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    DEAD_LETTER_NOT_FOUND = "DEAD_LETTER_NOT_FOUND"
    DEAD_LETTER_SETTLED = "DEAD_LETTER_SETTLED"
    ALS_OVER_LIMIT = "ALS_OVER_LIMIT"
    GROUNDING_REQUIRED = "GROUNDING_REQUIRED"
    BATCH_NOT_FOUND = "BATCH_NOT_FOUND"
    BATCH_TRANSITION_ILLEGAL = "BATCH_TRANSITION_ILLEGAL"
    BATCH_DRIFTED = "BATCH_DRIFTED"
    TEMPLATE_NOT_FOUND = "TEMPLATE_NOT_FOUND"
    TEMPLATE_INVALID = "TEMPLATE_INVALID"
    TEMPLATE_CONFLICT = "TEMPLATE_CONFLICT"
    TEMPLATE_CORRUPT = "TEMPLATE_CORRUPT"
    TEMPLATE_VARIABLES_INVALID = "TEMPLATE_VARIABLES_INVALID"
    TEMPLATE_RUN_NOT_FOUND = "TEMPLATE_RUN_NOT_FOUND"
    MODEL_VERSION_MISMATCH = "MODEL_VERSION_MISMATCH"
    SCHEMA_CYCLE = "SCHEMA_CYCLE"
    OVERLOADED = "OVERLOADED"
    PRICE_INVALID = "PRICE_INVALID"
    PROVIDER_OUTPUT_LEAKED = "PROVIDER_OUTPUT_LEAKED"
    RECORDING_NOT_FOUND = "RECORDING_NOT_FOUND"
    RECORDING_CORRUPT = "RECORDING_CORRUPT"
    CAPABILITIES_INVALID = "CAPABILITIES_INVALID"
    SOURCE_NOT_EXTRACTABLE = "SOURCE_NOT_EXTRACTABLE"
    DIFF_LIMIT_EXCEEDED = "DIFF_LIMIT_EXCEEDED"
    PREVIOUS_VERSION_NOT_FOUND = "PREVIOUS_VERSION_NOT_FOUND"
    UNIT_NOT_FOUND = "UNIT_NOT_FOUND"
    EXTRACTION_NOT_FOUND = "EXTRACTION_NOT_FOUND"
    SOURCE_VERSION_CONFLICT = "SOURCE_VERSION_CONFLICT"
    BUNDLE_NOT_FOUND = "BUNDLE_NOT_FOUND"
    BUNDLE_EXISTS = "BUNDLE_EXISTS"
    BUNDLE_CONFLICT = "BUNDLE_CONFLICT"
    BUNDLE_EMPTY = "BUNDLE_EMPTY"
    READING_FAILED = "READING_FAILED"
    INBOX_PREFIX_INVALID = "INBOX_PREFIX_INVALID"
    INBOX_EMPTY = "INBOX_EMPTY"
    INBOX_LIMIT_EXCEEDED = "INBOX_LIMIT_EXCEEDED"
    FACT_NOT_FOUND = "FACT_NOT_FOUND"
    FACT_SPAN_INVALID = "FACT_SPAN_INVALID"
    FACT_QUOTE_MISMATCH = "FACT_QUOTE_MISMATCH"
    FACT_NOT_SUPPORTED = "FACT_NOT_SUPPORTED"
    CONTEXT_BUDGET_TOO_SMALL = "CONTEXT_BUDGET_TOO_SMALL"
    SOURCE_EXTRACTOR_MISSING = "SOURCE_EXTRACTOR_MISSING"
    REVIEW_ITEM_NOT_FOUND = "REVIEW_ITEM_NOT_FOUND"
    REVIEW_SETTLED = "REVIEW_SETTLED"
    REVIEW_NOT_ACCEPTABLE = "REVIEW_NOT_ACCEPTABLE"
    REVIEW_PLACE_GONE = "REVIEW_PLACE_GONE"
    REVIEW_PLACE_FINAL = "REVIEW_PLACE_FINAL"
    REVIEW_EVIDENCE_GONE = "REVIEW_EVIDENCE_GONE"
    REVIEW_NOT_SUPPORTED = "REVIEW_NOT_SUPPORTED"
    PARAGRAPH_NOT_FOUND = "PARAGRAPH_NOT_FOUND"
    PARAGRAPH_TRANSITION_ILLEGAL = "PARAGRAPH_TRANSITION_ILLEGAL"
    PARAGRAPH_NOT_SUPPORTED = "PARAGRAPH_NOT_SUPPORTED"
    PARAGRAPH_EMPTY = "PARAGRAPH_EMPTY"
    FACT_RETIRED = "FACT_RETIRED"
    SUITE_RULE_UNKNOWN = "SUITE_RULE_UNKNOWN"
    SUITE_INVALID = "SUITE_INVALID"
    SUITE_NOT_FOUND = "SUITE_NOT_FOUND"
    TEST_NOT_FOUND = "TEST_NOT_FOUND"
    PUBLISH_REFUSED = "PUBLISH_REFUSED"
    PUBLICATION_NOT_FOUND = "PUBLICATION_NOT_FOUND"
    POLICY_INVALID = "POLICY_INVALID"
    POLICY_LOOP = "POLICY_LOOP"
    POLICY_NOT_FOUND = "POLICY_NOT_FOUND"
    POLICY_VERSION_EXISTS = "POLICY_VERSION_EXISTS"
    POLICY_FORBIDS = "POLICY_FORBIDS"
    UNVERIFIED_CONTENT = "UNVERIFIED_CONTENT"
    REF_NOT_FOUND = "REF_NOT_FOUND"
    BRANCH_NOT_FOUND = "BRANCH_NOT_FOUND"
    TAG_NOT_FOUND = "TAG_NOT_FOUND"
    REF_NAME_INVALID = "REF_NAME_INVALID"
    REF_EXISTS = "REF_EXISTS"
    BRANCH_PROTECTED = "BRANCH_PROTECTED"
    BRANCH_NOT_MERGED = "BRANCH_NOT_MERGED"
    HISTORIES_UNRELATED = "HISTORIES_UNRELATED"
    RESOLUTION_INVALID = "RESOLUTION_INVALID"
    EVALUATION_NOT_FOUND = "EVALUATION_NOT_FOUND"
    EVALUATION_SET_NOT_FOUND = "EVALUATION_SET_NOT_FOUND"
    EVALUATION_LIMIT_EXCEEDED = "EVALUATION_LIMIT_EXCEEDED"
    SUITE_LIMIT_EXCEEDED = "SUITE_LIMIT_EXCEEDED"


@dataclass(frozen=True)
class ReasonSpec:
    """How a reason looks outside: its HTTP status, its gRPC status code name, and an example sentence."""

    http_status: int
    grpc_code: str
    example: str


def _spec(http_status: int, grpc_code: str, example: str) -> ReasonSpec:
    return ReasonSpec(http_status, grpc_code, example)


REASONS: dict[Reason, ReasonSpec] = {
    Reason.INTERNAL: _spec(500, "INTERNAL", "Something failed on our side; quote the correlation id."),
    Reason.INVALID_ARGUMENT: _spec(400, "INVALID_ARGUMENT", "title: must be at most 300 characters."),
    Reason.UNKNOWN_FIELD: _spec(400, "INVALID_ARGUMENT", "/titel: no such field; did you mean title?"),
    Reason.MALFORMED_JSON: _spec(400, "INVALID_ARGUMENT", "The body is not JSON: unexpected end of data."),
    Reason.JSON_TOO_DEEP: _spec(400, "INVALID_ARGUMENT", "The JSON is nested deeper than 64 levels."),
    Reason.BODY_TOO_LARGE: _spec(413, "RESOURCE_EXHAUSTED", "The body is larger than 1 MiB."),
    Reason.UNSUPPORTED_MEDIA_TYPE: _spec(415, "INVALID_ARGUMENT", "Send application/json."),
    Reason.ROUTE_NOT_FOUND: _spec(404, "UNIMPLEMENTED", "No such path; the paths are listed at /docs."),
    Reason.METHOD_NOT_ALLOWED: _spec(405, "UNIMPLEMENTED", "This path does not take DELETE."),
    Reason.NOT_AVAILABLE_YET: _spec(501, "UNIMPLEMENTED", "This call is not available yet."),
    Reason.SERVICE_UNAVAILABLE: _spec(503, "UNAVAILABLE", "The service runs cannot be reached; try again."),
    Reason.DEADLINE_EXCEEDED: _spec(504, "DEADLINE_EXCEEDED", "The call took longer than its deadline."),
    Reason.RATE_LIMITED: _spec(429, "RESOURCE_EXHAUSTED", "Too many requests; try again in 2 s."),
    Reason.TOKEN_MISSING: _spec(401, "UNAUTHENTICATED", "Send Authorization: Bearer <token>."),
    Reason.TOKEN_INVALID: _spec(401, "UNAUTHENTICATED", "This token is not known."),
    Reason.TOKEN_EXPIRED: _spec(401, "UNAUTHENTICATED", "This token expired; make a new one: lace token create."),
    Reason.TOKEN_REVOKED: _spec(401, "UNAUTHENTICATED", "This token was revoked."),
    Reason.PERMISSION_DENIED: _spec(403, "PERMISSION_DENIED", "This needs the scope runs:write."),
    Reason.IDEMPOTENCY_KEY_REQUIRED: _spec(400, "INVALID_ARGUMENT", "Send an Idempotency-Key with every mutation."),
    Reason.IDEMPOTENCY_KEY_INVALID: _spec(400, "INVALID_ARGUMENT", "The key is longer than 255 characters."),
    Reason.IDEMPOTENCY_KEY_REUSED: _spec(409, "ALREADY_EXISTS", "This key was used with another body; see details."),
    Reason.IDEMPOTENCY_IN_PROGRESS: _spec(409, "ABORTED", "The first request with this key is still running."),
    Reason.ETAG_MISMATCH: _spec(412, "ABORTED", "The thing changed since you read it; read it again."),
    Reason.PAGE_TOKEN_INVALID: _spec(400, "INVALID_ARGUMENT", "This page token belongs to another request."),
    Reason.TENANT_NOT_FOUND: _spec(404, "NOT_FOUND", "No tenant ten_x."),
    Reason.PRINCIPAL_NOT_FOUND: _spec(404, "NOT_FOUND", "No principal prn_x."),
    Reason.TOKEN_NOT_FOUND: _spec(404, "NOT_FOUND", "No token tok_x."),
    Reason.SETTING_UNKNOWN: _spec(400, "INVALID_ARGUMENT", "There is no setting runs.max_node."),
    Reason.SETTING_INVALID: _spec(400, "INVALID_ARGUMENT", "runs.max_nodes must be between 1 and 2000."),
    Reason.SETTING_SCOPE_FORBIDDEN: _spec(403, "PERMISSION_DENIED", "llm.provider cannot be set for a user."),
    Reason.ARTIFACT_NOT_FOUND: _spec(404, "NOT_FOUND", "No artifact art_x."),
    Reason.REVISION_NOT_FOUND: _spec(404, "NOT_FOUND", "Artifact art_x has no revision rev_y."),
    Reason.NODE_NOT_FOUND: _spec(404, "NOT_FOUND", "Artifact art_x has no node nod_y."),
    Reason.ARTIFACT_LOCKED: _spec(409, "ABORTED", "Another run is writing this artifact."),
    Reason.ARTIFACT_EMPTY: _spec(409, "FAILED_PRECONDITION", "The artifact has no committed revision yet."),
    Reason.REVISION_CONFLICT: _spec(409, "ABORTED", "The head moved since the base revision was read."),
    Reason.PROPOSAL_REJECTED: _spec(422, "FAILED_PRECONDITION", "Action 3: there is no block blk_x."),
    Reason.IR_INVALID: _spec(422, "FAILED_PRECONDITION", "The document breaks a rule; see details."),
    Reason.RUN_NOT_FOUND: _spec(404, "NOT_FOUND", "No run run_x."),
    Reason.RUN_TRANSITION_ILLEGAL: _spec(409, "FAILED_PRECONDITION", "A succeeded run cannot be paused."),
    Reason.RUN_FENCED: _spec(409, "ABORTED", "Another worker has taken this run over."),
    Reason.RUN_CANCELLED: _spec(409, "CANCELLED", "The run was cancelled."),
    Reason.RUN_DEADLINE_EXCEEDED: _spec(504, "DEADLINE_EXCEEDED", "The run took longer than runs.deadline_s."),
    Reason.PIPELINE_UNKNOWN: _spec(404, "NOT_FOUND", "No pipeline summarise."),
    Reason.STEP_UNKNOWN: _spec(404, "NOT_FOUND", "The run has no step outline2."),
    Reason.STEP_TIMEOUT: _spec(504, "DEADLINE_EXCEEDED", "The step llm took longer than its timeout."),
    Reason.EVENT_CURSOR_INVALID: _spec(400, "INVALID_ARGUMENT", "evt_x is not an event of this run."),
    Reason.SOURCE_NOT_FOUND: _spec(404, "NOT_FOUND", "No source src_x."),
    Reason.SOURCE_FORMAT_UNSUPPORTED: _spec(415, "INVALID_ARGUMENT", "report.xlsx: use md, txt, json, docx or pdf."),
    Reason.SOURCE_NAME_INVALID: _spec(400, "INVALID_ARGUMENT", "A file name may not contain '..'."),
    Reason.SOURCE_TOO_LARGE: _spec(413, "RESOURCE_EXHAUSTED", "big.pdf is larger than 50 MiB."),
    Reason.SOURCE_EMPTY: _spec(400, "INVALID_ARGUMENT", "There is no document in this request."),
    Reason.SOURCE_UNREADABLE: _spec(422, "FAILED_PRECONDITION", "notes.docx is not a DOCX file (not a zip)."),
    Reason.SOURCE_ENCRYPTED: _spec(422, "FAILED_PRECONDITION", "secret.pdf is encrypted; remove its password."),
    Reason.SOURCE_NO_TEXT: _spec(422, "FAILED_PRECONDITION", "scan.pdf holds pictures of text only."),
    Reason.SOURCE_LIMIT_EXCEEDED: _spec(422, "FAILED_PRECONDITION", "deep.json is nested deeper than 200 levels."),
    Reason.SOURCE_NOT_READY: _spec(409, "FAILED_PRECONDITION", "src_x is still being read."),
    Reason.NO_USABLE_SOURCES: _spec(422, "FAILED_PRECONDITION", "None of the sources could be read."),
    Reason.NO_EVIDENCE: _spec(422, "FAILED_PRECONDITION", "The sources hold nothing about this title."),
    Reason.PROVIDER_UNKNOWN: _spec(400, "INVALID_ARGUMENT", "No provider acme; there are extractive, openai."),
    Reason.PROVIDER_UNAVAILABLE: _spec(503, "UNAVAILABLE", "openai answered 500 three times."),
    Reason.PROVIDER_CREDENTIALS: _spec(424, "FAILED_PRECONDITION", "openai refused the key; set OPENAI_API_KEY."),
    Reason.PROVIDER_RATE_LIMITED: _spec(429, "RESOURCE_EXHAUSTED", "openai asks to wait 20 s."),
    Reason.PROVIDER_OUTPUT_INVALID: _spec(502, "FAILED_PRECONDITION", "The model's answer breaks its schema."),
    Reason.PROVIDER_OUTPUT_TRUNCATED: _spec(502, "FAILED_PRECONDITION", "The model stopped at its output limit."),
    Reason.PROVIDER_REFUSED: _spec(502, "FAILED_PRECONDITION", "The model refused to answer."),
    Reason.MODEL_UNKNOWN: _spec(400, "INVALID_ARGUMENT", "The provider openai has no model gpt-0."),
    Reason.CONTRACT_UNKNOWN: _spec(400, "INVALID_ARGUMENT", "No contract lace.sing.v1."),
    Reason.SCHEMA_INVALID: _spec(400, "INVALID_ARGUMENT", "The response schema is itself invalid."),
    Reason.CONTEXT_TOO_LONG: _spec(422, "FAILED_PRECONDITION", "The prompt needs 140000 of 128000 tokens."),
    Reason.COMPILE_TARGET_UNKNOWN: _spec(400, "INVALID_ARGUMENT", "No target epub; use md, docx, pdf or owl."),
    Reason.COMPILE_FAILED: _spec(500, "INTERNAL", "The compiler failed on this revision."),
    Reason.COMPILED_NOT_FOUND: _spec(404, "NOT_FOUND", "Nothing was compiled for art_x yet."),
    Reason.BLOB_NOT_FOUND: _spec(404, "NOT_FOUND", "The stored file is missing."),
    Reason.BLOB_CONFLICT: _spec(409, "ALREADY_EXISTS", "Another content is stored under this key."),
    Reason.BLOB_CORRUPT: _spec(500, "DATA_LOSS", "The stored file does not match its hash."),
    Reason.SIGNED_URL_INVALID: _spec(403, "PERMISSION_DENIED", "The link was altered."),
    Reason.SIGNED_URL_EXPIRED: _spec(410, "FAILED_PRECONDITION", "The link expired; ask for a new one."),
    Reason.PROVENANCE_NOT_FOUND: _spec(404, "NOT_FOUND", "Nothing is recorded about ent_x."),
    Reason.ARTIFACT_NOT_EMPTY: _spec(
        409, "FAILED_PRECONDITION", "art_x is written already; generate writes new or outlined ones."
    ),
    Reason.IR_CORRUPT: _spec(500, "DATA_LOSS", "Revision rev_y of art_x does not match its hash."),
    Reason.SCHEMA_TOO_NEW: _spec(503, "UNAVAILABLE", "rev_y was written by a newer version; upgrade this one."),
    Reason.EVENT_SCHEMA_UNSUPPORTED: _spec(400, "INVALID_ARGUMENT", "There is no event schema 7; use 2 or 1."),
    Reason.EVENT_NOT_FOUND: _spec(404, "NOT_FOUND", "run_x has no event evt_x_9."),
    Reason.EVENT_CONTENT_NOT_FOUND: _spec(404, "NOT_FOUND", "The payload of evt_x_9 is all there is."),
    Reason.PIPELINE_INVALID: _spec(
        400,
        "INVALID_ARGUMENT",
        "The pipeline cannot be run: /steps/2/step: llm takes Context, which no earlier step gives.",
    ),
    Reason.QUOTA_EXCEEDED: _spec(429, "RESOURCE_EXHAUSTED", "The tenant has 100 runs waiting, as many as it may."),
    Reason.DEAD_LETTER_NOT_FOUND: _spec(404, "NOT_FOUND", "No dead letter dlt_x."),
    Reason.DEAD_LETTER_SETTLED: _spec(409, "FAILED_PRECONDITION", "dlt_x was redriven already."),
    Reason.ALS_OVER_LIMIT: _spec(
        422, "FAILED_PRECONDITION", "The context block de has 361 characters, and 350 are allowed."
    ),
    Reason.GROUNDING_REQUIRED: _spec(
        422, "FAILED_PRECONDITION", "The answer had to be grounded and was not: no_search_results."
    ),
    Reason.BATCH_NOT_FOUND: _spec(404, "NOT_FOUND", "No batch bat_x."),
    Reason.BATCH_TRANSITION_ILLEGAL: _spec(409, "FAILED_PRECONDITION", "bat_x is completed and cannot be paused."),
    Reason.BATCH_DRIFTED: _spec(
        409, "FAILED_PRECONDITION", "The model answered as fp_2, and the batch is held to fp_1."
    ),
    Reason.TEMPLATE_NOT_FOUND: _spec(404, "NOT_FOUND", "No template tpl_x."),
    Reason.TEMPLATE_INVALID: _spec(400, "INVALID_ARGUMENT", "/messages/0: {{city}} is not declared in variables."),
    Reason.TEMPLATE_CONFLICT: _spec(
        409, "ALREADY_EXISTS", "advice 2 stands for another content; the details say how they differ."
    ),
    Reason.TEMPLATE_CORRUPT: _spec(500, "DATA_LOSS", "The record of tpl_x does not match its seal."),
    Reason.TEMPLATE_VARIABLES_INVALID: _spec(400, "INVALID_ARGUMENT", "/variables/city: is missing."),
    Reason.TEMPLATE_RUN_NOT_FOUND: _spec(404, "NOT_FOUND", "tpl_x has no run trn_y."),
    Reason.MODEL_VERSION_MISMATCH: _spec(
        409, "FAILED_PRECONDITION", "gpt-4o-2024-11-20 answered, and the template is held to gpt-4o-2024-08-06."
    ),
    Reason.SCHEMA_CYCLE: _spec(400, "INVALID_ARGUMENT", "#/$defs/a refers to itself: an answer could have no end."),
    Reason.OVERLOADED: _spec(
        503,
        "UNAVAILABLE",
        "The model gateway has 1024 calls under way; this one's turn would come too late. Try again in 2 s.",
    ),
    Reason.PRICE_INVALID: _spec(400, "INVALID_ARGUMENT", "The price of openai/gpt-4o is negative."),
    Reason.PROVIDER_OUTPUT_LEAKED: _spec(
        502, "FAILED_PRECONDITION", "The answer repeats its instructions, and was thrown away."
    ),
    Reason.RECORDING_NOT_FOUND: _spec(404, "NOT_FOUND", "No recording of this input with the model gpt-4o."),
    Reason.RECORDING_CORRUPT: _spec(500, "DATA_LOSS", "The recording 0f3a.json cannot be read."),
    Reason.CAPABILITIES_INVALID: _spec(
        500,
        "INTERNAL",
        "The capability matrix is wrong about openai/gpt-4o: its limits contradict each other.",
    ),
    Reason.SOURCE_NOT_EXTRACTABLE: _spec(
        422, "FAILED_PRECONDITION", "scan.pdf: 40 of 1000 parts of it could be read; 100 are wanted."
    ),
    Reason.DIFF_LIMIT_EXCEEDED: _spec(422, "FAILED_PRECONDITION", "a.txt and b.txt take longer to compare than 30 s."),
    Reason.PREVIOUS_VERSION_NOT_FOUND: _spec(
        404, "NOT_FOUND", "a.md is the first of its versions; name the source to compare it with."
    ),
    Reason.UNIT_NOT_FOUND: _spec(404, "NOT_FOUND", "No unit unt_x."),
    Reason.EXTRACTION_NOT_FOUND: _spec(404, "NOT_FOUND", "src_x was never read as pdf/x-1; see its extractions."),
    Reason.SOURCE_VERSION_CONFLICT: _spec(
        409, "ALREADY_EXISTS", "report.md with these bytes is version 1 of another document (src_x)."
    ),
    Reason.BUNDLE_NOT_FOUND: _spec(404, "NOT_FOUND", "No bundle budget-2026."),
    Reason.BUNDLE_EXISTS: _spec(409, "ALREADY_EXISTS", "There is a bundle budget-2026 already."),
    Reason.BUNDLE_CONFLICT: _spec(409, "ABORTED", "budget-2026 is at version 4, not 3; look at it again."),
    Reason.BUNDLE_EMPTY: _spec(409, "FAILED_PRECONDITION", "budget-2026 has no sources in version 2."),
    Reason.READING_FAILED: _spec(
        503, "UNAVAILABLE", "report.pdf could not be read for no fault of its own; try it again."
    ),
    Reason.INBOX_PREFIX_INVALID: _spec(400, "INVALID_ARGUMENT", "A prefix may not contain '..'."),
    Reason.INBOX_EMPTY: _spec(422, "FAILED_PRECONDITION", "Nothing in the inbox has a name that begins with 2026/."),
    Reason.INBOX_LIMIT_EXCEEDED: _spec(
        422, "FAILED_PRECONDITION", "More than 1000 objects of the inbox begin with 2026/; name a longer prefix."
    ),
    Reason.FACT_NOT_FOUND: _spec(404, "NOT_FOUND", "No fact fct_x."),
    Reason.FACT_SPAN_INVALID: _spec(
        400, "INVALID_ARGUMENT", "The unit has the characters 0 to 80; 70 to 90 is no part."
    ),
    Reason.FACT_QUOTE_MISMATCH: _spec(422, "FAILED_PRECONDITION", "At this span stands: 'It cost 5 million.'."),
    Reason.FACT_NOT_SUPPORTED: _spec(
        422, "FAILED_PRECONDITION", "The quote does not support the statement (contradicted)."
    ),
    Reason.CONTEXT_BUDGET_TOO_SMALL: _spec(
        422, "FAILED_PRECONDITION", "The smallest unit found takes 120 tokens, and 100 are given."
    ),
    Reason.SOURCE_EXTRACTOR_MISSING: _spec(
        422, "FAILED_PRECONDITION", "The setting ingest.extractor asks for docling, which is not installed."
    ),
    Reason.REVIEW_ITEM_NOT_FOUND: _spec(404, "NOT_FOUND", "No review item rvi_x."),
    Reason.REVIEW_SETTLED: _spec(409, "FAILED_PRECONDITION", "rvi_x was accepted by prn_y: 'seen on site'."),
    Reason.REVIEW_NOT_ACCEPTABLE: _spec(
        409, "FAILED_PRECONDITION", "The evidence contradicts it; rewrite or reject it."
    ),
    Reason.REVIEW_PLACE_GONE: _spec(
        409, "FAILED_PRECONDITION", "The section that it was written for is gone; reject it."
    ),
    Reason.REVIEW_PLACE_FINAL: _spec(409, "FAILED_PRECONDITION", "nod_y is final; reopen it first."),
    Reason.REVIEW_EVIDENCE_GONE: _spec(
        409, "FAILED_PRECONDITION", "Its quote does not stand in a.md any more; rewrite or reject it."
    ),
    Reason.REVIEW_NOT_SUPPORTED: _spec(
        422, "FAILED_PRECONDITION", "The evidence does not support the new text; see details."
    ),
    Reason.PARAGRAPH_NOT_FOUND: _spec(404, "NOT_FOUND", "No paragraph par_x."),
    Reason.PARAGRAPH_TRANSITION_ILLEGAL: _spec(
        409, "FAILED_PRECONDITION", "par_x is being written; cancel its run or wait for it."
    ),
    Reason.PARAGRAPH_NOT_SUPPORTED: _spec(
        422, "FAILED_PRECONDITION", "The facts do not support 1 of 3 sentences; see details."
    ),
    Reason.PARAGRAPH_EMPTY: _spec(
        409, "FAILED_PRECONDITION", "par_x has no sentence that stands; generate or edit it."
    ),
    Reason.FACT_RETIRED: _spec(409, "FAILED_PRECONDITION", "fct_x was retired; leave it out."),
    Reason.SUITE_RULE_UNKNOWN: _spec(
        400, "INVALID_ARGUMENT", "line 4, column 5 (/checks/0/rule): There is no rule 'anwers'. Did you mean 'answers'?"
    ),
    Reason.SUITE_INVALID: _spec(
        400, "INVALID_ARGUMENT", "line 4, column 5 (/checks/0/at_most): Nothing is at least 5 and at most 3."
    ),
    Reason.SUITE_NOT_FOUND: _spec(404, "NOT_FOUND", "No suite harrow-bay; GET /v1/suites lists them."),
    Reason.TEST_NOT_FOUND: _spec(404, "NOT_FOUND", "art_x has no test tst_y."),
    Reason.PUBLISH_REFUSED: _spec(
        409, "FAILED_PRECONDITION", "rev_y of art_x cannot be published: policy, suites/harrow-bay. See details."
    ),
    Reason.PUBLICATION_NOT_FOUND: _spec(404, "NOT_FOUND", "art_x has no publication pub_y."),
    Reason.POLICY_INVALID: _spec(
        400, "INVALID_ARGUMENT", "Line 4, column 3: There is no field 'max_wrods' here. Did you mean 'max_words'?"
    ),
    Reason.POLICY_LOOP: _spec(
        400, "INVALID_ARGUMENT", "Policies extend one another in a circle: team@2 → house@1 → team@2."
    ),
    Reason.POLICY_NOT_FOUND: _spec(404, "NOT_FOUND", "No policy house@9."),
    Reason.POLICY_VERSION_EXISTS: _spec(
        409, "ALREADY_EXISTS", "house@3 stands for another text; count the version up."
    ),
    Reason.POLICY_FORBIDS: _spec(422, "FAILED_PRECONDITION", "The policy house@3 allows extractive, not gemini."),
    Reason.UNVERIFIED_CONTENT: _spec(
        422,
        "FAILED_PRECONDITION",
        "1 pieces of text may not stand; the first is /nodes/nod_x/blocks/blk_y/sen_z: It cites nothing.",
    ),
    Reason.REF_NOT_FOUND: _spec(404, "NOT_FOUND", "art_x has no branch or tag board-draft."),
    Reason.BRANCH_NOT_FOUND: _spec(404, "NOT_FOUND", "art_x has no branch board-draft."),
    Reason.TAG_NOT_FOUND: _spec(404, "NOT_FOUND", "art_x has no tag as-sent."),
    Reason.REF_NAME_INVALID: _spec(400, "INVALID_ARGUMENT", "'a b' is no name: use letters, digits, '.', '_' and '-'."),
    Reason.REF_EXISTS: _spec(409, "ALREADY_EXISTS", "art_x has a branch or tag board-draft already."),
    Reason.BRANCH_PROTECTED: _spec(409, "FAILED_PRECONDITION", "main is the document itself; it cannot be deleted."),
    Reason.BRANCH_NOT_MERGED: _spec(409, "FAILED_PRECONDITION", "board-draft holds 3 revisions that main has not."),
    Reason.HISTORIES_UNRELATED: _spec(
        409, "FAILED_PRECONDITION", "rev_x and rev_y have no revision in common; copy what you need."
    ),
    Reason.RESOLUTION_INVALID: _spec(
        400, "INVALID_ARGUMENT", "cfl_x: There is no such conflict; one of the sides has changed. Merge again."
    ),
    Reason.EVALUATION_NOT_FOUND: _spec(404, "NOT_FOUND", "No evaluation evl_x."),
    Reason.EVALUATION_SET_NOT_FOUND: _spec(404, "NOT_FOUND", "No set gold; there is golden."),
    Reason.EVALUATION_LIMIT_EXCEEDED: _spec(422, "FAILED_PRECONDITION", "This takes longer to verify than 20 s."),
    Reason.SUITE_LIMIT_EXCEEDED: _spec(
        422, "FAILED_PRECONDITION", "The suite harrow-bay takes longer than 30 s on art_x."
    ),
}


@dataclass(frozen=True)
class Detail:
    """One violated rule: the field (JSON pointer or dotted path) and what is wrong with it."""

    field: str
    description: str


class LaceError(Exception):
    """A failure with a stable reason; every layer passes it on unchanged, the edge turns it into a status.

    `retry_after` is in seconds and only set where waiting helps.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        details: Sequence[Detail] = (),
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.details = tuple(details)
        self.retryable = retryable
        self.retry_after = retry_after

    def __repr__(self) -> str:
        return f"LaceError({self.reason.value}, {self.message!r})"
