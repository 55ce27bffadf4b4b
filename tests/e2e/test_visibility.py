"""What one may not see is not there: for every endpoint that can be asked about it, as for what never was."""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from lace_proto.descriptors import rest_methods
from tests.e2e import paragraph_items, review_items
from tests.e2e.conftest import RunningInstallation
from tests.e2e.mutations import Stage

NAMED = {"artifact_id", "paragraph_id", "review_item_id", "evaluation_id"}
METHODS = {method.name: method for method in rest_methods() if NAMED & {each.name for each in method.input.fields}}
_SECRET = [{"source_id": "src_1", "labels": ["secret"]}]


@dataclass(frozen=True)
class Ids:
    """What is asked for, by the names of paths and bodies."""

    artifact_id: str
    revision_id: str
    node_id: str
    paragraph_id: str
    review_item_id: str
    evaluation_id: str
    publication_id: str
    test_id: str
    name: str

    def unknown(self) -> Ids:
        """The like of which there never was; names and sections of a document are whatever one says."""
        fresh = {own.name: _other(getattr(self, own.name)) for own in dataclasses.fields(self)}
        return Ids(**{**fresh, "name": self.name, "node_id": self.node_id})


@dataclass(frozen=True)
class Case:
    """What a request has beside its path: a query, or a body for a mutation."""

    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


def _other(ident: str) -> str:
    return f"{ident.partition('_')[0]}_{'0' * 26}"


def _reads(*names: str, **more: str) -> Callable[[Ids], list[Case]]:
    """As it is, and with these names given: right ones, and such as are nowhere."""

    def cases(ids: Ids) -> list[Case]:
        right = {"ref": ids.name, "from": ids.name, "to": ids.name, "subject_id": ids.node_id, **vars(ids)}
        given = [{name: str(right[name])} for name in names] + [{name: _nowhere(name)} for name in names]
        return [Case({**more, **query}) for query in ({}, *given)]

    return cases


def _nowhere(name: str) -> str:
    return {"revision_id": f"rev_{'1' * 26}", "node_id": f"nod_{'1' * 26}"}.get(name, "nowhere")


def _changes(*bodies: Mapping[str, Any] | Callable[[Ids], Mapping[str, Any]]) -> Callable[[Ids], list[Case]]:
    return lambda ids: [Case(body=body(ids) if callable(body) else body) for body in bodies or ({},)]


def _about(*, query: str = "artifact_id") -> Callable[[Ids], list[Case]]:
    return lambda ids: [Case({query: str(getattr(ids, query))})]


_SPEC = {"title": "t", "purpose": "p", "allowed_fact_ids": [f"fct_{'0' * 26}"]}
_SENTENCES = [{"text": "It rained.", "fact_ids": [f"fct_{'0' * 26}"]}]
_SUITE = "lace_suite: 1\nname: s\nchecks:\n- {rule: max_depth, at_most: 3}\n"
_OUTLINE = {"actions": [{"idempotency_key": "r", "insert_node": {"title": "Root"}}]}

