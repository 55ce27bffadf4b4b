"""Every mutation of the REST API: how to ask for it, and where its effect can be counted."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import psycopg
from psycopg.types.json import Jsonb

from tests.e2e import paragraph_items, review_items

Body = dict[str, Any]
_CLAIM = "The bridge cost ten pounds."


@dataclass
class Stage:
    """What cases are prepared with: the API under an administrator's token, and the database behind it."""

    api: httpx.AsyncClient
    dsn: str

    async def change(self, verb: str, path: str, body: Body) -> dict[str, Any]:
        """A mutation under a key of its own; it must succeed."""
        answer = await self.api.request(verb, path, json=body, headers={"idempotency-key": uuid.uuid4().hex})
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def sql(self, statement: str, **values: Any) -> Any:
        """The first column of the first row, None where there is none."""
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            cursor = await connection.execute(statement.encode(), values)
            row = await cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    async def document(self, changes: int) -> str:
        """An artifact with a root node and as many revisions."""
        artifact = await self.change("POST", "/v1/artifacts", {"title": "Idempotent"})
        path = f"/v1/artifacts/{artifact['artifact_id']}"
        inserted = {"idempotency_key": "root", "insert_node": {"title": "Root"}}
        await self.change("PATCH", path, {"actions": [inserted]})
        for number in range(1, changes):
            root = (await self.api.get(path)).json()["nodes"][0]["node_id"]
            renamed = {"idempotency_key": "t", "update_node": {"node_id": root, "title": f"Title {number}"}}
            await self.change("PATCH", path, {"actions": [renamed]})
        return str(artifact["artifact_id"])

    async def run_under_way(self, state: str) -> str:
        """A run in that state in the hands of a worker that does nothing and lives: it takes no command up."""
        started = await self.change("POST", "/v1/runs/outline", {"title": "Idempotent"})
        run_id = f"run_{uuid.uuid4().hex[:26]}"
        await self.sql(
            "INSERT INTO runs.workers (worker_id, started_at, heartbeat_at, expires_at) "
            "VALUES (%(w)s, now(), now(), now() + interval '1 hour')",
            w=run_id,
        )
        held = Jsonb({"run_id": run_id, "state": state, "worker_id": run_id, "ended_at": None})
        await self.sql(
            "INSERT INTO runs.runs SELECT (jsonb_populate_record(r, %(held)s)).* FROM runs.runs r WHERE run_id = %(l)s",
            held=held,
            l=started["run_id"],
        )
        return run_id

    async def batch_under_way(self, state: str) -> str:
        """A batch in that state in the hands of a process that does nothing and lives."""
        template_id = await self.template()
        path = f"/v1/templates/{template_id}/batch-run"
        started = await self.change("POST", path, {"variables": {"city": "Graz"}})
        batch_id = f"bat_{uuid.uuid4().hex[:26]}"
        held = Jsonb({"batch_id": batch_id, "state": state, "holder": batch_id, "held_until": "2100-01-01T00:00:00Z"})
        await self.sql(
            "INSERT INTO llm_gateway.batches SELECT (jsonb_populate_record(b, %(held)s)).* "
            "FROM llm_gateway.batches b WHERE batch_id = %(b)s",
            held=held,
            b=started["batch_id"],
        )
        return batch_id

    async def template(self) -> str:
        """A template of the offline provider."""
        content = {
            "name": f"n{uuid.uuid4().hex[:12]}", "version": "1", "provider": "extractive",
            "messages": [{"role": "user", "content": "It rained in {{city}}."}], "variables": [{"name": "city"}],
        }  # fmt: skip
        return str((await self.change("POST", "/v1/templates", content))["template_id"])

    async def source(self, version_of: str = "") -> str:
        """A source that is ready, and the second version of another where that is named."""
        source_id = f"src_{uuid.uuid4().hex[:26]}"
        await self.sql(
            "INSERT INTO ingest.sources (tenant_id, source_id, filename, title, format, media_type, size_bytes, "
            "sha256, raw_uri, state, error_code, error_message, page_count, unit_count, word_count, extraction, "
            "warnings_json, labels, run_id, created_by, created_at, first_source_id, version, previous_source_id) "
            "SELECT tenant_id, %(s)s, 'a.md', 'a', 'md', 'text/markdown', 1, repeat('0', 64), 'x', 'ready', '', '', 0, "
            "1, 1, 'x/1', '[]', '{}', '', 'prn_1', now(), %(f)s, %(v)s, %(f)s "
            "FROM control.tenants ORDER BY created_at LIMIT 1",
            s=source_id,
            f=version_of,
            v=2 if version_of else 1,
        )
        return source_id

    async def unit(self, text: str) -> tuple[str, str]:
        """A source that is ready, and its one unit, a paragraph of this text."""
        source_id, unit_id = await self.source(), f"unt_{uuid.uuid4().hex[:26]}"
        await self.sql(
            "INSERT INTO ingest.source_units (tenant_id, unit_id, source_id, extraction, place, kind, text, text_hash, "
            "heading_path, page, line, spans_json, language, words, lead) "
            "SELECT tenant_id, %(u)s, source_id, extraction, 0, 'paragraph', %(t)s, repeat('0', 64), '{}', 0, 0, '[]', "
            "'', 1, '' FROM ingest.sources WHERE source_id = %(s)s",
            u=unit_id,
            s=source_id,
            t=text,
        )
        return source_id, unit_id

    async def fact(self) -> str:
        """A fact that a person stated."""
        source_id, unit_id = await self.unit(_CLAIM)
        body = {"unit_id": unit_id, "statement": _CLAIM, "start": 0, "end": len(_CLAIM), "quote": _CLAIM}
        return str((await self.change("POST", f"/v1/sources/{source_id}/facts", body))["fact_id"])

    async def bundle(self) -> tuple[str, str]:
        """Name of a bundle, and the source in it."""
        name, source_id = f"n{uuid.uuid4().hex[:12]}", await self.source()
        await self.change("POST", "/v1/bundles", {"name": name, "source_ids": [source_id]})
        return name, source_id

    async def dead_letter(self) -> str:
        """A message that died, and would be handled if it were sent again."""
        ident, at = f"dlt_{uuid.uuid4().hex}", "2026-01-01T00:00:00+00:00"
        entry = {"audit_id": ident, "action": "a", "subject": "s", "outcome": "done", "occurred_at": at}
        await self.sql(
            "INSERT INTO control.dead_letters SELECT (jsonb_populate_record(NULL::control.dead_letters, to_jsonb(t) || "
            "%(row)s)).* FROM (SELECT tenant_id FROM control.tenants ORDER BY created_at LIMIT 1) AS t",
            row=Jsonb(
                {
                    "dead_letter_id": ident, "topic": "audit.recorded", "key": ident, "group_name": "control",
                    "event_id": ident, "schema_version": 1, "payload": orjson.dumps(entry).decode(), "headers_json": {},
                    "error_code": "", "error_message": "", "attempts": 8, "created_at": at, "died_at": at,
                    "redrive_of": "", "state": "dead", "settled_by": "", "recorded_at": at,
                }
            ),
        )  # fmt: skip
        return ident


