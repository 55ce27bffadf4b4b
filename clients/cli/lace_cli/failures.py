"""How a failure looks at the command line: one line with what happened, its code, and what to do; an exit code."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lace_core.errors import LaceError

OK = 0
FAILED = 1
WRONG_USE = 2
NOT_REACHED = 3
NOT_ALLOWED = 4
NOT_FOUND = 5
INTERRUPTED = 130


class CommandError(Exception):
    """Something that a command found out by itself; `code` is in the catalogue's style, `advice` says what to do."""

    def __init__(self, message: str, *, code: str, advice: str = "", exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
        self.advice = advice
        self.exit_code = exit_code


@dataclass(frozen=True)
class Explained:
    """A failure as it is shown."""

    message: str
    code: str
    advice: str
    exit_code: int
    details: tuple[str, ...] = ()
    correlation_id: str = ""


_ADVICE = {
    "TOKEN_MISSING": "Set LACE_TOKEN, or run where `lace up` keeps its data (LACE_DATA_DIR).",
    "TOKEN_INVALID": "Check LACE_TOKEN and LACE_URL: the token belongs to another installation, or was mistyped.",
    "TOKEN_EXPIRED": "Make a new one: lace token create NAME",
    "TOKEN_REVOKED": "Use another token: LACE_TOKEN",
    "PERMISSION_DENIED": "Use a token that has the scope: lace token create NAME --scope SCOPE",
    "RUN_NOT_FOUND": "See the runs there are: lace runs",
    "EVENT_NOT_FOUND": "See the events there are: lace events RUN --json",
    "EVENT_CONTENT_NOT_FOUND": "Its payload is whole: lace events RUN --json",
    "EVENT_SCHEMA_UNSUPPORTED": "Leave --schema-version out, or name one that this server has.",
    "ARTIFACT_NOT_FOUND": "See what was written: lace documents",
    "REVIEW_ITEM_NOT_FOUND": "See what waits: lace review list",
    "REVIEW_SETTLED": "See what was done about it: lace review show ITEM",
    "REVIEW_NOT_ACCEPTABLE": "Use other words: lace review rewrite ITEM TEXT; or leave it out: lace review reject ITEM",
    "REVIEW_PLACE_GONE": "Leave it out: lace review reject ITEM --reason WHY",
    "REVIEW_EVIDENCE_GONE": "Use other words: lace review rewrite ITEM TEXT; or leave it out: lace review reject ITEM",
    "REVIEW_NOT_SUPPORTED": "Say no more than the evidence does: lace review show ITEM",
    "REF_NOT_FOUND": "See the names there are: lace branch ARTIFACT; lace tag ARTIFACT",
    "BRANCH_NOT_FOUND": "See the branches there are: lace branch ARTIFACT",
    "TAG_NOT_FOUND": "See the tags there are: lace tag ARTIFACT",
    "REVISION_NOT_FOUND": "See the revisions there are: lace log ARTIFACT",
    "REF_EXISTS": "Choose another name; see those there are: lace branch ARTIFACT; lace tag ARTIFACT",
    "BRANCH_NOT_MERGED": "Merge it: lace merge ARTIFACT BRANCH; or: lace branch ARTIFACT BRANCH --delete --force",
    "RESOLUTION_INVALID": "See the conflicts as they are now: lace merge ARTIFACT REF --dry-run",
    "DEAD_LETTER_NOT_FOUND": "See the letters there are: lace dlq list",
    "SOURCE_EXTRACTOR_MISSING": "Install 'lace-ingest[docling]', or: lace settings unset ingest.extractor",
    "SOURCE_NOT_EXTRACTABLE": "Give a copy that holds text; or lower it: lace settings set ingest.min_extractability 0",
    "SOURCE_NOT_FOUND": "See the sources there are: lace sources",
    "SOURCE_VERSION_CONFLICT": "See its versions: lace sources versions SOURCE",
    "EXTRACTION_NOT_FOUND": "See how it was read: lace sources extractions SOURCE",
    "BUNDLE_NOT_FOUND": "See the bundles there are: lace bundles list",
    "BUNDLE_EXISTS": "Choose another name, or change that one: lace bundles add BUNDLE SOURCE",
    "BUNDLE_CONFLICT": "Look at it again: lace bundles show BUNDLE",
    "BUNDLE_EMPTY": "Give it sources: lace bundles add BUNDLE SOURCE",
    "PREVIOUS_VERSION_NOT_FOUND": "Name both: lace diff SOURCE SOURCE",
    "DIFF_LIMIT_EXCEEDED": "Compare smaller sources, or raise ingest.diff_timeout_s where LACE runs.",
    "EVALUATION_SET_NOT_FOUND": "Name golden, or give the file of a set: lace eval pairs.json",
    "EVALUATION_LIMIT_EXCEEDED": "Send less at once, or raise runs.evaluation_timeout_s where LACE runs.",
    "SOURCE_NOT_READY": "See where it is: lace sources",
    "FACT_NOT_FOUND": "See the facts there are: lace facts SOURCE",
    "FACT_SPAN_INVALID": "See the unit's text: lace sources units SOURCE",
    "FACT_QUOTE_MISMATCH": "Copy the quote out of the unit as it stands: lace sources units SOURCE",
    "FACT_NOT_SUPPORTED": "State what the quote says, with its numbers, names and hedges; or quote more of it.",
    "FACT_RETIRED": "Allow another in its place: lace facts SOURCE",
    "PARAGRAPH_NOT_FOUND": "See the paragraphs there are: lace paragraph list",
    "PARAGRAPH_TRANSITION_ILLEGAL": "See where it is: lace paragraph show PARAGRAPH; end its run: lace cancel RUN",
    "PARAGRAPH_NOT_SUPPORTED": "Say what the quotes of the facts say (lace facts show FACT), or cite others.",
    "PARAGRAPH_EMPTY": "Have it written: lace paragraph generate PARAGRAPH",
    "CONTEXT_BUDGET_TOO_SMALL": "Give more tokens: lace context --tokens N",
    "INBOX_EMPTY": "See what lies there: lace sources inbox",
    "INBOX_PREFIX_INVALID": "Write it as lace sources inbox shows the names, from the inbox on.",
    "INBOX_LIMIT_EXCEEDED": "Name a longer prefix (lace sources inbox), or raise ingest.import_objects.",
    "READING_FAILED": "Try again: lace ingest with the same files reads what was not read; lace dlq list says more.",
    "TOKEN_NOT_FOUND": "See the tokens there are: lace token list",
    "SETTING_UNKNOWN": "See the settings there are: lace settings list",
    "SETTING_INVALID": "See what it may be: lace settings list",
    "NO_USABLE_SOURCES": "Give it documents first: lace ingest FOLDER",
    "NO_EVIDENCE": "Choose a title that the sources speak of, or give it more of them: lace ingest FOLDER",
    "MODEL_UNKNOWN": "See the models there are: lace models (openai/ is that provider's default)",
    "CONTEXT_TOO_LONG": "Raise llm.context_tokens where the model can take more, or ask of fewer sources.",
    "PROVIDER_UNKNOWN": "See the providers there are: lace providers",
    "PROVIDER_CREDENTIALS": "Set the provider's key where LACE runs: OPENAI_API_KEY (and OPENAI_BASE_URL for another "
    "server), ANTHROPIC_API_KEY or GEMINI_API_KEY.",
    "PROVIDER_UNAVAILABLE": "Try it: lace providers validate PROVIDER; an own server is at OPENAI_BASE_URL. Others to "
    "ask while it is away: llm.fallbacks.",
    "PROVIDER_RATE_LIMITED": "Ask less often, raise the limit of your account, or name others to ask: llm.fallbacks.",
    "PROVIDER_OUTPUT_INVALID": "Ask again, or have the model mend its answer: llm.repair_attempts. Where the server "
    "cannot be read at all, see whether OPENAI_BASE_URL is right: it mostly ends with /v1.",
    "PROVIDER_OUTPUT_TRUNCATED": "Raise llm.max_output_tokens, or ask for less at once.",
    "PROVIDER_OUTPUT_LEAKED": "The answer told its instructions and is kept back: see whether a source asks for that.",
    "PROVIDER_REFUSED": "The model will not say it: put it otherwise, or ask another (lace models).",
    "SCHEMA_INVALID": "Write the answer's schema as JSON Schema, with its definitions in itself.",
    "SCHEMA_CYCLE": "Write the schema without the reference that leads back to itself, to a fixed depth.",
    "TEMPLATE_INVALID": "Mend the file at that place; what a template holds: lace templates create --help",
    "GROUNDING_REQUIRED": "Ask a model that searches, or loosen the grounding to preferred.",
    "RECORDING_NOT_FOUND": "Record the call first: set LACE_REPLAY_SOURCE to the provider that is to be recorded.",
    "QUOTA_EXCEEDED": "See what was spent, and until when: lace quotas spent TENANT",
    "OVERLOADED": "Try again after the time that is named; for more at once: llm.concurrency, or another replica.",
    "PRICE_INVALID": "Write llm.prices as provider/model=IN:OUT@YYYY-MM-DD, in dollars for a million tokens.",
    "BATCH_NOT_FOUND": "See the batches there are: lace templates batches TEMPLATE",
    "BATCH_TRANSITION_ILLEGAL": "See where it is: lace templates batch show BATCH",
    "BATCH_DRIFTED": "Hold it to the model as it is now: lace templates batch resume BATCH --accept-drift",
    "ALS_OVER_LIMIT": "Shorten the wording; the limit is the setting llm.als_limit.",
    "TEMPLATE_NOT_FOUND": "See the templates there are: lace templates list",
    "TEMPLATE_RUN_NOT_FOUND": "See the runs there are: lace templates runs TEMPLATE",
    "TEMPLATE_CONFLICT": "A template is written once: give the new content a version of its own.",
    "TEMPLATE_VARIABLES_INVALID": "See its variables: lace templates show TEMPLATE",
    "TEMPLATE_CORRUPT": "The database was changed from outside: tell who runs it, and restore the row. After a change "
    "of LACE_SERVICE_SECRET: give LACE_RECORD_KEYS=k0= with the one before.",
    "MODEL_VERSION_MISMATCH": "The provider changed the model: look at its answers, then keep a version "
    "of the template that names the new one.",
    "SUITE_RULE_UNKNOWN": "See the rules there are: lace test --schema",
    "SUITE_INVALID": "Mend the file at that place; what a suite may hold: lace test --schema",
    "SUITE_NOT_FOUND": "See the suites there are: lace suite list; keep one: lace suite push FILE",
    "SUITE_LIMIT_EXCEEDED": "Split the suite, or raise runs.suite_timeout_s where LACE runs.",
    "UNVERIFIED_CONTENT": "Cite what says it, or leave it out; what stands and why: lace verdicts ARTIFACT",
    "TEST_NOT_FOUND": "See the tests there are: lace suite results ARTIFACT",
    "PUBLISH_REFUSED": "Open each gate that is named, then publish again; what holds: lace policy explain",
    "PUBLICATION_NOT_FOUND": "See the publications there are: lace publications ARTIFACT",
    "POLICY_INVALID": "Mend the file at that place; each place at once: lace policy check FILE",
    "POLICY_LOOP": "Take one of the extends out: lace policy check FILE",
    "POLICY_NOT_FOUND": "See the policies there are: lace policy list",
    "POLICY_VERSION_EXISTS": "Count the file's version up and push it again; what is different: lace policy diff",
    "POLICY_FORBIDS": "See what holds: lace policy explain; for administrators: lace policy activate",
    "IDEMPOTENCY_KEY_REUSED": "Take another key, or none: each command makes its own.",
    "SERVICE_UNAVAILABLE": "Try again in a moment; what runs and what does not: lace health",
    "INTERNAL": "Quote the correlation id; the log has more.",
}
_NOT_ALLOWED = {"TOKEN_MISSING", "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED", "PERMISSION_DENIED"}


def advice_for(code: str) -> str:
    """What to do about a failure with this code; empty where nothing general can be said."""
    return _ADVICE.get(code, "")


def explain(error: BaseException) -> Explained:
    """The failure in words; unexpected ones keep their type's name, so that a report of them is of use."""
    from lace_core.errors import LaceError
    from lace_standalone.bootstrap import PortTakenError, TokenLostError
    from lace_standalone.embedded_postgres import EmbeddedPostgresError
    from lace_standalone.folder import AlreadyRunningError

    match error:
        case CommandError():
            return Explained(str(error), error.code, error.advice, error.exit_code)
        case LaceError():
            return _explain_coded(error)
        case AlreadyRunningError():
            advice = "Use it as it is (lace health), or stop it first, or choose another folder: LACE_DATA_DIR"
            return Explained(str(error), "ALREADY_RUNNING", advice, FAILED)
        case PortTakenError():
            return Explained(str(error), "PORT_TAKEN", "", FAILED)
        case TokenLostError():
            return Explained(str(error), "TOKEN_LOST", "", FAILED)
        case EmbeddedPostgresError():
            return Explained(f"The embedded database: {error}", "DATABASE_NOT_STARTED", "", FAILED)
        case KeyboardInterrupt():
            return Explained("Interrupted.", "INTERRUPTED", "", INTERRUPTED)
        case OSError():
            return Explained(_of_system(error), "SYSTEM_ERROR", "", FAILED)
        case _:
            advice = "This is a defect of the command; LACE_TRACEBACK=1 shows where."
            return Explained(f"{type(error).__name__}: {error}", "UNEXPECTED", advice, FAILED)


def show(error: BaseException, *, as_json: bool) -> int:
    """Writes the failure to stderr; the exit code that goes with it."""
    told = explain(error)
    if as_json:
        sys.stderr.write(json.dumps(_as_dict(told), ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(_as_text(told) + "\n")
    return told.exit_code


def _explain_coded(error: LaceError) -> Explained:
    # A newer server may know codes that this version does not: then the client keeps the code beside the reason.
    code = str(getattr(error, "error_code", "") or error.reason)
    exit_code = NOT_REACHED if code == "SERVICE_UNAVAILABLE" else FAILED
    if code in _NOT_ALLOWED:
        exit_code = NOT_ALLOWED
    elif code.endswith("_NOT_FOUND"):
        exit_code = NOT_FOUND
    details = tuple(f"{detail.field}: {detail.description}" for detail in error.details)
    advice = advice_for(code)
    if error.retry_after is not None:
        advice = f"Try again in {error.retry_after:g} s. {advice}".rstrip()
    return Explained(str(error), code, advice, exit_code, details, str(getattr(error, "correlation_id", "")))


def _of_system(error: OSError) -> str:
    if error.filename is not None:
        return f"{error.filename}: {error.strerror or error}"
    return error.strerror or str(error)


def _as_text(told: Explained) -> str:
    lines = [f"lace: {told.message} [{told.code}]"]
    lines += [f"      {detail}" for detail in told.details if detail not in told.message]
    if told.correlation_id and told.code == "INTERNAL":
        lines.append(f"      correlation id: {told.correlation_id}")
    if told.advice:
        lines.append(f"      {told.advice}")
    return "\n".join(lines)


def _as_dict(told: Explained) -> dict[str, object]:
    return {
        "error_code": told.code,
        "message": told.message,
        "details": list(told.details),
        "advice": told.advice,
        "correlation_id": told.correlation_id,
    }
