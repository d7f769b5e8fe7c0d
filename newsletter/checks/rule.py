"""What a rule is: a stable code, how grave it is, a title for people, and a function that yields problems."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from newsletter.model import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from newsletter.checks.house import House
    from newsletter.model import Gravity

Subject = TypeVar("Subject")


class Problem(NamedTuple):
    """What a rule found in one place, and how to mend it. Lines and columns are 1-based, 0 unknown."""

    path: str
    line: int
    message: str
    fix: str
    column: int = 0


@dataclass(frozen=True, slots=True)
class Rule(Generic[Subject]):
    """One thing that we look for in a subject: all content, one file, a letter, a page.

    Codes are stable: waivers and reports name them. What is ``fixed`` can neither be waived nor forced, since what
    comes after relies on it, or readers would see what they may not.
    """

    code: str
    gravity: Gravity
    title: str
    function: Callable[[Subject, House], Iterator[Problem]]
    fixed: bool = False
    most: int | None = None

    def findings(self, subject: Subject, house: House) -> Iterator[Finding]:
        """Everything that it finds, up to ``most``: whoever has mended so many will ask again."""
        for problem in islice(self.function(subject, house), self.most):
            place = Place(problem.path, problem.line, problem.column)
            yield Finding(self.code, self.gravity, place, problem.message, problem.fix)


def by_code(*rules: Rule[Subject], most: int | None = None) -> dict[str, Rule[Subject]]:
    """A registry; ``most`` is how many findings each of them may have in one subject."""
    return {rule.code: replace(rule, most=most) for rule in rules}