@dataclass(frozen=True)
class Asked:
    """A request: values of its path, its body, another body (or path) that means something else, what to count by."""

    path: Mapping[str, str]
    body: Body
    other: Body
    subject: str = ""
    other_path: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Mutation:
    """`count` is SQL with %(mark)s, the correlation id of the requests, and %(subject)s; one effect counts one.

    `once` names fields of the answer that are in the first answer alone.
    """

    prepare: Callable[[Stage], Awaitable[Asked]]
    count: str
    once: tuple[str, ...] = field(default=())


def _plain(body: Callable[[], Body], other: Body, **path: str) -> Callable[[Stage], Awaitable[Asked]]:
    async def prepare(_: Stage) -> Asked:
        first = body()
        return Asked(path, first, {**first, **other})

    return prepare


_AS_EVER = {"compile.toc_depth": 3}  # what holds anyway: the tenant's other tests are not to notice


async def _tenant_settings(stage: Stage) -> Asked:
    tenant = str(await stage.sql("SELECT tenant_id FROM control.tenants ORDER BY created_at LIMIT 1"))
    return Asked({"tenant_id": tenant}, {"values": _AS_EVER}, {"values": {}})


async def _user_settings(stage: Stage) -> Asked:
    user = (await stage.change("POST", "/v1/principals", {"name": "u", "roles": ["member"]}))["principal_id"]
    return Asked({"user_id": user}, {"values": {"runs.target_words": 1200}}, {"values": {}})


