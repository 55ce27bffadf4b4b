"""The page for readers in a real browser: a token, a run watched to its end, a citation beside its source."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from lace_client import LaceClient
from tests.doubles.browser import Page, browser, installed_browser
from tests.e2e.conftest import IN_ONE_PROCESS, RunningInstallation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("installation", [IN_ONE_PROCESS], indirect=True, scope="session"),
    pytest.mark.skipif(installed_browser() is None, reason="there is no chromium on this machine"),
]

BRIEF = Path(__file__).parents[2] / "examples" / "dossier" / "01-programme-brief.md"
TITLE = "What the <b>programme</b> is for"


async def enter(page: Page, token: str) -> None:
    await page.until("document.querySelector('form input') !== null")
    await page.run(f"document.querySelector('form input').value = {json.dumps(token)}")
    await page.run("document.querySelector('form').requestSubmit()")


async def test_a_document_is_begun_watched_and_read(
    installation: RunningInstallation, api: httpx.AsyncClient, client: LaceClient
) -> None:
    read = client.ingest([BRIEF])
    assert [event.event_type for event in client.watch_run(read.run_id)][-1] == "pipeline.run.completed"
    program = installed_browser()
    assert program is not None
    async with browser(program) as page:
        await page.call("Page.navigate", url=f"{installation.url}/read")
        await enter(page, "lace_wrong")
        assert "not known" in await page.until("document.querySelector('.problem')?.textContent")
        await enter(page, installation.token)
        await page.until("document.querySelector('h1')?.textContent === 'Documents'")
        await enter(page, TITLE)
        await page.until("location.hash.startsWith('#/runs/run_')")
        assert "sentences cited" in await page.until("document.querySelector('section p a')?.parentElement.textContent")
        await page.run("document.querySelector('section p a').click()")
        # A title is text: what looks like markup in it is shown as it stands.
        assert await page.until("document.querySelector('article h1')?.textContent") == TITLE
        await page.run("document.querySelector('.cite').click()")
        quote = await page.until("document.querySelector('.evidence blockquote')?.textContent")
        assert quote == await page.until("document.querySelector('.evidence mark')?.textContent")
        assert quote in BRIEF.read_text()
        assert "supported" in await page.until("document.querySelector('.evidence summary')?.textContent")
        assert await page.until("document.querySelector('.text').textContent.includes('Withheld')")
        href = await page.until(
            "[...document.querySelectorAll('article a')].find((a) => a.textContent === 'PDF')?.href"
        )
        assert (await api.get(href)).content.startswith(b"%PDF")
        # Numbers are those of the compiled files.
        listed = await page.until(
            "[...document.querySelectorAll('article a')].find((a) => a.textContent === 'Markdown')?.href"
        )
        text = (await api.get(listed)).text
        numbers = await page.run("new Set([...document.querySelectorAll('.cite')].map((one) => one.textContent)).size")
        assert numbers == text.count('<a id="ref-')
        assert installation.token not in await page.run("location.href + document.documentElement.outerHTML")
        assert [one for one in page.complaints if "401" not in one] == []
