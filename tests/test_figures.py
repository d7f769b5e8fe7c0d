from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.figures import count_incidents
from newsletter.model import Count, IncidentStatus, Month, RsitClass, Severity
from tests.support.content import EN, FR, OCTOBER, incident


def test_a_month_is_counted_against_the_one_before_and_the_mean_of_the_recorded_ones() -> None:
    """Months without a record are zeros from the first recorded month on, and n says how many there were."""
    incidents = [
        incident(1, "2026-06-15"),
        incident(2, "2026-09-01"),
        incident(3, "2026-09-30"),
        incident(4, "2026-10-01"),
    ]
    figures = count_incidents(incidents, OCTOBER)
    assert figures.total == Count("total", now=1, before=2, mean=3 / 4, months=4)
    assert [(str(m), n) for m, n in figures.history] == [
        ("2026-06", 1),
        ("2026-07", 0),
        ("2026-08", 0),
        ("2026-09", 2),
        ("2026-10", 1),
    ]


def test_the_baseline_never_reaches_back_more_than_twelve_months() -> None:
    figures = count_incidents([incident(1, "2024-01-01"), incident(2, "2025-09-30")], OCTOBER)
    assert figures.total.months == 12
    assert figures.total.mean == 0
    assert len(figures.history) == 13


def test_the_first_month_ever_has_nothing_to_be_compared_with() -> None:
    figures = count_incidents([incident(1)], OCTOBER)
    assert (figures.total.before, figures.total.mean, figures.total.months) == (None, None, 0)
    assert figures.total.change is None


def test_classes_stand_by_weight_and_only_those_of_the_months_shown() -> None:
    incidents = [
        incident(1, rsit=RsitClass("malicious-code")),
        incident(2),
        incident(3),
        incident(4, "2026-09-03", rsit=RsitClass("availability", "ddos")),
        incident(5, "2026-03-03", rsit=RsitClass("vulnerable")),
        incident(6, "2024-03-03", rsit=RsitClass("intrusions")),
    ]
    figures = count_incidents(incidents, OCTOBER)
    assert [(c.key, c.now, c.before) for c in figures.by_class] == [
        ("fraud", 2, 0),
        ("malicious-code", 1, 0),
        ("availability", 0, 1),
        ("vulnerable", 0, 0),
    ]


def test_severities_stand_from_the_worst_down_even_when_there_was_none() -> None:
    figures = count_incidents([incident(1, severity=Severity.CRITICAL)], OCTOBER)
    assert [(c.key, c.now) for c in figures.by_severity] == [("4", 1), ("3", 0), ("2", 0), ("1", 0)]


def test_exercises_tests_and_what_was_no_incident_do_not_count() -> None:
    incidents = [
        incident(1, is_exercise=True),
        incident(2, rsit=RsitClass("test", "test")),
        incident(3, status=IncidentStatus.FALSE_POSITIVE),
        incident(4, status=IncidentStatus.DUPLICATE),
        incident(5),
    ]
    assert count_incidents(incidents, OCTOBER).total.now == 1


def test_an_incident_in_two_languages_counts_once() -> None:
    assert count_incidents([incident(1, language=EN), incident(1, language=FR)], OCTOBER).total.now == 1


def test_a_percentage_needs_a_base_of_ten() -> None:
    assert Count("total", now=5, before=9, mean=None, months=1).change is None
    assert Count("total", now=5, before=10, mean=None, months=1).change == -50


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(list(Severity)), st.sampled_from(["fraud", "other"]))))
def test_every_count_adds_up_to_the_total(rows: list[tuple[int, Severity, str]]) -> None:
    """The classes and the severities of a month are two ways to count the same incidents."""
    incidents = [
        incident(n, f"{OCTOBER.shift(-back)}-05", severity=severity, rsit=RsitClass(name))
        for n, (back, severity, name) in enumerate(rows)
    ]
    figures = count_incidents(incidents, OCTOBER)
    assert sum(c.now for c in figures.by_class) == sum(c.now for c in figures.by_severity) == figures.total.now
    assert figures.history[-1] == (Month(2026, 10), figures.total.now)
    assert sum(c.before or 0 for c in figures.by_class) == (figures.total.before or 0)
    assert sum(c.mean or 0 for c in figures.by_class) == pytest.approx(figures.total.mean or 0)