async def _quotas(stage: Stage) -> Asked:
    tenant = (await stage.change("POST", "/v1/tenants", {"name": "q"}))["tenant_id"]
    return Asked({"tenant_id": tenant}, {"max_queued_runs": 7}, {"max_queued_runs": 8})


async def _token(stage: Stage) -> Asked:
    made = [await stage.change("POST", "/v1/tokens", {"name": "doomed"}) for _ in range(2)]
    first, second = (answer["token"]["token_id"] for answer in made)
    return Asked({"token_id": first}, {}, {}, first, other_path={"token_id": second})


async def _artifact(_: Stage) -> Asked:
    title = _named()
    return Asked({}, {"title": title}, {"title": f"{title} again"}, title)


async def _pipeline(_: Stage) -> Asked:
    body = {"pipeline_id": _named(), "base": "outline"}
    return Asked({}, body, {**body, "description": "Another one."}, body["pipeline_id"])


async def _patch(stage: Stage) -> Asked:
    artifact_id = await stage.document(1)
    root = (await stage.api.get(f"/v1/artifacts/{artifact_id}")).json()["nodes"][0]["node_id"]
    bodies = [{"actions": [{"idempotency_key": "p", "update_node": {"node_id": root, "title": t}}]} for t in "ab"]
    return Asked({"artifact_id": artifact_id}, bodies[0], bodies[1], artifact_id)


async def _rollback(stage: Stage) -> Asked:
    artifact_id = await stage.document(2)
    revisions = (await stage.api.get(f"/v1/artifacts/{artifact_id}/revisions")).json()["revisions"]
    body = {"revision_id": revisions[1]["revision_id"]}
    return Asked({"artifact_id": artifact_id}, body, {**body, "reason": "Another one."})


async def _branch(stage: Stage) -> Asked:
    body = {"name": _named()}
    return Asked({"artifact_id": await stage.document(1)}, body, {"name": _named()}, body["name"])


async def _branch_gone(stage: Stage) -> Asked:
    artifact_id, names = await stage.document(1), [_named(), _named()]
    for name in names:
        await stage.change("POST", f"/v1/artifacts/{artifact_id}/branches", {"name": name})
    path = {"artifact_id": artifact_id}
    return Asked({**path, "name": names[0]}, {}, {}, artifact_id, other_path={**path, "name": names[1]})


async def _merge(stage: Stage) -> Asked:
    artifact_id, name = await stage.document(1), _named()
    path = f"/v1/artifacts/{artifact_id}"
    await stage.change("POST", f"{path}/branches", {"name": name})
    root = (await stage.api.get(path)).json()["nodes"][0]["node_id"]
    summed = {"idempotency_key": name, "set_summary": {"node_id": root, "summary": "Short."}}
    await stage.change("PATCH", path, {"actions": [summed], "branch": name})
    return Asked({"artifact_id": artifact_id}, {"from": name}, {"from": name, "message": "Another."}, artifact_id)


async def _tag(stage: Stage) -> Asked:
    body = {"name": _named()}
    return Asked({"artifact_id": await stage.document(1)}, body, {**body, "message": "Another."}, body["name"])


