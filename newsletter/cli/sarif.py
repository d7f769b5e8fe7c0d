"""Findings as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format): what code hosts and editors read."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from newsletter import __version__
from newsletter.checks import rules
from newsletter.model import Gravity

if TYPE_CHECKING:
    from newsletter.model import Finding, Preflight

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS: Final = {Gravity.BLOCK: "error", Gravity.ADVISE: "warning"}


def sarif(found: Preflight) -> dict[str, Any]:
    """One run. What was waived is there too, suppressed with its reason (section 3.35)."""
    known = {code: number for number, (code, _, _) in enumerate(rules())}
    results = [_result(finding, known) for finding in found.findings]
    for one in found.waived:
        suppression = {"kind": "inSource", "status": "accepted", "justification": one.reason}
        results.append(_result(one.finding, known) | {"suppressions": [suppression]})
    driver = {
        "name": "newsletter",
        "version": __version__,
        "rules": [
            {
                "id": code,
                "shortDescription": {"text": title},
                "defaultConfiguration": {"level": LEVELS[gravity]},
            }
            for code, gravity, title in rules()
        ],
    }
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding, known: dict[str, int]) -> dict[str, Any]:
    place = finding.place
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(place.path), "uriBaseId": "SRCROOT"}}
    if place.line:
        location["region"] = {"startLine": place.line} | ({"startColumn": place.column} if place.column else {})
    # The same finding keeps its mark when lines above it come and go (section 3.27.17).
    mark = sha256(f"{finding.rule}\0{place.path}\0{finding.message}".encode()).hexdigest()[:32]
    return {
        "ruleId": finding.rule,
        "ruleIndex": known[finding.rule],
        "level": LEVELS[finding.gravity],
        "message": {"text": finding.message + (f"; {finding.fix}" if finding.fix else "")},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"finding/v1": mark},
    }
