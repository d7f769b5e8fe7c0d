"""What a rule is: a stable code, how grave it is, a title for people, and a function that yields problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from newsletter.model import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from newsletter.model import Collected, Gravity, Publication


class Problem(NamedTuple):
    """What a rule found in one place, and how to mend it. Lines and columns are 1-based, 0 unknown."""

    path: str
    line: int
    message: str
    fix: str
    column: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that we look for. Codes are stable: waivers and reports name them."""

    code: str
    gravity: Gravity
    title: str
    function: Callable[[Collected, Publication], Iterator[Problem]]

    def findings(self, collected: Collected, publication: Publication) -> Iterator[Finding]:
        """Everything that it finds in this content."""
        for problem in self.function(collected, publication):
            place = Place(problem.path, problem.line, problem.column)
            yield Finding(self.code, self.gravity, place, problem.message, problem.fix)
