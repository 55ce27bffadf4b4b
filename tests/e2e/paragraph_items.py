"""Paragraphs for the mutations of paragraphs: drafts over one fact, with a text, and in a document."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.e2e.mutations import Stage

CLAIM = "The bridge cost ten pounds."


async def spec(stage: Stage, title: str = "") -> dict[str, Any]:
    """A specification over one fact that a person stated."""
    fact_id = await stage.fact()
    title = title or f"n{uuid.uuid4().hex[:12]}"
    return {"title": title, "purpose": "To say what it cost.", "allowed_fact_ids": [fact_id]}


async def draft(stage: Stage, **more: str) -> dict[str, Any]:
    """A paragraph without a text."""
    return await stage.change("POST", "/v1/paragraphs", {"spec": await spec(stage), **more})


async def written(stage: Stage, **more: str) -> dict[str, Any]:
    """A paragraph with a person's text, which stands."""
    made = await draft(stage, **more)
    path = f"/v1/paragraphs/{made['paragraph_id']}:edit"
    return await stage.change("POST", path, {"sentences": sentences(made)})


def sentences(paragraph: dict[str, Any]) -> list[dict[str, Any]]:
    """What the one fact of a paragraph says."""
    return [{"text": CLAIM, "fact_ids": paragraph["spec"]["allowed_fact_ids"]}]
