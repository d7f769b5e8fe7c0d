"""Codes of what is found outside the registries: over the network, by the release gate, about waivers themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# What is found in pages and stands in the file that they show; to be seen, pages must have been looked at.
IN_SOURCES: Final = frozenset({"page-description", "page-title-twice"})
GATE: Final = "release-gate"
DEAD_CODE: Final = "link-external-dead"
MOVED_CODE: Final = "link-external-moved"
EXTERNAL_RULES: Final[Mapping[str, str]] = {
    DEAD_CODE: "Links to elsewhere lead to pages that are there (with --links)",
    MOVED_CODE: "Links to elsewhere lead where their pages are now (with --links)",
}
WAIVER_RULES: Final[Mapping[str, str]] = {
    "waiver-unknown": "Waivers name rules that can be waived",
    "waiver-idle": "Waivers answer for something that is found",
}