async def _tag_gone(stage: Stage) -> Asked:
    artifact_id, names = await stage.document(1), [_named(), _named()]
    for name in names:
        await stage.change("POST", f"/v1/artifacts/{artifact_id}/tags", {"name": name})
    path = {"artifact_id": artifact_id}
    return Asked({**path, "name": names[0]}, {}, {}, artifact_id, other_path={**path, "name": names[1]})


async def _dead_letter(stage: Stage) -> Asked:
    first, second = await stage.dead_letter(), await stage.dead_letter()
    return Asked({"dead_letter_id": first}, {}, {}, other_path={"dead_letter_id": second})


async def _compile(stage: Stage) -> Asked:
    body = {"artifact_id": await stage.document(1), "targets": ["md"]}
    return Asked({}, body, {**body, "targets": ["owl"]})


async def _batch(stage: Stage) -> Asked:
    city = _named()
    body = {"variables": {"city": city}, "replicates": 2}
    return Asked({"template_id": await stage.template()}, body, {**body, "replicates": 3}, city)


def _batch_in(state: str) -> Callable[[Stage], Awaitable[Asked]]:
    async def prepare(stage: Stage) -> Asked:
        first, second = [await stage.batch_under_way(state) for _ in range(2)]
        return Asked({"batch_id": first}, {}, {}, first, other_path={"batch_id": second})

    return prepare


async def _template(_: Stage) -> Asked:
    body = _prompt(_named())
    return Asked({}, body, {**body, "version": "2"}, body["name"])


async def _template_run(stage: Stage) -> Asked:
    template_id = (await stage.change("POST", "/v1/templates", _prompt(_named())))["template_id"]
    return Asked({"template_id": template_id}, {"variables": {"a": "x"}}, {"variables": {"a": "y"}}, template_id)


def _prompt(name: str) -> Body:
    messages = [{"role": "user", "content": "Say this again: {{a}}"}]
    return {"name": name, "version": "1", "messages": messages, "variables": [{"name": "a"}], "provider": "extractive"}


async def _fact(stage: Stage) -> Asked:
    source_id, unit_id = await stage.unit(_CLAIM)
    body = {"unit_id": unit_id, "statement": _CLAIM, "start": 0, "end": len(_CLAIM), "quote": _CLAIM}
    return Asked({"source_id": source_id}, body, {**body, "confidence": 7}, source_id)


async def _retired_fact(stage: Stage) -> Asked:
    first, second = await stage.fact(), await stage.fact()
    return Asked({"fact_id": first}, {}, {}, first, other_path={"fact_id": second})


async def _extraction_of_facts(stage: Stage) -> Asked:
    source_id = await stage.source()
    return Asked({"source_id": source_id}, {"priority": 1}, {"priority": 2}, source_id)


async def _bundle(_: Stage) -> Asked:
    name = _named()
    return Asked({}, {"name": name}, {"name": name, "description": "Another one."}, name)


async def _bundle_version(stage: Stage) -> Asked:
    name, _ = await stage.bundle()
    body = {"add": [await stage.source()]}
    return Asked({"bundle_id": name}, body, {**body, "note": "Another one."}, name)


async def _bundle_refresh(stage: Stage) -> Asked:
    name, source_id = await stage.bundle()
    await stage.source(version_of=source_id)
    return Asked({"bundle_id": name}, {}, {"note": "Another one."}, name)


def _controlled(state: str) -> Callable[[Stage], Awaitable[Asked]]:
    async def prepare(stage: Stage) -> Asked:
        run_id = await stage.run_under_way(state)
        return Asked({"run_id": run_id}, {"reason": "a"}, {"reason": "b"}, run_id)

    return prepare


async def _paragraph(stage: Stage) -> Asked:
    spec = await paragraph_items.spec(stage)
    return Asked({}, {"spec": spec}, {"spec": {**spec, "purpose": "Another one."}}, spec["title"])


async def _paragraph_spec(stage: Stage) -> Asked:
    made, spec = await paragraph_items.draft(stage), await paragraph_items.spec(stage)
    other = {"spec": {**spec, "purpose": "Another one."}}
    return Asked({"paragraph_id": made["paragraph_id"]}, {"spec": spec}, other, made["paragraph_id"])


