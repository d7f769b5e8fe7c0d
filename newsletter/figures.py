"""Incidents counted, pure. The rule, printed with the figures: by main RSIT class, in the month of detection.

Exercises, tests, false positives and duplicates do not count. Months without a record count as zero from the first
recorded month on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.model import Count, Figures, Severity
from newsletter.rsit import TAXONOMY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from newsletter.model import Incident, Month

BASELINE_MONTHS: Final = 12


def count_incidents(incidents: Iterable[Incident], month: Month) -> Figures:
    """Figures of ``month`` over incidents in any languages: each id counts once."""
    counted = [i for i in {i.id: i for i in incidents}.values() if i.counts and i.detected.month <= month]
    months = recorded_months(counted, month)

    def tally(key: str, chosen: Callable[[Incident], bool]) -> Count:
        per_month = dict.fromkeys(months, 0)
        for incident in counted:
            if chosen(incident) and incident.detected.month in per_month:
                per_month[incident.detected.month] += 1
        baseline = [per_month[m] for m in months[:-1]]
        mean = sum(baseline) / len(baseline) if baseline else None
        return Count(key, per_month[month], baseline[-1] if baseline else None, mean, len(baseline))

    total = tally("total", lambda _: True)
    # Every class that has anything in these months: otherwise the means would not add up to the total's.
    by_class = [tally(name, lambda i, name=name: i.rsit.name == name) for name in TAXONOMY]  # type: ignore[misc]
    by_severity = [tally(str(int(s)), lambda i, s=s: i.severity == s) for s in reversed(Severity)]  # type: ignore[misc]
    return Figures(
        total=total,
        by_class=tuple(sorted((c for c in by_class if c.now or c.mean), key=lambda c: -c.now)),
        by_severity=tuple(by_severity),
        history=tuple((m, sum(i.detected.month == m for i in counted)) for m in months),
    )


def recorded_months(counted: Iterable[Incident], month: Month) -> tuple[Month, ...]:
    """Up to 12 months before ``month``, none before the first record, and ``month`` itself; oldest first."""
    first = min((i.detected.month for i in counted), default=month)
    return tuple(m for n in range(-BASELINE_MONTHS, 1) if (m := month.shift(n)) >= first or m == month)