# By the name of the method. A method of the contract that can be asked about these things and is not here fails a test.
CASES: Mapping[str, Callable[[Ids], list[Case]]] = {
    "GetArtifact": _reads("revision_id", "ref"),
    "GetNode": _reads("revision_id", "ref"),
    "ListRevisions": _reads(),
    "ListVerdicts": _reads("revision_id"),
    "VerifyArtifact": _reads("revision_id"),
    "DiffArtifact": _reads("from", "to", "node_id"),
    "LogArtifact": _reads("ref", "subject_id"),
    "BlameArtifact": _reads("ref", "node_id"),
    "ListBranches": _reads(),
    "GetBranch": _reads(),
    "DeleteBranch": _reads(),
    "ListTags": _reads(),
    "GetTag": _reads(),
    "DeleteTag": _reads(),
    "ListPublications": _reads(),
    "GetPublication": _reads(),
    "ListDocumentTests": _reads("revision_id"),
    "GetDocumentTest": _reads(),
    "GetEvaluation": _reads(),
    "GetParagraph": _reads(),
    "RebuildParagraph": _reads(),
    "GetReviewItem": _reads(),
    "ListCompiled": _reads("revision_id"),
    "ListCitations": _about(),
    "ListEvaluations": _about(),
    "ListParagraphs": _about(),
    "ListReviewItems": _about(),
    "GetImpact": _about(),
    "PatchArtifact": _changes(_OUTLINE, {**_OUTLINE, "branch": "nowhere"}, {**_OUTLINE, "etag": "x"}),
    "RollbackArtifact": _changes(
        lambda ids: {"revision_id": ids.revision_id}, lambda ids: {"revision_id": ids.revision_id, "dry_run": True}
    ),
    "CreateBranch": _changes({"name": "b"}, {"name": "b", "from": "nowhere"}, lambda ids: {"name": ids.name}),
    "CreateTag": _changes({"name": "t"}, {"name": "t", "ref": "nowhere"}, lambda ids: {"name": ids.name}),
    "MergeArtifact": _changes({"from": "nowhere"}, {"from": "main", "into": "nowhere"}, {"from": "main", "etag": "x"}),
    "CreateEvaluation": _changes(
        lambda ids: {"title": "t", "artifact_id": ids.artifact_id},
        lambda ids: {"title": "t", "artifact_id": ids.artifact_id, "revision_id": f"rev_{'1' * 26}"},
    ),
    "CreateParagraph": _changes(lambda ids: {"spec": _SPEC, "artifact_id": ids.artifact_id}),
    "UpdateParagraphSpec": _changes({"spec": _SPEC}),
    "GenerateParagraph": _changes({}, {"etag": "x"}),
    "VerifyParagraph": _changes({}, {"etag": "x"}),
    "EditParagraph": _changes({"sentences": _SENTENCES}),
    "LandParagraph": _changes({}, {"etag": "x"}),
    "DeleteParagraph": _changes({}, {"etag": "x"}),
    "ExplainPolicy": _changes(
        lambda ids: {"source": {"yaml": "policy: p\nversion: 1\n"}, "artifact_id": ids.artifact_id},
        lambda ids: {
            "source": {"yaml": "policy: p\nversion: 1\n"},
            "artifact_id": ids.artifact_id,
            "node_id": "nowhere",
        },
    ),
    "PublishArtifact": _changes({}, lambda ids: {"revision_id": ids.revision_id}, {"suites": ["nowhere"]}),
    "WithdrawPublication": _changes({"reason": "r"}),
    "TestArtifact": _changes(
        {"text": _SUITE}, {"suite": "nowhere"}, {"text": _SUITE, "revision_id": f"rev_{'1' * 26}"}
    ),
    "AcceptReviewItem": _changes({"reason": "r"}, {"reason": "r", "etag": "x"}),
    "RejectReviewItem": _changes({"reason": "r"}, {"reason": "r", "etag": "x"}),
    "RewriteReviewItem": _changes({"reason": "r", "text": "It rained."}),
    "AssignReviewItem": _changes({"assignee": "prn_1"}),
    "StartRun": _changes(
        lambda ids: {"artifact_id": ids.artifact_id, "instructions": "i"},
        lambda ids: {"artifact_id": ids.artifact_id, "instructions": "i", "title": "another"},
        lambda ids: {"artifact_id": ids.artifact_id, "instructions": "i", "node_id": "nowhere"},
    ),
    "StartCompile": _changes(
        lambda ids: {"artifact_id": ids.artifact_id},
        lambda ids: {"artifact_id": ids.artifact_id, "revision_id": f"rev_{'1' * 26}"},
    ),
}


def test_there_is_a_case_for_every_method_that_can_be_asked() -> None:
    assert set(CASES) == set(METHODS)


@pytest.fixture
def stage(api: httpx.AsyncClient, installation: RunningInstallation) -> Stage:
    return Stage(api, installation.admin_dsn)


