"""What is compiled passes the checkers: PDF/UA-1 and PDF/A-2a by veraPDF, OWL 2 DL and consistency by HermiT."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdf
import pytest

from lace_compiler.adapters.child_worker import ChildWorker
from lace_compiler.app.ports import Work
from lace_compiler.domain.settings import CompileSettings, limits_of
from lace_compiler.domain.target import Target
from lace_core import ir

pytestmark = [pytest.mark.real_parts, pytest.mark.timeout(600)]

SHARED = Path(os.environ.get("LACE_SHARED") or Path(__file__).parents[4] / "shared")
DOCUMENTS = ("kiln", "hostile", "empty", "outline")

Check = Callable[[str, list[str], list[Path]], list[dict[str, Any]]]


def needed(found: bool, what: str) -> None:
    """Skips where a part is missing, and fails where the run must have them all."""
    if found:
        return
    if os.environ.get("LACE_REQUIRE_REAL_PARTS") == "1":
        pytest.fail(f"{what} is missing, and LACE_REQUIRE_REAL_PARTS=1 asks for every part")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """`check("pdfcheck", ["ua1"], files)`: a line of findings for each file; built in a folder of the test's own."""
    built: dict[str, Path] = {}
    for program in ("java", "mvn"):
        needed(shutil.which(program) is not None, program)

    def build(name: str) -> Path:
        source = SHARED / "checks" / name
        needed(source.is_dir(), str(source))
        folder = tmp_path_factory.mktemp("checks") / name
        shutil.copytree(source, folder)
        for path in (folder, *folder.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
        subprocess.run(["mvn", "-q", "-B", "package"], cwd=folder, check=True, timeout=400)
        return folder

    def run(name: str, arguments: list[str], found: list[Path]) -> list[dict[str, Any]]:
        folder = built.setdefault(name, built.get(name) or build(name))
        main = {"pdfcheck": "lace.PdfCheck", "owlcheck": "lace.OwlCheck"}[name]
        command = ["java", "-cp", "target/classes:target/lib/*", main, *arguments, *map(str, found)]
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=400)
        assert done.stdout, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


async def compiled(data: bytes, target: Target, path: Path, verification: bytes = b"") -> Path:
    work = Work(data, "rev_golden", "", target, CompileSettings(), verification)
    path.write_bytes((await ChildWorker(1).compile(work, limits_of({}))).data)
    return path


async def test_pdf(check: Check, golden_ir: Callable[[str], bytes], tmp_path: Path) -> None:
    found = [await compiled(golden_ir(name), Target.PDF, tmp_path / f"{name}.pdf") for name in DOCUMENTS]
    told = tmp_path / "kiln-verified.pdf"
    found.append(await compiled(golden_ir("kiln"), Target.PDF, told, golden_ir("verification")))
    findings = check("pdfcheck", ["ua1,2a"], found)
    assert len(findings) == 2 * len(found)
    assert [f for f in findings if not f.get("compliant")] == []


async def test_a_long_pdf(check: Check, long_document: Callable[[int], ir.Artifact], tmp_path: Path) -> None:
    path = await compiled(ir.encode(long_document(66)), Target.PDF, tmp_path / "long.pdf")
    assert len(pypdf.PdfReader(path).pages) >= 100
    assert [f["compliant"] for f in check("pdfcheck", ["ua1,2a"], [path])] == [True, True]


async def test_three_hundred_pages_are_compiled_within_the_default_limits(
    long_document: Callable[[int], ir.Artifact], tmp_path: Path
) -> None:
    data = ir.encode(long_document(200))
    for target in Target:
        path = await compiled(data, target, tmp_path / f"long.{target.extension}")
        if target is Target.PDF:
            assert len(pypdf.PdfReader(path).pages) >= 300
        if target is Target.MD:
            assert path.read_text().count("A heading that only repeats") == 200


async def test_owl(check: Check, golden_ir: Callable[[str], bytes], tmp_path: Path) -> None:
    found = [await compiled(golden_ir(name), Target.OWL, tmp_path / f"{name}.ttl") for name in DOCUMENTS]
    told = tmp_path / "kiln-verified.ttl"
    found.append(await compiled(golden_ir("kiln"), Target.OWL, told, golden_ir("verification")))
    findings = check("owlcheck", [], found)
    assert len(findings) == len(found)
    for finding in findings:
        assert (finding["owl2_dl"], finding["consistent"], finding["unsatisfiable"]) == (True, True, []), finding


async def test_the_checkers_refuse_what_is_wrong(
    check: Check, golden_ir: Callable[[str], bytes], tmp_path: Path
) -> None:
    """A check that passes everything would prove nothing."""
    good = (await compiled(golden_ir("kiln"), Target.OWL, tmp_path / "good.ttl")).read_text()
    section, block = "section:nod_build", "block:blk_walls"
    wrong = {
        "disjoint.ttl": f"{section} a lace:Evidence .\n",
        "functional.ttl": f'{section} lace:title "another" .\n',
        "undeclared.ttl": f'{section} lace:nothing "x" .\n',
        "parts.ttl": f"section:nod_use lace:hasBlock {block} .\nsection:nod_use owl:differentFrom {section} .\n",
    }
    for name, more in wrong.items():
        (tmp_path / name).write_text(good + more)
    findings = check("owlcheck", [], [tmp_path / name for name in wrong])
    assert [f["owl2_dl"] and f.get("consistent", False) for f in findings] == [False] * len(wrong)
    plain = tmp_path / "plain.pdf"
    writer = pypdf.PdfWriter()
    writer.add_blank_page(200, 200)
    writer.write(plain)
    assert [f["compliant"] for f in check("pdfcheck", ["ua1,2a"], [plain])] == [False, False]
