"""The house that rules judge for: who publishes, and what it asks of its texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from newsletter.model import Standards

if TYPE_CHECKING:
    from newsletter.model import Publication


@dataclass(frozen=True, slots=True)
class House:
    """Whose content it is, and the standards that it sets itself (the settings' ``[checks]``)."""

    publication: Publication
    standards: Standards = field(default_factory=Standards)
