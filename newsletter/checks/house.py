"""Whose rules they are: what rules over letters and pages know besides what they look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from newsletter.model import Standards

if TYPE_CHECKING:
    from newsletter.model import Publication


@dataclass(frozen=True, slots=True)
class House:
    """The publication, and the standards that it holds its texts to."""

    publication: Publication
    standards: Standards = field(default_factory=Standards)
