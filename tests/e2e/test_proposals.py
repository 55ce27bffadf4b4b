"""Proposals that are none, through the public API: a code, a pointer into the request, and nothing is changed."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import RunningInstallation
from tests.e2e.mutations import Stage

UNKNOWN = "nod_" + "a" * 26


def _key() -> dict[str, str]:
    return {"idempotency-key": uuid.uuid4().hex}


def _insert(block: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"insert_block": {"node_id": "ROOT", "block": block, **more}}


_CITING = {"paragraph": {"sentences": [{"text": "The pump failed.", "evidence_ids": ["evd_x"]}]}}
_RAGGED = {"table": {"header": ["a", "b"], "rows": [{"cells": ["1"]}]}}
_QUOTE = {
    "evidence_id": "evd_x", "source_id": "src_x", "source_version": "v", "unit_id": "unt_x", "extraction": "x",
    "start": 0, "end": 3, "quote": "The", "quote_hash": "0" * 64,
}  # fmt: skip
_LONG = "x" * 100_001

# (actions, status, error code, code of the detail, pointer)
BAD: dict[str, tuple[list[dict[str, Any]], int, str, str, str]] = {
    "unknown node": (
        [{"update_node": {"node_id": UNKNOWN, "title": "x"}}],
        422, "PROPOSAL_REJECTED", "NODE_NOT_FOUND", "/actions/0/update_node/node_id",
    ),
    "unknown block": (
        [{"remove_block": {"block_id": "blk_x"}}],
        422, "PROPOSAL_REJECTED", "BLOCK_NOT_FOUND", "/actions/0/remove_block/block_id",
    ),
    "the second of two": (
        [{"set_summary": {"node_id": "ROOT", "summary": "x"}}, {"remove_node": {"node_id": "ROOT"}}],
        422, "PROPOSAL_REJECTED", "ROOT_STAYS", "/actions/1/remove_node/node_id",
    ),
    "a circle": (
        [{"move_node": {"node_id": "ROOT", "parent_id": "ROOT", "after_id": "end"}}],
        422, "PROPOSAL_REJECTED", "CYCLE", "/actions/0/move_node/parent_id",
    ),
    "evidence that is not given": (
        [_insert(_CITING)],
        422, "PROPOSAL_REJECTED", "EVIDENCE_NOT_FOUND", "/actions/0/insert_block/block",
    ),
    "a ragged table": ([_insert(_RAGGED)], 422, "PROPOSAL_REJECTED", "TABLE_RAGGED", "/actions/0/insert_block/block"),
    "one key for two": (
        [
            {"idempotency_key": "k", "set_summary": {"node_id": "ROOT", "summary": "x"}},
            {"idempotency_key": "k", "set_summary": {"node_id": "ROOT", "summary": "y"}},
        ],
        422, "PROPOSAL_REJECTED", "KEY_REUSED", "/actions/1/idempotency_key",
    ),
    "a quote that is not there": (
        [_insert(_CITING, evidence=[_QUOTE])],
        422, "IR_INVALID", "QUOTE_NOT_FOUND", "/actions/0/insert_block/evidence/0/quote",
    ),
    "no kind": ([{}], 400, "INVALID_ARGUMENT", "NOT_THE_SCHEMA", "/actions/0"),
    "too long a text": (
        [_insert({"paragraph": {"sentences": [{"text": "x"}, {"text": _LONG}]}})],
        400, "INVALID_ARGUMENT", "TEXT_TOO_LONG", "/actions/0/insert_block/block/paragraph/sentences/1/text",
    ),
    "two glossaries": (
        [{"set_constraints": {"node_id": "ROOT", "constraints": {
            "glossary": ["a"], "glossary_terms": [{"term": "b"}]}}}],
        400, "INVALID_ARGUMENT", "NOT_THE_SCHEMA", "/actions/0",
    ),
}  # fmt: skip


def _about(value: Any, root: str) -> Any:
    if isinstance(value, dict):
        return {key: _about(inner, root) for key, inner in value.items()}
    if isinstance(value, list):
        return [_about(inner, root) for inner in value]
    return root if value == "ROOT" else value


async def _state(api: httpx.AsyncClient, path: str) -> tuple[str, int]:
    return (await api.get(path)).headers["etag"], len((await api.get(f"{path}/revisions")).json()["revisions"])


async def test_what_is_none_is_refused_where_the_fault_is_and_changes_nothing(
    api: httpx.AsyncClient, installation: RunningInstallation
) -> None:
    artifact_id = await Stage(api, installation.admin_dsn).document(1)
    path = f"/v1/artifacts/{artifact_id}"
    root = (await api.get(path)).json()["nodes"][0]["node_id"]
    before = await _state(api, path)
    for name, (actions, status, code, detail, pointer) in BAD.items():
        answer = await api.patch(path, json={"actions": _about(actions, root)}, headers=_key())
        told = answer.json()
        assert (answer.status_code, told["error_code"]) == (status, code), (name, told)
        found = [(each["field"], each["description"].partition(":")[0]) for each in told["details"]]
        assert (pointer, detail) in found, (name, told)
        assert all(each["description"].endswith(".") for each in told["details"]), (name, told)
    many = [{"set_summary": {"node_id": root, "summary": "x"}}] * 501
    for body, codes in (
        (b"The document is fine.", {"MALFORMED_JSON"}),
        (b'{"actions": [{"drop_table": {}}]}', {"UNKNOWN_FIELD"}),
        (httpx.Request("PATCH", "http://x", json={"actions": many}).content, {"INVALID_ARGUMENT"}),
        (b'{"actions": [' + b",".join([b"{}"] * 1_000_000) + b"]}", {"PAYLOAD_TOO_LARGE", "BODY_TOO_LARGE"}),
    ):
        headers = {**_key(), "content-type": "application/json"}
        answer = await api.patch(path, content=body, headers=headers)
        assert answer.status_code in (400, 413), answer.text
        assert answer.json()["error_code"] in codes, answer.text
    assert await _state(api, path) == before


async def test_a_glossary_of_terms_is_kept_inherited_and_shown_to_old_clients(
    api: httpx.AsyncClient, installation: RunningInstallation
) -> None:
    artifact_id = await Stage(api, installation.admin_dsn).document(1)
    path = f"/v1/artifacts/{artifact_id}"
    root = (await api.get(path)).json()["nodes"][0]["node_id"]
    terms = [{"term": "pump", "definition": "moves water", "avoid": ["engine"]}]
    rules = {"glossary_terms": terms, "locked": ["glossary"]}
    actions = [
        {"set_constraints": {"node_id": root, "constraints": rules}},
        {"insert_node": {"parent_id": root, "title": "More", "after_id": "end"}},
    ]
    answer = await api.patch(path, json={"actions": actions}, headers=_key())
    assert answer.status_code == 200, answer.text
    child = answer.json()["artifact"]["nodes"][-1]["node_id"]
    loose = {"set_constraints": {"node_id": child, "constraints": {"glossary": ["valve"]}}}
    assert (await api.patch(path, json={"actions": [loose]}, headers=_key())).status_code == 200
    shown = (await api.get(f"{path}/nodes/{child}")).json()
    assert shown["resolved_constraints"]["glossary_terms"] == terms, "what is locked above stays"
    assert shown["resolved_constraints"]["glossary"] == ["pump"]
    assert shown["constraint_trace"]["glossary"] == root
    assert (await api.get(f"{path}/revisions")).json()["revisions"][0]["ir_schema_version"] == 2


@pytest.mark.parametrize("policy", ["rebase", "overwrite"])
async def test_two_who_read_the_same_state(
    api: httpx.AsyncClient, installation: RunningInstallation, policy: str
) -> None:
    artifact_id = await Stage(api, installation.admin_dsn).document(1)
    path = f"/v1/artifacts/{artifact_id}"
    shown = (await api.get(path)).json()
    root, base = shown["nodes"][0]["node_id"], shown["revision_id"]

    async def rename(title: str, **more: Any) -> httpx.Response:
        actions = [{"update_node": {"node_id": root, "title": title}}]
        return await api.patch(path, json={"actions": actions, "base_revision_id": base, **more}, headers=_key())

    assert (await rename("Theirs")).status_code == 200
    assert (await rename("Mine")).json()["error_code"] == "REVISION_CONFLICT"
    answer = await rename("Mine", conflict_policy=policy)
    if policy == "overwrite":
        assert answer.status_code == 200, answer.text
        return
    assert answer.status_code == 422
    (detail,) = answer.json()["details"]
    assert detail["field"] == "/actions/0/update_node/title"
    assert detail["description"].startswith("CONFLICT: ")
