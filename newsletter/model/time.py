"""Months, and moments of which not everything is known."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self

from newsletter.model.names import FIRST_YEAR_TO_LAST


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month, written 2026-10."""

    year: int
    month: int

    def __post_init__(self) -> None:
        """Refuse what is no month: ValueError."""
        if self.month not in range(1, 13) or self.year not in FIRST_YEAR_TO_LAST:
            msg = f"{self.year:04d}-{self.month:02d} is no month"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``2026-10``; anything else raises ValueError."""
        match = re.fullmatch(r"(\d{4})-(\d{2})", text.strip(), re.ASCII)
        if match is None:
            msg = f"{text!r} is no month; write it like 2026-10"
            raise ValueError(msg)
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> Self:
        """The month that holds this day."""
        return cls(day.year, day.month)

    def shift(self, months: int) -> Month:
        """The month this many months later (negative: earlier)."""
        index = self.year * 12 + self.month - 1 + months
        return Month(index // 12, index % 12 + 1)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:
        """Lets pydantic read and write it as ``"2026-10"``; imported here, since only the doors know pydantic."""
        from pydantic_core import core_schema  # noqa: PLC0415  # the nouns start without pydantic

        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(str(value)),
            serialization=core_schema.to_string_ser_schema(),
        )

    @property
    def first_day(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """Its last day."""
        return date(self.year, self.month, monthrange(self.year, self.month)[1])

    def __str__(self) -> str:
        """2026-10."""
        return f"{self.year:04d}-{self.month:02d}"


class Precision(StrEnum):
    """How exactly an incident's time is known (VERIS allows the year alone)."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    MINUTE = "minute"


@dataclass(frozen=True, slots=True)
class When:
    """A moment as exactly as it is known, in the site's zone; ``start`` is the first minute of it, naive."""

    start: datetime
    precision: Precision

    @property
    def month(self) -> Month:
        """The month it counts in."""
        return Month(self.start.year, self.start.month)