async def _paragraph_run(stage: Stage) -> Asked:
    made = await paragraph_items.written(stage)
    return Asked({"paragraph_id": made["paragraph_id"]}, {}, {"settings": {"runs.judge": False}})


async def _paragraph_edit(stage: Stage) -> Asked:
    made = await paragraph_items.draft(stage)
    said, ident = paragraph_items.sentences(made), made["paragraph_id"]
    return Asked({"paragraph_id": ident}, {"sentences": said}, {"sentences": said * 2}, ident)


async def _paragraph_landing(stage: Stage) -> Asked:
    artifact_id = await stage.document(1)
    made, other = [await paragraph_items.written(stage, artifact_id=artifact_id) for _ in range(2)]
    path, another = {"paragraph_id": made["paragraph_id"]}, {"paragraph_id": other["paragraph_id"]}
    return Asked(path, {}, {}, artifact_id, other_path=another)


async def _deleted_paragraph(stage: Stage) -> Asked:
    made, other = [await paragraph_items.draft(stage) for _ in range(2)]
    path, another = {"paragraph_id": made["paragraph_id"]}, {"paragraph_id": other["paragraph_id"]}
    return Asked(path, {}, {}, made["paragraph_id"], other_path=another)


def _reviewed(body: Body, other: Body) -> Callable[[Stage], Awaitable[Asked]]:
    async def prepare(stage: Stage) -> Asked:
        item_id = await review_items.open_item(stage)
        return Asked({"review_item_id": item_id}, body, {**body, **other}, item_id)

    return prepare


async def _policy(_: Stage) -> Asked:
    name = _named()
    body = {"yaml": f"policy: {name}\nversion: 1\n"}
    return Asked({}, body, {"yaml": f"policy: {name}\nversion: 2\n"}, name)


async def _activation(_: Stage) -> Asked:
    reason = _named()  # the policy that ships, which asks for nothing: the tenant's other tests are not to notice
    return Asked({"name": "default"}, {"reason": reason}, {"reason": reason, "version": 1}, reason)


def _suite_text(name: str, most: int = 3) -> str:
    return f"lace_suite: 1\nname: {name}\nchecks:\n- {{rule: max_depth, at_most: {most}}}\n"


async def _suite(_: Stage) -> Asked:
    name = _named()
    return Asked({}, {"text": _suite_text(name)}, {"text": _suite_text(name, 4)}, name)


async def _test_of_a_document(stage: Stage) -> Asked:
    artifact_id = await stage.document(1)
    body = {"text": _suite_text("depth")}
    return Asked({"artifact_id": artifact_id}, body, {"text": _suite_text("depth", 4)}, artifact_id)


async def _publication(stage: Stage) -> Asked:
    artifact_id = await stage.document(1)
    return Asked({"artifact_id": artifact_id}, {}, {"note": "Another one."}, artifact_id)


async def _withdrawal(stage: Stage) -> Asked:
    artifact_id = await stage.document(1)
    ident = (await stage.change("POST", f"/v1/artifacts/{artifact_id}:publish", {}))["publication_id"]
    path = {"artifact_id": artifact_id, "publication_id": ident}
    return Asked(path, {"reason": "a"}, {"reason": "b"}, ident)


def _audited(prepare: Callable[[Stage], Awaitable[Asked]], once: tuple[str, ...] = ()) -> Mutation:
    """Control writes every mutation into the audit log, in the mutation's own transaction."""
    return Mutation(prepare, "SELECT count(*) FROM control.audit_log WHERE correlation_id = %(mark)s", once)


_RUNS = "SELECT count(*) FROM runs.runs WHERE correlation_id = %(mark)s"
_COMMANDS = "SELECT count(*) FROM runs.run_control_commands WHERE run_id = %(subject)s"


