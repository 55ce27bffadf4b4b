"""The generator: what is committed is what proto/ says, and drift, bad style and broken contracts are found."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

_MEMBER = Path(__file__).resolve().parents[3] / "libs" / "lace_proto"
_THING = """syntax = "proto3";

// Things.
package lace.things.v1;

// A thing.
message Thing {
  // Its name.
  string name = 1;
}
"""


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lace_proto_generate", _MEMBER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def generator() -> ModuleType:
    return _load()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, Path]:
    """The generator on a contract of one message in a folder of its own, and that message's file."""
    module = _load()
    proto = tmp_path / "proto"
    thing = proto / "lace" / "things" / "v1" / "things.proto"
    thing.parent.mkdir(parents=True)
    thing.write_text(_THING)
    shutil.copyfile(module.PROTO / "buf.yaml", proto / "buf.yaml")
    monkeypatch.setattr(module, "PROTO", proto)
    monkeypatch.setattr(module, "RELEASED", proto / "released.binpb")
    monkeypatch.setattr(module, "MEMBER", tmp_path / "member")
    return module, thing


def test_generated_code_is_up_to_date(generator: ModuleType) -> None:
    assert generator.main(["--check"]) == 0


def test_contract_keeps_the_style(generator: ModuleType) -> None:
    assert generator.main(["--lint"]) == 0


def test_contract_breaks_no_client_of_the_last_release(generator: ModuleType) -> None:
    assert generator.main(["--breaking"]) == 0


def test_drift_is_found(elsewhere: tuple[ModuleType, Path], capfd: pytest.CaptureFixture[str]) -> None:
    generator, thing = elsewhere
    assert generator.main(["--check"]) == 1
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    thing.write_text(_THING.replace("name", "title"))
    capfd.readouterr()
    assert generator.main(["--check"]) == 1
    assert "libs/lace_proto/lace/things/v1/things_pb2.py" in capfd.readouterr().err
    (generator.MEMBER / "lace" / "stray_pb2.py").write_text("")
    assert generator.main([]) == 0
    assert not (generator.MEMBER / "lace" / "stray_pb2.py").exists()


def test_missing_comment_is_found(elsewhere: tuple[ModuleType, Path], capfd: pytest.CaptureFixture[str]) -> None:
    generator, thing = elsewhere
    assert generator.main(["--lint"]) == 0
    thing.write_text(_THING.replace("  // Its name.\n", ""))
    assert generator.main(["--lint"]) != 0
    assert "lace/things/v1/things.proto:8:3" in capfd.readouterr().out


def test_broken_contract_is_found(elsewhere: tuple[ModuleType, Path]) -> None:
    generator, thing = elsewhere
    assert generator.main(["--breaking"]) == 0
    assert generator.main(["--release"]) == 0
    assert generator.main(["--breaking"]) == 0
    thing.write_text(_THING.replace("name = 1", "name = 2"))
    assert generator.main(["--breaking"]) != 0


def test_refused_proto_ends_with_an_error(elsewhere: tuple[ModuleType, Path]) -> None:
    generator, thing = elsewhere
    thing.write_text(_THING + "message {")
    assert generator.main([]) != 0
