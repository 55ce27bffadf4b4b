"""Transformation logs of every shape, for property tests and contract tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from lace_provenance.domain.logs import (
    CallContent,
    EntityRef,
    GenAi,
    Governance,
    Lineage,
    Pedigree,
    Provenance,
    Retention,
    Security,
    TransformationLog,
)

# No NUL, which Postgres keeps in no text, and no surrogates, which are no Unicode text.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=12)
moments = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
_numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e6, 1e6, width=32).filter(lambda x: x != int(x))
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(texts, values, max_size=3)
some_texts = st.lists(texts, max_size=3).map(tuple)
entities = st.builds(EntityRef, entity_id=names, content_hash=names, uri=texts, kind=texts)
contents = st.lists(st.builds(CallContent, names, texts, texts, texts, texts, st.none() | moments), max_size=2).map(
    tuple
)

logs = st.builds(
    TransformationLog,
    id=names,
    tenant_id=names,
    run_id=names,
    stage=names,
    activity_name=texts,
    started_at=moments,
    ended_at=moments,
    agent=names,
    on_behalf_of=texts,
    trace_id=texts,
    span_id=texts,
    parent_span_id=texts,
    inputs=st.lists(entities, max_size=3).map(tuple),
    outputs=st.lists(entities, max_size=3).map(tuple),
    lineage=st.builds(Lineage, some_texts, texts, texts),
    provenance=st.builds(Provenance, some_texts, texts),
    pedigree=st.builds(Pedigree, texts, texts, mappings, some_texts),
    security=st.builds(Security, texts, some_texts, some_texts, some_texts),
    retention=st.builds(Retention, texts, st.none() | moments),
    genai=st.none() | st.builds(GenAi, texts, texts, texts, mappings, mappings, some_texts, some_texts, contents),
    correlation_id=texts,
    schema_version=st.integers(0, 2**31 - 1),
    governance=st.builds(Governance, texts, texts, texts),
)