_PARAGRAPH = "FROM runs.paragraphs WHERE paragraph_id = %(subject)s"
_REVIEWED = "SELECT count(*) FROM runs.review_events WHERE review_item_id = %(subject)s"
_BUNDLE = "SELECT count(*) FROM ingest.bundles WHERE name = %(subject)s"
# The first was made with the bundle.
_BUNDLE_VERSIONS = "SELECT version - 1 FROM ingest.bundles WHERE name = %(subject)s"
_BATCH_TOLD = (
    "SELECT count(*) FROM llm_gateway.outbox_events WHERE topic = 'llm.batch.recorded' AND key = %(subject)s "
    "AND payload_json->'batch'->>'state' = "
)


def _named() -> str:
    return f"n{uuid.uuid4().hex[:12]}"


async def _evaluation(_: Stage) -> Asked:
    title = _named()
    evidence = [{"quote": "It did not rain."}]
    pair = {"id": "a", "kind": "k", "label": "not", "sentence": "It rained.", "evidence": evidence}
    return Asked({}, {"title": title, "pairs": [pair]}, {"title": title, "set": "golden"}, title)


# By the name of the method. A method of the contract that is idempotent and not here fails a test.
MUTATIONS: Mapping[str, Mutation] = {
    "CreateToken": _audited(_plain(lambda: {"name": _named()}, {"name": "other"}), once=("secret",)),
    "RevokeToken": Mutation(
        _token, "SELECT count(*) FROM control.audit_log WHERE action = 'token.revoke' AND subject = %(subject)s"
    ),
    "PutSystemSettings": _audited(_plain(lambda: {"values": {}}, {"values": {"runs.target_words": 1200}})),
    "PutTenantSettings": _audited(_tenant_settings),
    "PutUserSettings": _audited(_user_settings),
    "PutQuotas": _audited(_quotas),
    "CreateTenant": _audited(_plain(lambda: {"name": _named()}, {"name": "other"})),
    "CreatePrincipal": _audited(_plain(lambda: {"name": _named(), "roles": ["member"]}, {"name": "other"})),
    "RedriveDeadLetter": _audited(_dead_letter),
    "DiscardDeadLetter": _audited(_dead_letter),
    "CreateArtifact": Mutation(_artifact, "SELECT count(*) FROM runs.artifacts WHERE title = %(subject)s"),
    "PatchArtifact": Mutation(
        _patch, "SELECT count(*) - 1 FROM runs.artifact_revisions WHERE artifact_id = %(subject)s"
    ),
    "RollbackArtifact": Mutation(_rollback, _RUNS),
    "CreateBranch": Mutation(_branch, "SELECT count(*) FROM runs.artifact_branches WHERE name = %(subject)s"),
    "DeleteBranch": Mutation(
        _branch_gone, "SELECT 2 - count(*) FROM runs.artifact_branches WHERE artifact_id = %(subject)s"
    ),
    "MergeArtifact": Mutation(
        _merge,
        "SELECT count(second_parent_revision_id) FROM runs.artifact_revisions WHERE artifact_id = %(subject)s",
    ),
    "CreateTag": Mutation(_tag, "SELECT count(*) FROM runs.artifact_tags WHERE name = %(subject)s"),
    "DeleteTag": Mutation(_tag_gone, "SELECT 2 - count(*) FROM runs.artifact_tags WHERE artifact_id = %(subject)s"),
    "StartRun": Mutation(_plain(lambda: {"title": "Once"}, {"title": "Twice"}, pipeline_id="outline"), _RUNS),
    "StartCompile": Mutation(_compile, _RUNS),
    "StartImport": Mutation(_plain(lambda: {"prefix": f"{_named()}/"}, {"priority": 1}), _RUNS),
    "PauseRun": Mutation(_controlled("running"), _COMMANDS),
    "ResumeRun": Mutation(_controlled("paused"), _COMMANDS),
    "RestartRun": Mutation(_controlled("running"), _COMMANDS),
    "CancelRun": Mutation(_controlled("running"), _COMMANDS),
    "StartExtractFacts": Mutation(_extraction_of_facts, _RUNS),
    "CreateFact": Mutation(_fact, "SELECT count(*) FROM ingest.facts WHERE source_id = %(subject)s"),
    "RetireFact": Mutation(
        _retired_fact, "SELECT count(*) FROM ingest.facts WHERE fact_id = %(subject)s AND state = 'retired'"
    ),
    "CreateBundle": Mutation(_bundle, _BUNDLE),
    "CreateBundleVersion": Mutation(_bundle_version, _BUNDLE_VERSIONS),
    "RefreshBundle": Mutation(_bundle_refresh, _BUNDLE_VERSIONS),
    "RunBatch": Mutation(_batch, "SELECT count(*) FROM llm_gateway.batches WHERE strpos(variables, %(subject)s) > 0"),
    "PauseBatch": Mutation(_batch_in("running"), f"{_BATCH_TOLD} 'pausing'"),
    "ResumeBatch": Mutation(_batch_in("paused"), f"{_BATCH_TOLD} 'queued'"),
    "CancelBatch": Mutation(_batch_in("running"), f"{_BATCH_TOLD} 'cancelled'"),
    "CreateTemplate": Mutation(_template, "SELECT count(*) FROM llm_gateway.templates WHERE name = %(subject)s"),
    "RunTemplate": Mutation(
        _template_run, "SELECT count(*) FROM llm_gateway.template_runs WHERE template_id = %(subject)s"
    ),
    "CreateEvaluation": Mutation(_evaluation, "SELECT count(*) FROM runs.evaluations WHERE title = %(subject)s"),
    "CreateParagraph": Mutation(_paragraph, "SELECT count(*) FROM runs.paragraphs WHERE title = %(subject)s"),
    "UpdateParagraphSpec": Mutation(_paragraph_spec, f"SELECT spec_version - 1 {_PARAGRAPH}"),
    "GenerateParagraph": Mutation(_paragraph_run, _RUNS),
    "VerifyParagraph": Mutation(_paragraph_run, _RUNS),
    "EditParagraph": Mutation(_paragraph_edit, f"SELECT texts {_PARAGRAPH}"),
    "LandParagraph": Mutation(
        _paragraph_landing, "SELECT count(*) - 1 FROM runs.artifact_revisions WHERE artifact_id = %(subject)s"
    ),
    "DeleteParagraph": Mutation(_deleted_paragraph, f"SELECT count(*) {_PARAGRAPH} AND state = 'deleted'"),
    "CreatePipeline": Mutation(_pipeline, "SELECT count(*) FROM runs.pipelines WHERE pipeline_id = %(subject)s"),
    "CreatePolicyVersion": Mutation(_policy, "SELECT count(*) FROM runs.policies WHERE name = %(subject)s"),
    "ActivatePolicy": Mutation(_activation, "SELECT count(*) FROM runs.policy_activations WHERE reason = %(subject)s"),
    "AcceptReviewItem": Mutation(_reviewed({"reason": "a"}, {"reason": "b"}), _REVIEWED),
    "RejectReviewItem": Mutation(_reviewed({"reason": "a"}, {"reason": "b"}), _REVIEWED),
    "RewriteReviewItem": Mutation(_reviewed({"reason": "a", "text": review_items.QUOTE}, {"reason": "b"}), _REVIEWED),
    "AssignReviewItem": Mutation(_reviewed({"assignee": "prn_1"}, {"assignee": "prn_2"}), _REVIEWED),
    "CreateSuite": Mutation(_suite, "SELECT count(*) FROM runs.suites WHERE name = %(subject)s"),
    "TestArtifact": Mutation(
        _test_of_a_document, "SELECT count(*) FROM runs.document_tests WHERE artifact_id = %(subject)s"
    ),
    "PublishArtifact": Mutation(_publication, "SELECT count(*) FROM runs.publications WHERE artifact_id = %(subject)s"),
    "WithdrawPublication": Mutation(
        _withdrawal,
        "SELECT count(*) FROM runs.publications WHERE publication_id = %(subject)s AND withdrawn_at IS NOT NULL",
    ),
}
