"""Results as JUnit XML, in the shape that CI servers read: a test case for each check."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from lace_core.suites.results import CheckResult, Place, SuiteResult

# What XML 1.0 can hold in no way, escaped or not.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(result: SuiteResult, revision_id: str = "", tested_at: str = "", test_id: str = "") -> bytes:
    """The XML document, UTF-8; `tested_at` is an ISO 8601 time. Equal results give equal bytes."""
    counts = {
        "tests": str(len(result.checks)),
        "failures": str(result.counts["failed"]),
        "errors": str(result.counts["error"]),
        "skipped": str(result.counts["skipped"]),
        "time": "0",
    }
    root = Xml.Element("testsuites", {"name": _clean(result.suite), **counts})
    own = {"name": _clean(result.suite), **counts, "hostname": "lace"}
    if tested_at:
        own["timestamp"] = _clean(tested_at)
    suite = Xml.SubElement(root, "testsuite", own)
    told = {
        "artifact_id": result.artifact_id,
        "revision_id": revision_id,
        "test_id": test_id,
        "suite_sha256": result.sha256,
    }
    properties = Xml.SubElement(suite, "properties")
    for name, value in told.items():
        Xml.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    for check in result.checks:
        _case(suite, result, check)
    body: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _case(suite: Xml.Element, result: SuiteResult, check: CheckResult) -> None:
    classname = _clean(f"{result.suite}.{check.rule}")
    case = Xml.SubElement(suite, "testcase", {"name": _clean(check.check_id), "classname": classname, "time": "0"})
    message = _clean(check.message)
    if check.status == "skipped":
        Xml.SubElement(case, "skipped", {"message": message})
    elif check.status == "error":
        Xml.SubElement(case, "error", {"message": message, "type": _clean(check.rule)})
    elif check.status == "failed":
        kind = check.findings[0].code if check.findings else check.rule
        failure = Xml.SubElement(case, "failure", {"message": message, "type": _clean(kind)})
        failure.text = _clean("\n".join(_lines(check)))


def _lines(check: CheckResult) -> list[str]:
    lines = [check.why] if check.why else []
    for finding in check.findings:
        lines += [f"{finding.code}: {finding.message}", *(f"  {where(place)}" for place in finding.places)]
    left_out = check.finding_count - len(check.findings)
    return [*lines, f"… and {left_out} more"] if left_out else lines


def where(place: Place) -> str:
    """A place in words: its section, the quoted text, and the ids that lead there."""
    text = f": “{place.text}”" if place.text else ""
    return f"{' > '.join(place.section) or 'the document'}{text} ({place.pointer or '/'})"


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", text)
