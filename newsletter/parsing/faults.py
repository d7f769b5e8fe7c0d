"""What the door says: a collector of findings for one file, and the codes that it may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from newsletter.html import markdown_faults
from newsletter.model import Finding, Gravity, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

MAX_FAULTS: Final = 100  # of one file; whoever has more wrote another kind of file

# Every code that reading files can yield. Codes are stable: waivers and reports name them.
DOOR_RULES: Final[Mapping[str, str]] = {
    "file-name": "The file's name says what it is: slug, language",
    "file-kind": "Content is regular files: no links, pipes or other things",
    "file-unreadable": "The file can be read",
    "file-size": "The file is within the size limit",
    "file-twice": "A slug belongs to one article, incident or note of one language",
    "encoding": "The file is UTF-8 without control characters",
    "front-matter": "The front matter is plain YAML: no aliases, tags, duplicate names or deep nesting",
    "field-missing": "Required fields are there",
    "field-unknown": "Fields have the names that we know",
    "field": "Fields have values of their kind",
    "tlp-missing": "Everything is marked; what is unmarked is not shareable",
    "tlp-red": "TLP:RED is for named persons, never for a file",
    "tlp-white": "TLP:WHITE has been TLP:CLEAR since TLP 2.0",
    "dates-order": "Dates follow each other",
    "markdown": "The text is within the limits of Markdown that we render, without raw HTML",
    "body-missing": "There is a text",
    "section": "An incident's text stands in the sections that we know",
    "image-alt-missing": "The image of an article has a text for those who cannot see it",
    "image-name": "Images in a text are named as files beside the article",
    "image-missing": "The named image stands beside the article",
    "image-size": "An image is within the size limit",
    "image-kind": "An image is a whole PNG, JPEG, GIF or WebP, and named so",
    "image-too-many": "An article is within the limit of images",
    "image-differs": "Language versions share their images",
    "translation-alone": "What is translated exists in the first language",
    "translation-differs": "A translation states the same facts",
    "alias-taken": "An old address leads to one article",
}


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """A noun, unless something blocks; and everything that was found on the way, in the order of lines."""

    value: T | None
    findings: tuple[Finding, ...]


class Faults:
    """Gathers what is wrong with one file. ``path`` is relative to the site; lines are 1-based."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.blocking = False
        self._findings: list[Finding] = []

    def block(self, rule: str, line: int, message: str, fix: str) -> None:
        """Something that keeps the file out."""
        self.blocking = True
        self._add(rule, Gravity.BLOCK, line, message, fix)

    def advise(self, rule: str, line: int, message: str, fix: str) -> None:
        """Something that we put up with."""
        self._add(rule, Gravity.ADVISE, line, message, fix)

    def markdown(self, text: str, first_line: int) -> None:
        """What ``markdown_faults`` finds in a text that begins in this line of the file."""
        for fault in markdown_faults(text):
            self.block("markdown", first_line + fault.line - 1, fault.message, fault.fix)

    def outcome(self, value: T | None) -> Parsed[T]:
        """The value if nothing blocks, with all findings."""
        findings = sorted(self._findings, key=lambda finding: finding.place)
        return Parsed(None if self.blocking else value, tuple(findings))

    def _add(self, rule: str, gravity: Gravity, line: int, message: str, fix: str) -> None:
        if len(self._findings) < MAX_FAULTS:
            self._findings.append(Finding(rule, gravity, Place(self.path, line), message, fix))
