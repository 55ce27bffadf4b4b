"""Example values of versions, extractions and bundles; see examples.py. Data, no code."""

from __future__ import annotations

from typing import Any

_SOURCES = ["src_6f2k9d4m1x8c5v0b3n7q2w5e9r", "src_1m5q8t2w6z9c3f7j0n4r8v1y5b"]
_BUNDLE = "bnd_4k8n2q6t0w3z7c1f5j9m3p7s1v"
_HASH = "9b74c9897bac770ffc029102a200c5de5f0a1f4b6ad8c1e2d3f40516273849aa"

BUNDLES: dict[str, Any] = {
    "series_id": _SOURCES[0],
    "previous_source_id": "",
    "Source.version": 1,
    "present": True,
    "matches": True,
    "bundle": "heat-pumps",
    "bundle_id": _BUNDLE,
    "bundle_version": 2,
    "Bundle.name": "heat-pumps",
    "Bundle.description": "What the chapter on heat pumps rests on.",
    "Bundle.version": 2,
    "BundleVersion.version": 2,
    "BundleVersion.source_ids": _SOURCES,
    "BundleVersion.note": "With the measurements of the second winter.",
    "withheld_count": 0,
}
REQUESTS: dict[str, Any] = {
    "CreateBundle": {
        "name": "heat-pumps",
        "description": "What the chapter on heat pumps rests on.",
        "source_ids": _SOURCES[:1],
    },
    "CreateBundleVersion": {
        "add": _SOURCES[1:],
        "expected_version": 1,
        "note": "With the measurements of the second winter.",
    },
    "RefreshBundle": {"expected_version": 2},
    "GetQuote": {"start": 0, "end": 41, "quote_hash": _HASH},
}
