"""What the preflight found, and what was decided about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from newsletter.model.names import Language


class Gravity(StrEnum):
    """Whether a finding stops the release or only advises."""

    BLOCK = "block"
    ADVISE = "advise"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where: a file with a line and column (1-based, 0 unknown), or a part of a mail or page."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """articles/2026/x.en.md:3:1, as editors can click it."""
        numbers = [str(n) for n in (self.line, self.column) if n]
        return ":".join([self.path, *numbers])


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: its stable code, how grave, where, in words, and how to mend it."""

    rule: str
    gravity: Gravity
    place: Place
    message: str
    fix: str = ""

    def __str__(self) -> str:
        """One line for a person: place, message, fix, code."""
        mend = f"; {self.fix}" if self.fix else ""
        return f"{self.place}: {self.message}{mend} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Waived:
    """A finding that somebody answered for, with the reason given: in the file's ``waive``, or in the settings."""

    finding: Finding
    reason: str


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the rules found, weighed: what stands, and what was waived."""

    findings: tuple[Finding, ...] = ()
    waived: tuple[Waived, ...] = ()

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """What stops a release."""
        return tuple(finding for finding in self.findings if finding.gravity is Gravity.BLOCK)


@dataclass(frozen=True, slots=True)
class Forced:
    """Somebody's word that a mailing may leave although something blocks it: who, why, and what exactly.

    ``findings`` are those of that moment, as text; whatever is found later blocks again.
    """

    by: str
    reason: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standards:
    """What a house asks of its texts, beyond what every house does. Patterns may hold ``*``.

    ``banned_words`` gives for each word what to write instead, or nothing; ``private_names`` are user and host names,
    those of ``private_names_file`` (one a line) among them once the settings are loaded;
    ``public_addresses`` and ``public_phones`` may be printed. ``max_grade`` is in years of schooling. ``waive``
    answers for findings in mails and pages, by rule; a content file answers for its own.
    """

    banned_words: dict[Language, dict[str, str]] = field(default_factory=dict)
    private_names: tuple[str, ...] = ()
    private_names_file: str = ""
    public_addresses: tuple[str, ...] = ()
    public_phones: tuple[str, ...] = ()
    max_words: int = 1_500
    max_grade: dict[Language, float] = field(default_factory=dict)
    waive: dict[str, str] = field(default_factory=dict)
