"""Example values of documents that come in by the hundred: files of a run, and the inbox; see examples.py. Data, no
code.
"""

from __future__ import annotations

from typing import Any

INTAKE: dict[str, Any] = {
    "prefix": "2026/surveys/",
    "intake_hash": "",
    "ready": 198,
    "failed": 2,
    "units": 4120,
    "words": 8_940,
    "pages": 24,
    "attempts": 1,
    "FileCounts.total": 200,
    "RunFile.state": "ready",
    "RunFile.filename": "heat-pumps-2026.pdf",
    "RunFile.units": 212,
    "RunFile.error_code": "",
    "RunFile.error_message": "",
    "RunFile.warnings": [],
    "InboxObject.name": "2026/surveys/heat-pumps-2026.pdf",
    "ListInboxRequest.prefix": "2026/surveys/",
    "StartImportRequest.labels": [],
}
REQUESTS: dict[str, Any] = {
    "StartImport": {"prefix": "2026/surveys/"},
    "FindSources": {
        "files": [
            {
                "filename": "heat-pumps-2026.pdf",
                "sha256": "9b74c9897bac770ffc029102a200c5de5f0a1f4b6ad8c1e2d3f40516273849aa",
            }
        ]
    },
}
