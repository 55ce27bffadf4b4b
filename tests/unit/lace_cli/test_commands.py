"""Commands against an API: what they ask it, what they print, how they end."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from lace_cli.failures import FAILED, INTERRUPTED, NOT_ALLOWED, NOT_FOUND, NOT_REACHED, WRONG_USE
from tests.doubles.scripted_api import ScriptedApi
from tests.unit.lace_cli.conftest import Lace, story

RUN = {"run_id": "run_1", "pipeline_id": "generate", "state": "running", "title": "Costs", "progress_pct": 50.0}


MARKDOWN, TURTLE = b"# Costs", b"<> a owl:Ontology ."


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def written(api: ScriptedApi) -> ScriptedApi:
    """An API that writes a document when it is asked to."""
    api.on("POST", "/v1/runs/generate", {"run_id": "run_1", "artifact_id": "art_1", "state": "queued"}, status=202)
    api.on("POST", "/v1/compile", {"run_id": "run_1", "artifact_id": "art_1", "state": "queued"}, status=202)
    api.on("GET", "/v1/artifacts/art_1", {"artifact_id": "art_1", "title": "Costs and more"})
    made = [{"target": target, "ok": True, "compiled_id": f"cmp_{target}"} for target in ("owl", "md")]
    failed = {"target": "pdf", "ok": False, "compiled_id": "cmp_pdf", "error_code": "COMPILE_FAILED"}
    api.stream(
        "/v1/runs/run_1/stream",
        story(sentences=9, cited_sentences=9, cited_sources=2, compiled=[*made, failed]),
    )
    compiled = [
        {"compiled_id": "cmp_md", "target": "md", "bundle_hash": sha256(MARKDOWN), "download_url": "/v1/blobs/md"},
        {"compiled_id": "cmp_older", "target": "docx", "bundle_hash": "of another run", "download_url": "/v1/blobs/no"},
        {"compiled_id": "cmp_pdf", "target": "pdf", "bundle_hash": "", "error_code": "COMPILE_FAILED"},
        {"compiled_id": "cmp_owl", "target": "owl", "bundle_hash": sha256(TURTLE), "download_url": "/v1/blobs/owl"},
    ]
    api.on("GET", "/v1/compiled/art_1", {"compiled": compiled})
    api.data("/v1/blobs/md", MARKDOWN)
    api.data("/v1/blobs/owl", TURTLE)
    return api


class TestWriting:
    def test_generate_follows_saves_and_tells(self, written: ScriptedApi, lace: Lace) -> None:
        told = lace("generate", "--title", "Costs", "--set", "runs.target_words=500", "--target", "md")
        assert told.code == 0, told.err
        assert written.last("POST").json == {
            "title": "Costs",
            "targets": ["md"],
            "settings": {"runs.target_words": 500},
        }
        assert written.last("POST").headers["idempotency-key"]
        assert "writing · Costs" in told.out
        assert told.out.splitlines()[-3:] == ["out/costs.md", "out/costs.ttl", "9 of 9 sentences cited to 2 sources"]
        assert Path("out/costs.md").read_bytes() == MARKDOWN

    def test_instructions_come_from_a_file(self, written: ScriptedApi, lace: Lace) -> None:
        Path("brief.txt").write_text("For the board.")
        assert lace("generate", "-t", "Costs", "-i", "@brief.txt").code == 0
        assert written.last("POST").json["instructions"] == "For the board."

    def test_programs_get_the_result_as_json(self, written: ScriptedApi, lace: Lace) -> None:
        told = json.loads(lace("generate", "-t", "Costs", "--json").out)
        assert told["files"] == ["out/costs.md", "out/costs.ttl"]
        assert told["result"]["cited_sentences"] == 9

    def test_detached_it_does_not_wait(self, written: ScriptedApi, lace: Lace) -> None:
        told = lace("generate", "-t", "Costs", "--detach")
        assert "lace watch run_1" in told.out
        assert [asked.method for asked in written.asked] == ["POST"]

    def test_compile_names_files_after_the_document(self, written: ScriptedApi, lace: Lace) -> None:
        told = lace("compile", "art_1", "--target", "md", "--set", "compile.page_size=us-letter")
        assert told.code == 0, told.err
        asked = written.last("POST").json
        assert asked == {"artifact_id": "art_1", "targets": ["md"], "settings": {"compile.page_size": "us-letter"}}
        assert "out/costs-and-more.md" in told.out

    def test_outline_prints_the_plan(self, written: ScriptedApi, lace: Lace) -> None:
        written.on("POST", "/v1/runs/outline", {"run_id": "run_1", "artifact_id": "art_1"}, status=202)
        nodes = [
            {"node_id": "nod_0", "title": "Costs"},
            {"node_id": "nod_1", "parent_id": "nod_0", "title": "Pumps"},
            {"node_id": "nod_2", "parent_id": "nod_1", "title": "Power"},
            {"node_id": "nod_3", "parent_id": "nod_0", "title": "Pipes"},
        ]
        written.on("GET", "/v1/artifacts/art_1", {"artifact_id": "art_1", "title": "Costs", "nodes": nodes})
        told = lace("outline", "-t", "Costs")
        assert "Costs\n  Pumps\n    Power\n  Pipes\n" in told.out
        assert "--artifact art_1" in told.out

    @pytest.mark.parametrize(
        ("given", "code"),
        [("nonsense", "WRONG_USE"), ("runs.max_node=3", "SETTING_UNKNOWN"), ("runs.max_nodes=many", "SETTING_INVALID")],
    )
    def test_wrong_settings_are_refused_before_anything_is_asked(
        self, written: ScriptedApi, lace: Lace, given: str, code: str
    ) -> None:
        told = lace("generate", "-t", "Costs", "--set", given)
        assert told.code != 0
        assert f"[{code}]" in told.err
        assert written.asked == []

    def test_a_run_that_fails_ends_the_command_with_its_code(self, written: ScriptedApi, lace: Lace) -> None:
        written.stream("/v1/runs/run_1/stream", story(end="failed"))
        told = lace("generate", "-t", "Costs")
        assert told.code == FAILED
        assert told.err.startswith("lace: The sources say nothing of it. [NO_EVIDENCE]\n")
        assert "lace ingest" in told.err
        assert not Path("out").exists()


class TestRuns:
    def test_watching_a_cancelled_run(self, api: ScriptedApi, lace: Lace) -> None:
        api.on("GET", "/v1/runs/run_1", RUN)
        api.stream("/v1/runs/run_1/stream", story(end="cancelled"))
        told = lace("watch", "run_1")
        assert told.code == FAILED
        assert "[RUN_CANCELLED]" in told.err

    def test_watching_as_json_prints_every_event(self, api: ScriptedApi, lace: Lace) -> None:
        api.stream("/v1/runs/run_1/stream", story())
        lines = [json.loads(line) for line in lace("watch", "run_1", "--json").out.splitlines()]
        assert [line["sequence"] for line in lines] == [1, 2, 3, 4]

    def test_lists_are_plain_in_a_pipe(self, api: ScriptedApi, lace: Lace) -> None:
        api.on(
            "GET", "/v1/runs", {"runs": [RUN, {**RUN, "run_id": "run_0", "error_code": "X", "error_message": "bad"}]}
        )
        rows = [line.split("\t") for line in lace("runs").out.splitlines()]
        assert [row[0] for row in rows] == ["run_1", "run_0"]
        assert rows[0][2] == "running"
        assert rows[1][-1] == "bad [X]"

    def test_the_limit_spares_pages(self, api: ScriptedApi, lace: Lace) -> None:
        api.on("GET", "/v1/runs", {"runs": [RUN, RUN], "next_page_token": "more"})
        assert len(lace("runs", "--limit", "2").out.splitlines()) == 2
        assert len(api.asked) == 1

    @pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "restart"])
    def test_steering(self, api: ScriptedApi, lace: Lace, verb: str) -> None:
        api.on("POST", f"/v1/runs/run_1:{verb}", {"run_id": "run_1", "command_id": "cmd_1"}, status=202)
        assert lace(verb, "run_1", "--reason", "because").code == 0
        asked = api.last("POST")
        assert asked.json["reason"] == "because"
        assert asked.headers["idempotency-key"]
        assert asked.headers["authorization"] == "Bearer lace_secret"

    def test_restart_from_a_step_names_the_new_run(self, api: ScriptedApi, lace: Lace) -> None:
        api.on("POST", "/v1/runs/run_1:restart", {"run_id": "run_2", "command_id": "cmd_1"}, status=202)
        assert "lace watch run_2" in lace("restart", "run_1", "--from", "outline").out
        assert api.last("POST").json["from_step_id"] == "outline"

    @pytest.mark.parametrize("command", [["watch", "run_1"], ["watch", "run_1", "--json"]])
    def test_ctrl_c_ends_the_watching_alone(
        self, api: ScriptedApi, lace: Lace, command: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_arguments: object, **_more: object) -> None:
            raise KeyboardInterrupt

        api.on("GET", "/v1/runs/run_1", RUN)
        monkeypatch.setattr("lace_client.LaceClient.watch_run", interrupted)
        told = lace(*command)
        assert told.code == INTERRUPTED
        assert "lace cancel run_1" in told.err


class TestTokensAndSettings:
    TOKEN = {"token_id": "tok_1", "name": "ci", "prefix": "lace_ab", "expires_at": "2027-01-31T00:00:00Z"}

    def test_only_the_secret_goes_to_stdout(self, api: ScriptedApi, lace: Lace) -> None:
        api.on("POST", "/v1/tokens", {"token": self.TOKEN, "secret": "lace_abc"}, status=201)
        told = lace("token", "create", "ci", "--scope", "runs:read", "--days", "7")
        assert told.out == "lace_abc\n"
        assert "2027-01-31" in told.err
        assert api.last("POST").json == {"name": "ci", "scopes": ["runs:read"], "ttl": "604800s"}

    def test_a_revoked_token_is_listed_as_such(self, api: ScriptedApi, lace: Lace) -> None:
        revoked = {**self.TOKEN, "token_id": "tok_0", "revoked_at": "2026-01-01T00:00:00Z"}
        api.on("GET", "/v1/tokens", {"tokens": [self.TOKEN, revoked]})
        rows = [line.split("\t") for line in lace("token", "list").out.splitlines()]
        assert [row[3] for row in rows] == ["2027-01-31", "revoked"]

    def test_revoking(self, api: ScriptedApi, lace: Lace) -> None:
        api.on("POST", "/v1/tokens/tok_1:revoke", self.TOKEN)
        assert "Revoked ci (tok_1)." in lace("token", "revoke", "tok_1").out

    def test_a_change_keeps_the_other_settings_and_guards_against_others(self, api: ScriptedApi, lace: Lace) -> None:
        api.on("GET", "/v1/settings/system", {"values": {"runs.judge": False}, "etag": "7"})
        api.on("PUT", "/v1/settings/system", {"values": {}})
        assert (
            lace("settings", "set", "compile.targets", "md,pdf").out
            == "compile.targets is now md,pdf for the whole system.\n"
        )
        asked = api.last("PUT")
        assert asked.json["values"] == {"runs.judge": False, "compile.targets": ["md", "pdf"]}
        assert asked.headers["if-match"] == '"7"'

    def test_unsetting_for_a_tenant(self, api: ScriptedApi, lace: Lace) -> None:
        api.on("GET", "/v1/settings/tenants/ten_1", {"values": {"runs.judge": False}, "etag": "7"})
        api.on("PUT", "/v1/settings/tenants/ten_1", {"values": {}})
        assert lace("settings", "unset", "runs.judge", "--tenant", "ten_1").code == 0
        assert api.last("PUT").json["values"] == {}

    def test_one_setting_with_the_layer_that_gave_it(self, api: ScriptedApi, lace: Lace) -> None:
        trace = [{"key": "llm.model", "layer": "tenant"}, {"key": "runs.judge", "layer": "default"}]
        api.on("POST", "/v1/settings:resolve", {"values": {"llm.model": "m", "runs.judge": True}, "trace": trace})
        assert lace("settings", "get", "llm.model").out == "llm.model\tm\ttenant\n"
        assert lace("settings", "get").out == "llm.model\tm\ttenant\nruns.judge\ttrue\tdefault\n"
        assert lace("settings", "get", "llm.modell").code == NOT_FOUND

    def test_all_settings_are_described(self, lace: Lace) -> None:
        assert (
            "runs.max_nodes\t60\tsystem, tenant, user, request\tNodes of a document at most."
            in lace("settings", "list").out
        )


class TestIngest:
    SOURCE = {"source_id": "src_1", "filename": "a.md", "format": "md", "state": "pending"}
    READ = {**SOURCE, "state": "ready", "unit_count": 3, "word_count": 40}

    def test_documents_are_uploaded_and_read(self, api: ScriptedApi, lace: Lace) -> None:
        Path("docs").mkdir()
        Path("docs/a.md").write_text("# A")
        Path("docs/b.png").write_bytes(b"x")
        rejected = [{"filename": "c.md", "error_code": "SOURCE_TOO_LARGE", "message": "c.md is too large."}]
        body = {"run_id": "run_1", "sources": [self.SOURCE], "rejected": rejected}
        api.on("POST", "/v1/sources:find", {"sources": []})
        api.on("POST", "/v1/sources:ingest", body, status=202)
        api.stream("/v1/runs/run_1/stream", story())
        api.on("GET", "/v1/sources/src_1", self.READ)
        told = lace("ingest", "docs", "--label", "internal")
        assert told.code == 0, told.err
        assert told.out.splitlines()[-1].split("\t")[:4] == ["src_1", "a.md", "md", "ready"]
        assert "docs/b.png was passed over" in told.err
        assert "c.md is too large. [SOURCE_TOO_LARGE]" in told.err
        assert b'filename="a.md"' in api.last("POST").body
        assert b"internal" in api.last("POST").body

    def test_nothing_readable_is_a_failure(self, api: ScriptedApi, lace: Lace) -> None:
        Path("a.md").write_text("")
        api.on("POST", "/v1/sources:find", {"sources": []})
        api.on("POST", "/v1/sources:ingest", {"run_id": "run_1", "sources": [self.SOURCE], "rejected": []}, status=202)
        api.stream("/v1/runs/run_1/stream", story(end="failed"))
        failed = {**self.SOURCE, "state": "failed", "error_code": "SOURCE_EMPTY", "error_message": "a.md is empty."}
        api.on("GET", "/v1/sources/src_1", failed)
        told = lace("ingest", "a.md")
        assert told.code == FAILED
        assert "a.md is empty. [SOURCE_EMPTY]" in told.err
        assert "[NO_USABLE_SOURCES]" in told.err


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "code", "exit_code"),
        [
            (401, "TOKEN_EXPIRED", NOT_ALLOWED),
            (403, "PERMISSION_DENIED", NOT_ALLOWED),
            (404, "RUN_NOT_FOUND", NOT_FOUND),
        ],
    )
    def test_a_refusal_is_one_line_and_what_to_do(
        self, api: ScriptedApi, lace: Lace, status: int, code: str, exit_code: int
    ) -> None:
        api.refuse("POST", "/v1/runs/run_1:pause", status, code, "It cannot be done.")
        told = lace("pause", "run_1")
        assert (told.code, told.out) == (exit_code, "")
        first, advice = told.err.splitlines()
        assert first == f"lace: It cannot be done. [{code}]"
        assert advice.startswith("      ")

    def test_an_inner_failure_names_the_correlation_id(self, api: ScriptedApi, lace: Lace) -> None:
        api.refuse("GET", "/v1/runs", 500, "INTERNAL", "Something failed on our side.")
        assert "correlation id: cor_1" in lace("runs").err

    def test_a_code_that_this_version_does_not_know_is_kept(self, api: ScriptedApi, lace: Lace) -> None:
        api.refuse("GET", "/v1/runs", 418, "TEAPOT", "No coffee.")
        assert lace("runs").err.startswith("lace: No coffee. [TEAPOT]")

    def test_programs_get_failures_as_json(self, api: ScriptedApi, lace: Lace) -> None:
        api.refuse("GET", "/v1/runs", 401, "TOKEN_INVALID", "This token is not known.")
        assert json.loads(lace("runs", "--json").err)["error_code"] == "TOKEN_INVALID"

    def test_nobody_there(self, api: ScriptedApi, lace: Lace, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LACE_URL", "http://127.0.0.1:9")
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        told = lace("sources")
        assert told.code == NOT_REACHED
        assert "cannot be reached" in told.err

    def test_nothing_runs_on_this_folder(self, lace: Lace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("LACE_URL", raising=False)
        monkeypatch.setenv("LACE_DATA_DIR", str(tmp_path / "nothing"))
        told = lace("runs")
        assert told.code == NOT_REACHED
        assert "lace up" in told.err

    @pytest.mark.parametrize("arguments", [["generate"], ["nonsense"], ["token"], ["runs", "--limit", "0"]])
    def test_wrong_use_explains_itself(self, lace: Lace, arguments: list[str]) -> None:
        told = lace(*arguments)
        assert told.code == WRONG_USE
        assert "Usage: lace" in told.out + told.err

    @pytest.mark.parametrize("command", ["serve", "health"])
    def test_a_service_that_there_is_not(self, lace: Lace, command: str) -> None:
        told = lace(command, "kitchen")
        assert told.code == WRONG_USE
        assert "llm_gateway" in told.err

    @pytest.mark.parametrize("arguments", [["serve", "runs"], ["db", "upgrade"]])
    def test_a_service_alone_needs_a_database(
        self, lace: Lace, arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("LACE_DSN", raising=False)
        told = lace(*arguments)
        assert told.code == WRONG_USE
        assert "LACE_DSN" in told.err

    def test_health_of_what_does_not_answer(self, lace: Lace, api: ScriptedApi) -> None:
        api.refuse("GET", "/health/ready", 503, "SERVICE_UNAVAILABLE", "Not ready: runs.")
        told = lace("health")
        assert (told.code, told.out) == (NOT_REACHED, "Not ready: runs.\n")
        api.on("GET", "/health/ready", {"status": "ready"})
        assert (lace("health").code, lace("health").out) == (0, "serving\n")

    def test_a_misspelt_setting_is_told_without_spoiling_the_output(
        self, lace: Lace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LACE_GATEWAY_PROT", "1")
        monkeypatch.setenv("LACE_ADDRESSES", "runs=127.0.0.1:9")
        told = lace("health", "runs")
        assert (told.code, told.out) == (NOT_REACHED, "unavailable\n")
        assert "LACE_GATEWAY_PORT" in told.err

    def test_the_documentation_s_address(self, lace: Lace, api: ScriptedApi) -> None:
        assert lace("open", "--docs", "--print").out == f"{api.url}/docs\n"

    def test_the_page_for_readers(self, lace: Lace, api: ScriptedApi) -> None:
        assert lace("open", "--print").out == f"{api.url}/read\n"
        assert lace("open", "art_1", "--print").out == f"{api.url}/read#/documents/art_1\n"


def test_every_command_explains_itself(lace: Lace) -> None:
    told = lace("--help").out
    for command in (
        "up",
        "demo",
        "ingest",
        "generate",
        "watch",
        "events",
        "pause",
        "resume",
        "restart",
        "cancel",
        "compile",
        "open",
    ):
        assert f" {command} " in told
        assert "Usage: lace" in lace(command, "--help").out
