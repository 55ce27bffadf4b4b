"""Pages of the list: every attempt once, in order, under tokens that are good for their own list alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lace.compiler.v1 import compiler_pb2
from lace_compiler.adapters.memory_units import MemoryUnits
from lace_compiler.api.pages import CompiledPages
from lace_compiler.app.list_compiled import list_compiled
from lace_compiler.domain.attempt import Bundle, Compiled
from lace_core.errors import LaceError, Reason
from lace_platform.paging import PageTokens

START = datetime(2026, 5, 1, tzinfo=UTC)
PAGES = CompiledPages(PageTokens("a secret"))


class NoFiles:
    async def read_ir(self, uri: str, sha256: str) -> bytes:
        raise AssertionError("a list reads no file")

    async def write_bundle(self, tenant_id: str, key: str, data: bytes, media_type: str, filename: str) -> Bundle:
        raise AssertionError("a list writes no file")

    def download_url(self, tenant_id: str, bundle: Bundle) -> str:
        return f"/v1/blobs/{tenant_id}/{bundle.filename}"


def attempt(number: int) -> Compiled:
    compiled = Compiled(
        compiled_id=f"cmp_{number:02}",
        artifact_id="art_1",
        revision_id=f"rev_{number % 2}",
        target="md",
        attempt=number,
        compiler_version="1.0.0",
        settings_hash="",
        ir_hash="",
        created_at=START + timedelta(seconds=number // 3),
        error_code="COMPILE_FAILED",
    )
    return compiled if number % 4 else replace(compiled, error_code="", bundle=Bundle("u", "h", 1, "m", f"{number}.md"))


async def units_with(count: int) -> MemoryUnits:
    units = MemoryUnits()
    async with units.of_tenant("ten_1") as unit:
        for number in range(count):
            await unit.compiled.add("ten_1", "run_1", f"job_{number}", attempt(number))
        await unit.commit()
    return units


async def read_all(units: MemoryUnits, revision_id: str, size: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    request = compiler_pb2.ListCompiledRequest(artifact_id="art_1", revision_id=revision_id, page_size=size)
    while True:
        page = await list_compiled(units, NoFiles(), "ten_1", PAGES.question("ten_1", request))
        assert len(page.listed) <= size
        found += [(each.compiled.compiled_id, each.download_url) for each in page.listed]
        request.page_token = PAGES.next_token("ten_1", request, page)
        if not request.page_token:
            return found


@pytest.mark.parametrize("size", [1, 3, 4, 12, 13])
async def test_pages_hold_every_attempt_once_newest_first(size: int) -> None:
    found = await read_all(await units_with(12), "", size)
    assert [name for name, _ in found] == [f"cmp_{n:02}" for n in reversed(range(12))]
    assert [url for _, url in found if url] == [f"/v1/blobs/ten_1/{n}.md" for n in (8, 4, 0)]


async def test_a_list_can_be_of_one_revision() -> None:
    found = await read_all(await units_with(7), "rev_1", 2)
    assert [name for name, _ in found] == ["cmp_05", "cmp_03", "cmp_01"]


async def test_a_token_is_good_for_its_own_list_alone() -> None:
    request = compiler_pb2.ListCompiledRequest(artifact_id="art_1", page_size=1)
    page = await list_compiled(await units_with(2), NoFiles(), "ten_1", PAGES.question("ten_1", request))
    token = PAGES.next_token("ten_1", request, page)
    for tenant, other in (("ten_2", "art_1"), ("ten_1", "art_2")):
        with pytest.raises(LaceError) as caught:
            PAGES.question(tenant, compiler_pb2.ListCompiledRequest(artifact_id=other, page_token=token))
        assert caught.value.reason is Reason.PAGE_TOKEN_INVALID


def test_a_page_has_fifty_where_nothing_is_said_and_five_hundred_at_most() -> None:
    for asked, limit in ((0, 50), (7, 7), (10_000, 500)):
        request = compiler_pb2.ListCompiledRequest(artifact_id="art_1", page_size=asked)
        assert PAGES.question("ten_1", request).limit == limit