@pytest.fixture
async def shown(api: httpx.AsyncClient, stage: Stage) -> Ids:
    """A document with all that there can be of one."""
    item_id = await review_items.open_item(stage)
    artifact_id = str(
        await stage.sql("SELECT artifact_id FROM runs.review_items WHERE review_item_id = %(i)s", i=item_id)
    )
    path, name = f"/v1/artifacts/{artifact_id}", "named"
    paragraph = await paragraph_items.written(stage, artifact_id=artifact_id)
    await stage.change("POST", f"/v1/paragraphs/{paragraph['paragraph_id']}:land", {})
    await stage.change("POST", f"{path}/branches", {"name": name})
    test = await stage.change("POST", f"{path}/tests", {"text": _SUITE})
    publication = await stage.change("POST", f"{path}:publish", {})
    evaluation = await stage.change("POST", "/v1/evaluations", {"title": "t", "artifact_id": artifact_id})
    head = (await api.get(path)).json()
    return Ids(
        artifact_id=artifact_id,
        revision_id=head["revision_id"],
        node_id=head["nodes"][0]["node_id"],
        paragraph_id=paragraph["paragraph_id"],
        review_item_id=item_id,
        evaluation_id=evaluation["evaluation_id"],
        publication_id=publication["publication_id"],
        test_id=test["test_id"],
        name=name,
    )


@pytest.fixture
async def hidden(shown: Ids, stage: Stage) -> Ids:
    """The same, hidden from everybody by a source that it cites."""
    await stage.sql(
        "UPDATE runs.artifact_revisions SET sources = %(s)s WHERE artifact_id = %(a)s",
        s=orjson.dumps(_SECRET).decode(),
        a=shown.artifact_id,
    )
    await stage.sql(
        "UPDATE runs.paragraphs SET labels = ARRAY['secret'] WHERE paragraph_id = %(p)s", p=shown.paragraph_id
    )
    return shown


@pytest.mark.one_process
@pytest.mark.slow
async def test_who_may_see_it_is_told_by_the_same_requests(shown: Ids, api: httpx.AsyncClient) -> None:
    reads = [name for name in CASES if METHODS[name].http_verb == "GET" and name not in ("GetTag", "RebuildParagraph")]
    answers = {name: await _ask(api, name, shown, CASES[name](shown)[0]) for name in reads}
    assert {name: answer for name, answer in answers.items() if answer[0] != 200} == {}


@pytest.mark.one_process  # who may see what is decided behind the same interface wherever the services are
@pytest.mark.slow
async def test_what_is_hidden_is_told_apart_from_what_never_was_by_no_endpoint(
    hidden: Ids, api: httpx.AsyncClient
) -> None:
    told: list[str] = []
    for name in CASES:
        for at, case in enumerate(CASES[name](hidden)):
            answers = [await _ask(api, name, ids, CASES[name](ids)[at]) for ids in (hidden, hidden.unknown())]
            if answers[0] != answers[1] or (answers[0][0] != 404 and case.body is not None):
                told.append(f"{name} {dict(case.query) or case.body}:\n    {answers[0]}\n    {answers[1]}")
    assert not told, "\n".join(told)


async def _ask(api: httpx.AsyncClient, name: str, ids: Ids, case: Case) -> tuple[int, Any]:
    """Status and what was said, as if it were of no thing in particular."""
    method = METHODS[name]
    path = method.path.format_map({**vars(ids), "pipeline_id": "patch"})
    headers = {"idempotency-key": uuid.uuid4().hex}
    answer = await api.request(
        method.http_verb,
        path,
        params=dict(case.query),
        json=case.body,
        headers=headers if method.rest.idempotent else {},
    )
    said = answer.json()
    if not answer.is_success:
        said = {key: said[key] for key in ("error_code", "message", "details")}
    return answer.status_code, re.sub(r"_[0-9a-z]{26}", "_…", orjson.dumps(said).decode())
