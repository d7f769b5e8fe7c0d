"""Labels (TLP 2.0, PAP) and whom they let read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import total_ordering
from typing import Final

from newsletter.model.names import PUBLIC


@total_ordering
class Tlp(Enum):
    """Traffic Light Protocol 2.0 (FIRST, August 2022), from the loosest to the strictest label."""

    CLEAR = "CLEAR"
    GREEN = "GREEN"
    AMBER = "AMBER"
    AMBER_STRICT = "AMBER+STRICT"
    RED = "RED"

    def __lt__(self, other: Tlp) -> bool:
        """Looser than."""
        order = list(Tlp)
        return order.index(self) < order.index(other)

    def __str__(self) -> str:
        """The label as the standard writes it: capitals, no blank, never translated."""
        return f"TLP:{self.value}"


@total_ordering
class Pap(Enum):
    """Permissible Actions Protocol, from what allows most to what allows least."""

    CLEAR = "CLEAR"
    GREEN = "GREEN"
    AMBER = "AMBER"
    RED = "RED"

    def __lt__(self, other: Pap) -> bool:
        """Allows more than."""
        order = list(Pap)
        return order.index(self) < order.index(other)

    def __str__(self) -> str:
        """PAP:CLEAR and so on."""
        return f"PAP:{self.value}"


@dataclass(frozen=True, slots=True)
class Audience:
    """Who reads: a name and the strictest label they are cleared for. A subscriber has exactly one."""

    name: str
    clearance: Tlp


PUBLIC_AUDIENCE: Final = Audience(PUBLIC, Tlp.CLEAR)
