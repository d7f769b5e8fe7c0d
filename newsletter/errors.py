"""Everything this package raises on purpose.

NewsletterError
├── ConfigError            a setting is wrong                                   exit 3
├── ContentError           files that editors must mend, all faults at once     exit 2
├── UsageError             a command asked for something that makes no sense    exit 2
├── SourceError            an outside source misbehaved (a value after collect) exit 5
│   └── UnknownHostError   there is no such name
├── RefusedError           the house rules say no                               exit 4
│   ├── HandlingError      a TLP rule refused
│   ├── PreflightError     the preflight found something that blocks
│   ├── TooManyError       more of this in a while, or not at all
│   └── ConflictError      it changed meanwhile, or is beyond changing
│       └── BusyError      another process is at it: worth repeating in a moment
├── StoreError             the database cannot be used now                      exit 5
├── PublishError           the archive cannot be written now                    exit 5
├── DeliveryError          a relay refused us, permanent or not                 exit 5
└── LinkError              a mailed link that we did not make, or no longer honour

The world's failures are values (``SourceFailure``); our mistakes raise. Anything outside this tree is a bug.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class NewsletterError(Exception):
    """The root; its text is all that a person sees."""

    exit_code: ClassVar[int] = 1


class ConfigError(NewsletterError):
    """A setting is missing, unknown or wrong."""

    exit_code = 3


class ContentError(NewsletterError):
    """Content files hold faults; ``problems`` has every one of them, each with its place and fix."""

    exit_code = 2

    def __init__(self, problems: Iterable[object]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(NewsletterError):
    """The request itself makes no sense."""

    exit_code = 2


class SourceError(NewsletterError):
    """An outside source could not be used; ``collect`` turns it into a ``SourceFailure``."""

    exit_code = 5


class UnknownHostError(SourceError):
    """The name servers say that there is no such host: more than that it could not be asked."""


class RefusedError(NewsletterError):
    """The rules of the house refuse: unapproved, above clearance, locked."""

    exit_code = 4


class HandlingError(RefusedError):
    """A TLP rule refused."""


class PreflightError(RefusedError):
    """The preflight found what blocks; ``findings`` has all of it. Mended, waived or forced, it passes."""

    def __init__(self, findings: Iterable[object]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class TooManyError(RefusedError):
    """Somebody asked too often; ``seconds`` later it may work again."""

    def __init__(self, message: str, *, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(message)


class ConflictError(RefusedError):
    """The thing changed since it was looked at, or is beyond changing."""


class BusyError(ConflictError):
    """Another process is at it; the same call may work in a moment."""


class StoreError(NewsletterError):
    """The database is locked, full, gone or of another version."""

    exit_code = 5


class PublishError(NewsletterError):
    """The archive could not be written; what readers see is what stood there before."""

    exit_code = 5


class DeliveryError(NewsletterError):
    """The relay cannot be used. ``permanent`` says whether trying again can help."""

    exit_code = 5

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        self.permanent = permanent
        super().__init__(message)


class LinkError(NewsletterError):
    """A link that we did not make, or that is used up or too old (then ``spent``)."""

    def __init__(self, message: str, *, spent: bool = False) -> None:
        self.spent = spent
        super().__init__(message)
