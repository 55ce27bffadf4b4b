"""Git for documents, as a client of the REST API meets it."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Command, Lace

Body = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"


@dataclass
class Document:
    """A document of a root and two sections, changed through the API."""

    api: httpx.AsyncClient
    path: str
    root: str = ""
    one: str = ""
    two: str = ""

    async def send(self, verb: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"idempotency-key": uuid.uuid4().hex, **{name.replace("_", "-"): text for name, text in headers.items()}}
        return await self.api.request(verb, f"{self.path}{path}", json=body, headers=sent)

    async def done(self, verb: str, path: str, body: Any = None) -> Any:
        answer = await self.send(verb, path, body)
        assert answer.is_success, answer.text
        return answer.json()

    async def read(self, path: str = "", **parameters: Any) -> Any:
        answer = await self.api.get(f"{self.path}{path}", params=parameters)
        assert answer.is_success, answer.text
        return answer.json()

    async def patch(self, *actions: Body, **more: Any) -> Any:
        keyed = [{"idempotency_key": uuid.uuid4().hex, **action} for action in actions]
        return await self.done("PATCH", "", {"actions": keyed, **more})

    async def titled(self, node_id: str, title: str, **more: Any) -> Any:
        return await self.patch({"update_node": {"node_id": node_id, "title": title}}, **more)

    async def written(self, node_id: str, *texts: str, **more: Any) -> str:
        """A paragraph of a person's own; the block's id."""
        block = {"paragraph": {"sentences": [{"text": text} for text in texts]}}
        answer = await self.patch({"insert_block": {"node_id": node_id, "block": block}}, **more)
        return str(next(c["subject_id"] for c in answer["changes"] if c["change"] == "added"))

    async def merge(self, **wanted: Any) -> Any:
        return await self.done("POST", ":merge", wanted)

    async def titles(self, ref: str = "") -> list[str]:
        return [node["title"] for node in (await self.read(ref=ref))["nodes"]]


@pytest.fixture
async def document(api: httpx.AsyncClient) -> Document:
    made = await api.post("/v1/artifacts", json={"title": "Report"}, headers={"idempotency-key": uuid.uuid4().hex})
    found = Document(api, f"/v1/artifacts/{made.json()['artifact_id']}")
    await found.patch({"insert_node": {"title": "Report"}}, message="Begin.")
    found.root = (await found.read())["nodes"][0]["node_id"]
    await found.patch(
        *({"insert_node": {"parent_id": found.root, "title": title, "after_id": "end"}} for title in ("One", "Two"))
    )
    _, found.one, found.two = (node["node_id"] for node in (await found.read())["nodes"])
    return found


async def test_a_branch_goes_its_own_way_and_comes_back(document: Document) -> None:
    made = await document.done("POST", "/branches", {"name": "draft"})
    assert (made["name"], made["ahead"], made["behind"]) == ("draft", 0, 0)
    await document.titled(document.one, "First", branch="draft", message="Better.")
    block = await document.written(document.two, "Written on the branch.", branch="draft")
    await document.titled(document.two, "Second")
    assert await document.titles() == ["Report", "One", "Second"]
    assert await document.titles("draft") == ["Report", "First", "Two"]
    branch = await document.read("/branches/draft")
    assert (branch["ahead"], branch["behind"]) == (2, 1)

    clean = await document.merge(**{"from": "draft", "dry_run": True})
    assert (clean["outcome"], clean["counts"]["node.changed"]) == ("clean", 1)
    merged = await document.merge(**{"from": "draft", "message": "Take the draft."})
    assert merged["outcome"] == "merged"
    assert await document.titles() == ["Report", "First", "Second"]
    revision = merged["revision"]
    assert revision["status"] == "committed"
    assert revision["parent_revision_id"] == merged["ours_revision_id"]
    assert revision["second_parent_revision_id"] == merged["theirs_revision_id"] == branch["head_revision_id"]
    assert (await document.read())["etag"] == merged["etag"] == revision["revision_id"]
    assert (await document.merge(**{"from": "draft"}))["outcome"] == "up_to_date"

    entries = (await document.read("/log"))["entries"]
    assert entries[0]["reason"] == "Take the draft."
    assert (entries[0]["branches"], entries[0]["counts"]["block.added"]) == (["main"], 1)
    assert {entry["reason"] for entry in entries} >= {"Begin.", "Better."}
    assert len(entries) == len({entry["revision"]["revision_id"] for entry in entries}) == 6
    (line,) = (await document.read("/blame"))["lines"]
    assert line["block_id"] == block
    assert line["text"] == "Written on the branch."
    assert line["revision_id"] == branch["head_revision_id"]  # not the merge that brought it here
    assert line["verdict"]["standing"] == "authored"


async def test_conflicts_are_data_and_resolutions_settle_them(document: Document) -> None:
    await document.done("POST", "/branches", {"name": "draft"})
    await document.titled(document.one, "Theirs", branch="draft")
    await document.titled(document.one, "Ours")
    met = await document.merge(**{"from": "draft"})
    assert (met["outcome"], met["total_conflicts"], met.get("revision")) == ("conflicts", 1, None)
    (conflict,) = met["conflicts"]
    assert {name: conflict[name] for name in ("subject_id", "field", "base", "ours", "theirs")} == {
        "subject_id": document.one, "field": "title", "base": "One", "ours": "Ours", "theirs": "Theirs",
    }  # fmt: skip
    assert await document.titles() == ["Report", "Ours", "Two"]

    chosen = {"conflict_id": conflict["conflict_id"], "choice": "value", "value": "Both"}
    await document.titled(document.one, "Ours again")
    stale = await document.send("POST", ":merge", {"from": "draft", "resolutions": [chosen]})
    assert (stale.status_code, stale.json()["error_code"]) == (400, "RESOLUTION_INVALID")
    (again,) = (await document.merge(**{"from": "draft"}))["conflicts"]
    chosen["conflict_id"] = again["conflict_id"]
    merged = await document.merge(**{"from": "draft", "resolutions": [chosen]})
    assert merged["outcome"] == "merged"
    assert await document.titles() == ["Report", "Both", "Two"]


async def test_what_differs_is_told_in_three_forms_and_in_pages(document: Document) -> None:
    await document.done("POST", "/tags", {"name": "as-sent", "message": "To the board."})
    await document.titled(document.one, "<b>One</b>")
    await document.written(document.two, "It cost *five* pounds.", "And no more.")
    found = await document.read("/diff", **{"from": "as-sent"})
    assert found["counts"] == {"block.added": 1, "node.changed": 1, "sentence.added": 2}
    sentence = next(d for d in found["differences"] if d["subject"] == "sentence")
    assert (sentence["after_text"], sentence["heading_path"]) == ("It cost *five* pounds.", ["Report", "Two"])
    first = await document.read("/diff", **{"from": "as-sent", "page_size": 1})
    rest = await document.read("/diff", **{"from": "as-sent", "page_token": first["next_page_token"]})
    assert first["differences"] + rest["differences"] == found["differences"]
    nodes = await document.read("/diff", **{"from": "as-sent", "level": "node", "node_id": document.one})
    assert nodes["total"] == 1

    path = f"{document.path}/diff?from=as-sent"
    html = await document.api.get(path, headers={"accept": "text/html,*/*;q=0.8"})
    assert html.headers["content-type"].startswith("text/html")
    assert "&lt;b&gt;" in html.text
    assert "<b>" not in html.text
    markdown = await document.api.get(f"{path}&format=markdown&page_size=1")
    assert markdown.headers["content-type"].startswith("text/markdown")
    assert 'rel="next"' in markdown.headers["link"]
    after = await document.api.get(markdown.headers["link"].split(">")[0].strip("<"))
    assert "It cost \\*five\\* pounds." in after.text
    assert (await document.api.get(path)).headers["content-type"] == "application/json"


@pytest.mark.slow
async def test_names_are_words_that_mean_one_thing(document: Document) -> None:
    await document.done("POST", "/branches", {"name": "draft"})
    for path, name, code in (
        ("/tags", "draft", "REF_EXISTS"),
        ("/branches", "draft", "REF_EXISTS"),
        ("/tags", "x" * 101, "INVALID_ARGUMENT"),
        *(("/branches", name, "REF_NAME_INVALID") for name in ("main", "HEAD", "rev_1", "../main", "a b")),
        *(("/tags", name, "REF_NAME_INVALID") for name in ("a/../b", "a..b", "a.", "-a", "\u202edraft", "\u0434")),
    ):
        answer = await document.send("POST", path, {"name": name})
        assert answer.json()["error_code"] == code, name
    for name in ("..%2F..", "a%2Fb", "%00", "no-such", "x%27%20OR%201=1"):
        answer = await document.api.get(f"{document.path}/branches/{name}")
        assert answer.status_code in (400, 404), name
    for ref, code in (("no-such", "REF_NOT_FOUND"), ("rev_none", "REVISION_NOT_FOUND")):
        answer = await document.api.get(document.path, params={"ref": ref})
        assert (answer.status_code, answer.json()["error_code"]) == (404, code)
    both = await document.api.get(document.path, params={"ref": "draft", "revision_id": "rev_1"})
    assert both.json()["error_code"] == "INVALID_ARGUMENT"


@pytest.mark.slow
async def test_branches_and_tags_go_when_they_may(document: Document) -> None:
    assert (await document.send("DELETE", "/branches/main")).json()["error_code"] == "BRANCH_PROTECTED"
    assert (await document.send("DELETE", "/branches/none")).json()["error_code"] == "BRANCH_NOT_FOUND"
    await document.done("POST", "/branches", {"name": "draft"})
    head = (await document.titled(document.one, "Kept", branch="draft"))["artifact"]["revision_id"]
    assert (await document.send("DELETE", "/branches/draft")).json()["error_code"] == "BRANCH_NOT_MERGED"
    await document.done("POST", "/tags", {"name": "kept", "ref": "draft"})
    assert (await document.done("DELETE", "/branches/draft?force=true"))["head_revision_id"] == head
    assert [b["name"] for b in (await document.read("/branches"))["branches"]] == ["main"]
    assert await document.titles("kept") == ["Report", "Kept", "Two"]
    assert (await document.read("/tags"))["tags"][0]["revision_id"] == head
    await document.done("DELETE", "/tags/kept")
    assert (await document.api.get(f"{document.path}/tags/kept")).json()["error_code"] == "TAG_NOT_FOUND"
    assert await document.titles(head) == ["Report", "Kept", "Two"]


async def test_a_merge_patch_tells_null_from_absent(document: Document) -> None:
    read = await document.api.get(document.path)

    async def patched(body: Any, query: str = "", **headers: str) -> httpx.Response:
        return await document.send("PATCH", query, body, content_type=MERGE_PATCH, **headers)

    asked = {
        "title": "Retitled",
        "nodes": {document.one: {"brief": "Costs.", "constraints": {"max_words": 9, "tone": "dry"}}},
    }
    first = await patched(asked, if_match=read.headers["etag"])
    assert first.status_code == 200, first.text
    assert first.headers["etag"] != read.headers["etag"]
    assert first.json()["artifact"]["title"] == "Retitled"
    again = await patched({"nodes": {document.one: {"constraints": {"tone": None}}}})
    assert again.status_code == 200, again.text
    node = (await document.read(f"/nodes/{document.one}"))["node"]
    assert (node["brief"], node["constraints"]["max_words"]) == ("Costs.", 9)
    assert "tone" not in node["constraints"]
    old = await patched(asked, if_match=read.headers["etag"])
    assert (old.status_code, old.json()["error_code"]) == (412, "ETAG_MISMATCH")
    for body, code, pointer in (
        ({"titel": "x"}, "UNKNOWN_FIELD", "/titel"),
        ({"nodes": {document.one: {"blocks": []}}}, "UNKNOWN_FIELD", f"/nodes/{document.one}/blocks"),
        ({"nodes": {"nod_~/x": {}}}, "NODE_NOT_FOUND", "/nodes/nod_~0~1x"),
        ({"title": None}, "INVALID_ARGUMENT", "/title"),
        ({"nodes": {document.one: None}}, "INVALID_ARGUMENT", f"/nodes/{document.one}"),
        ({"nodes": {document.one: {"constraints": {"max_words": "9"}}}}, "INVALID_ARGUMENT",
         f"/nodes/{document.one}/constraints/max_words"),
    ):  # fmt: skip
        refused = (await patched(body)).json()
        assert (refused["error_code"], refused["details"][0]["field"]) == (code, pointer)
    assert (await patched({"title": "x"}, "?colour=red")).json()["error_code"] == "UNKNOWN_FIELD"
    await document.done("POST", "/branches", {"name": "draft"})
    assert (await patched({"title": "Elsewhere"}, "?branch=draft&message=Try")).status_code == 200
    assert (await document.read())["title"] == "Retitled"
    assert (await document.read(ref="draft"))["title"] == "Elsewhere"


@pytest.mark.slow
async def test_two_at_once_on_one_branch_lose_nothing(document: Document) -> None:
    await document.done("POST", "/branches", {"name": "draft"})
    head = (await document.read("/branches/draft"))["head_revision_id"]
    body = {"branch": "draft", "etag": head}
    answers = await asyncio.gather(
        *(
            document.send(
                "PATCH", "", {**body, "actions": [{"idempotency_key": t, "set_summary": {"node_id": n, "summary": t}}]}
            )
            for n, t in ((document.one, "a"), (document.two, "b"))
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert len((await document.read("/log", ref="draft"))["entries"]) == 3


@pytest.mark.slow
async def test_a_log_of_one_section(document: Document) -> None:
    await document.titled(document.one, "First")
    await document.titled(document.two, "Second")
    entries = (await document.read("/log", subject_id=document.one))["entries"]
    assert [entry["counts"] for entry in entries] == [{"node.replaced": 1}, {"node.added": 2}]
    first = await document.read("/log", page_size=2)
    rest = await document.read("/log", page_size=2, page_token=first["next_page_token"])
    ids = [entry["revision"]["revision_id"] for entry in (*first["entries"], *rest["entries"])]
    assert len(ids) == len(set(ids)) == 4


@pytest.mark.slow
async def test_evidence_comes_with_the_nodes_that_are_asked_for(document: Document) -> None:
    await document.written(document.one, "Said by a person.")
    plain, whole = await document.read(), await document.read(inline=["blocks", "evidence"])
    assert not plain["nodes"][1].get("blocks")
    assert whole["nodes"][1]["blocks"][0]["paragraph"]["sentences"][0]["text"] == "Said by a person."


@pytest.mark.slow
async def test_documents_are_found_by_what_is_known_of_them(document: Document) -> None:
    name = uuid.uuid4().hex
    await document.send("PATCH", "", {"title": f"Findings {name}"}, content_type=MERGE_PATCH)
    for wanted, count in (
        ({"title": f"INGS {name.upper()}"}, 1),
        ({"title": name, "created_by": "prn_nobody"}, 0),
        ({"title": name, "source_id": "src_none"}, 0),
        ({"title": f"{name}%"}, 0),
    ):
        found = (await document.api.get("/v1/artifacts", params=wanted)).json()
        assert len(found["artifacts"]) == count, wanted


@pytest.mark.slow
async def test_the_command_line_tells_a_document_s_history(document: Document, command: Command, lace: Lace) -> None:
    artifact_id = document.path.rpartition("/")[2]
    assert "draft begins at" in await lace("branch", artifact_id, "draft")
    await document.titled(document.one, "Theirs", branch="draft", message="Better.")
    await document.written(document.two, "Ours by hand.")
    assert "draft\trev_" in await lace("branch", artifact_id)
    told = await lace("log", artifact_id, "--ref", "draft")
    assert "Better." in told
    assert "(draft)" in told
    await document.titled(document.one, "Ours")
    code, out, _ = await command("merge", artifact_id, "draft")
    assert code == 1
    assert "theirs  Theirs" in out
    assert "1 section changed" in await lace(
        "merge", artifact_id, "draft", "--take", "theirs", "-m", "Theirs is right."
    )
    assert await document.titles() == ["Report", "Theirs", "Two"]
    assert "◆" in await lace("log", artifact_id)
    assert "as-sent is rev_" in await lace("tag", artifact_id, "as-sent")
    assert "◇ Ours by hand." in await lace("blame", artifact_id)
    found = await lace("diff", artifact_id, "draft", "as-sent")
    assert "+ sentence: Ours by hand." in found
    html = await lace("diff", artifact_id, "draft", "--html", "changes.html")
    assert "Written" in html
    code, _, err = await command("diff", artifact_id, "--level", "extraction")
    assert code == 2
    assert "art_" in err
    code, _, err = await command("diff", artifact_id, "nothing-such")
    assert code == 5
    assert "lace branch" in err
    assert '"outcome": "up_to_date"' in await lace("merge", artifact_id, "draft", "--json")
    assert "draft begins" not in await lace("branch", artifact_id, "draft", "--delete")
