"""The rule of the month: which day, which moment, and exactly one for every month."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model import Month
from newsletter.schedule import (
    EARLIEST,
    LAST_SURE_DAY,
    MAX_RULE_CHARACTERS,
    ORDINALS,
    WEEKDAYS,
    Due,
    Rule,
    due,
    parse_rule,
    reminder_due,
    slot,
    upcoming,
)

ZURICH = "Europe/Zurich"
OCTOBER = Month(2026, 10)
WEEK = timedelta(days=7)

# Those that name a place: the same on every machine, and every odd clock of the world is among them.
zones = st.sampled_from(sorted(name for name in available_timezones() if "/" in name))
months = st.builds(Month, st.integers(1970, 2100), st.integers(1, 12))
clocks = st.times(min_value=EARLIEST).map(lambda at: f"{at:%H:%M}")
days = st.one_of(
    st.builds("{} {}".format, st.sampled_from(sorted(ORDINALS)), st.sampled_from(WEEKDAYS)),
    st.integers(1, LAST_SURE_DAY).map("day {}".format),
    st.just("last day"),
)
written_rules = st.builds("{} {}".format, days, clocks)


def local(rule: Rule, month: Month) -> str:
    """The slot as a wall clock and calendar show it."""
    return f"{slot(rule, month):%a %Y-%m-%d %H:%M %z}"


# --- what a rule means -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("first Tuesday 09:00", "Tue 2026-11-03 09:00 +0100"),
        ("second tuesday 9:00", "Tue 2026-11-10 09:00 +0100"),
        ("third Sunday 23:59", "Sun 2026-11-15 23:59 +0100"),
        ("fourth Monday 04:00", "Mon 2026-11-23 04:00 +0100"),
        ("last Monday 09:00", "Mon 2026-11-30 09:00 +0100"),
        ("day 5 09:00", "Thu 2026-11-05 09:00 +0100"),
        ("last day 09:00", "Mon 2026-11-30 09:00 +0100"),
        ("first Tuesday 09:00 America/New_York", "Tue 2026-11-03 09:00 -0500"),
        ("cron 0 9 5 * *", "Thu 2026-11-05 09:00 +0100"),
        ("cron 0 9 5 * * Asia/Tokyo", "Thu 2026-11-05 09:00 +0900"),
        ("cron 30 8-18/2 20,6,7 1-12 *", "Fri 2026-11-06 08:30 +0100"),
        ("cron */20 10 * * mon-fri", "Mon 2026-11-02 10:00 +0100"),
        ("cron 0 9 * * 0", "Sun 2026-11-01 09:00 +0100"),
        ("cron 0 9 * * 7", "Sun 2026-11-01 09:00 +0100"),
        ("cron 0 9 * JAN-DEC *", "Sun 2026-11-01 09:00 +0100"),
    ],
)
def test_october_is_due_at_the_first_slot_after_it_ends(written, expected):
    assert local(parse_rule(written, ZURICH), OCTOBER) == expected


def test_december_is_due_in_january():
    """The turn of the year is where month arithmetic breaks first."""
    assert local(parse_rule("first Tuesday 09:00", ZURICH), Month(2026, 12)) == "Tue 2027-01-05 09:00 +0100"


def test_february_has_a_last_day_in_leap_years_too():
    rule = parse_rule("last day 09:00", ZURICH)
    found = [slot(rule, Month(year, 1)).date() for year in (2027, 2028)]
    assert found == [date(2027, 2, 28), date(2028, 2, 29)]


def test_the_wall_clock_holds_in_summer_and_winter():
    """Nine o'clock is nine o'clock; its distance from UTC moves with the season."""
    rule = parse_rule("day 5 09:00", ZURICH)
    assert [slot(rule, Month(2026, month)).astimezone(UTC).hour for month in (2, 3)] == [8, 7]


def test_a_rule_tells_how_it_was_written():
    written = "First Tuesday 09:00 Europe/Zurich"
    assert str(parse_rule(written, "UTC")) == written


# --- rules that are refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "no schedule rule"),
        ("x" * (MAX_RULE_CHARACTERS + 1), "no schedule rule"),
        ("tuesdays", "has 1 words"),
        ("first Tuesday", "has 2 words"),
        ("first Tuesday 09:00 Europe/Zurich please", "has 5 words"),
        ("frist Tuesday 09:00", 'did you mean "first"'),
        ("fifth Tuesday 09:00", '"fifth" is no day of a month'),
        ("first Teusday 09:00", 'did you mean "tuesday"'),
        ("first mardi 09:00", "English"),
        ("first Tuesday 9h", "write it like 09:00"),
        ("first Tuesday 24:00", "write it like 09:00"),
        ("first Tuesday 03:59", "take 04:00 or later"),
        ("day 5 00:00", "take 04:00 or later"),
        ("day 29 09:00", '"last day"'),
        ("day 0 09:00", "1 to 28"),
        ("day -1 09:00", "1 to 28"),
        ("day \N{SUPERSCRIPT TWO} 09:00", "1 to 28"),
        ("first Tuesday 09:00 Europe/Zürich", 'did you mean "Europe/Zurich"'),
        ("first Tuesday 09:00 europe/zurich", 'did you mean "Europe/Zurich"'),
        ("first Tuesday 09:00 Europe", "no time zone"),
        ("first Tuesday 09:00 ../../etc/passwd", "no time zone"),
        ("cron 0 9 5 *", "has 5 words"),
        ("cron 0 9 31 * *", '"last day 09:00"'),
        ("cron 0 9 5 1,7 *", "every month has a report"),
        ("cron 0 9 1-7 * tue", "first Tuesday"),
        ("cron 0 * 5 * *", "take 04:00 or later"),
        ("cron 60 9 5 * *", "from 0 to 59"),
        ("cron 0 9 0 * *", "from 1 to 31"),
        ("cron 0 9 * * 8", "from 0 to 7"),
        ("cron 0 9 * * tues", "weekday"),
        ("cron 0 9 9-5 * *", "from low to high"),
        ("cron */0 9 5 * *", "a step of at least 1"),
        ("cron 0 9 L * *", "from 1 to 31"),
        ("cron 0 9 5# * *", "use *, 5, 1-5"),
        ("cron 0 9 5, * *", "use *, 5, 1-5"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_in_words(written, told):
    """Nobody learns in March that the rule of January had no slot, or two."""
    with pytest.raises(ValueError, match=r"(?s).+") as refusal:
        parse_rule(written, ZURICH)
    assert told in str(refusal.value)


def read(written: str) -> Rule | str:
    """The rule, or the words with which it is refused; anything else than ValueError is a bug."""
    try:
        return parse_rule(written, ZURICH)
    except ValueError as refusal:
        return str(refusal)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader_of_rules(text):
    """Any text is a rule or a ValueError with a message."""
    found = read(text)
    assert isinstance(found, Rule) or len(found) > 20


@given(st.lists(st.text("0123456789*,-/montue", min_size=1, max_size=8), min_size=5, max_size=5))
def test_no_cron_text_breaks_the_reader_of_rules(fields):
    """What is accepted has a slot in a short month as well as in a long one."""
    rule = read(" ".join(["cron", *fields]))
    assert len(rule) > 20 if isinstance(rule, str) else slot(rule, Month(2027, 1)).month == 2


# --- exactly one slot a month ----------------------------------------------------------------------------------


@given(written_rules, zones, zones, months)
def test_every_month_has_exactly_one_slot_after_its_end(written, zone, site, month):
    """For any rule, any two zones and any month: after the month's last moment, and before the next month's slot."""
    rule = parse_rule(f"{written} {zone}", site)
    at, later = slot(rule, month).astimezone(UTC), slot(rule, month.shift(1)).astimezone(UTC)
    last_moment = datetime.combine(month.last_day, time(23, 59, 59, 999999, fold=1), ZoneInfo(site))
    assert last_moment.astimezone(UTC) < at < later
    wall = slot(rule, month)
    assert wall.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall.replace(tzinfo=None)


@given(written_rules, zones, months)
def test_a_slot_is_where_the_rule_says(written, zone, month):
    """In the following month, at the time as written, or, where the clock skips it, later by the gap."""
    rule = parse_rule(written, zone)
    at = slot(rule, month)
    asked = datetime.combine(rule.day.date_in(month.shift(1)), rule.at, rule.zone)
    exists = asked.astimezone(UTC).astimezone(rule.zone).replace(tzinfo=None) == asked.replace(tzinfo=None)
    assert at.replace(tzinfo=None) == asked.replace(tzinfo=None) if exists else at > asked.replace(fold=1)


def test_a_slot_on_a_day_that_the_calendar_skipped_moves_on():
    """Samoa had no 30 December 2011."""
    rule = parse_rule("day 28 09:00", "Pacific/Apia")
    assert local(rule, Month(2011, 11)) == "Wed 2011-12-28 09:00 -1000"
    skipped = Rule("", type(rule.day)(30), rule.at, rule.zone, rule.site)
    assert local(skipped, Month(2011, 11)) == "Sat 2011-12-31 09:00 +1400"


def test_a_zone_ahead_of_the_site_waits_for_the_site_s_month():
    """At 04:00 of 1 November on Kiritimati it is still October in Samoa's neighbour: due when October ends there."""
    rule = parse_rule("day 1 04:00 Pacific/Kiritimati", "Pacific/Pago_Pago")
    assert slot(rule, OCTOBER) == datetime(2026, 11, 1, 0, 0, tzinfo=ZoneInfo("Pacific/Pago_Pago"))


@given(
    st.sampled_from(["5", "*", "28,13", "*/9", "2-8/3"]),
    st.sampled_from(["*", "mon", "tue-thu", "sat,sun"]),
    st.sampled_from(["9", "4-23", "23,7"]),
    zones,
    months,
)
def test_cron_rules_agree_with_apscheduler(day, weekday, hour, zone, month):
    """Oracle: the first time APScheduler's own CronTrigger fires after the month's end."""
    if "*" not in (day, weekday):
        weekday = "*"
    rule = parse_rule(f"cron 15 {hour} {day} * {weekday}", zone)
    trigger = CronTrigger(minute=15, hour=hour, day=day, day_of_week=weekday, timezone=ZoneInfo(zone))
    start = datetime.combine(month.shift(1).first_day, time(), ZoneInfo(zone)).astimezone(UTC)
    fires = trigger.get_next_fire_time(None, start)
    wall = fires.astimezone(UTC).astimezone(ZoneInfo(zone))
    if (wall.hour, wall.minute) == (fires.hour, fires.minute):  # it also fires at times that do not exist
        assert slot(rule, month) == fires


@given(st.sampled_from(["first", "second", "third", "fourth", "last"]), st.sampled_from(WEEKDAYS), months)
def test_weekday_rules_agree_with_apscheduler(ordinal, weekday, month):
    short = {"first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "last": "last"}[ordinal]
    trigger = CronTrigger(day=f"{short} {weekday[:3]}", hour=9, timezone=ZoneInfo(ZURICH))
    start = datetime.combine(month.shift(1).first_day, time(), ZoneInfo(ZURICH))
    assert slot(parse_rule(f"{ordinal} {weekday} 09:00", ZURICH), month) == trigger.get_next_fire_time(None, start)


# --- what is due -----------------------------------------------------------------------------------------------


def due_at(now: datetime, *, settled=(), first=OCTOBER, max_late=WEEK) -> tuple[Due, ...]:
    rule = parse_rule("first Tuesday 09:00", ZURICH)
    return due(now, rule, first_month=first, settled=settled, max_late=max_late)


SLOT = datetime(2026, 11, 3, 9, 0, tzinfo=ZoneInfo(ZURICH))
SECOND = timedelta(seconds=1)


def test_nothing_is_due_before_the_slot():
    assert due_at(SLOT - SECOND) == ()


def test_a_month_is_due_from_its_slot_on_until_it_is_settled():
    assert due_at(SLOT) == (Due(OCTOBER, SLOT, late=False),)
    assert due_at(SLOT + SECOND, settled={OCTOBER}) == ()


def test_a_month_is_late_only_after_the_limit():
    assert [found.late for found in due_at(SLOT + WEEK)] == [False]
    assert [found.late for found in due_at(SLOT + WEEK + SECOND)] == [True]


def test_months_missed_are_all_due_oldest_first():
    """A machine that was off over the turn of the year owes three reports; those long past ask an editor."""
    found = due_at(datetime(2027, 1, 6, tzinfo=UTC), settled={Month(2026, 11)})
    assert [(str(item.month), item.late) for item in found] == [("2026-10", True), ("2026-12", False)]


def test_months_before_the_first_are_nobody_s_business():
    assert due_at(SLOT, first=Month(2026, 11)) == ()
    assert due_at(SLOT, first=Month(2030, 1)) == ()


def test_a_clock_without_zone_is_refused():
    """A naive time would silently mean the zone of the machine."""
    with pytest.raises(ValueError, match="zone"):
        due_at(datetime(2026, 11, 3, 9, 0))


def test_the_night_of_the_clock_change_counts_real_hours():
    """Within one zone Python compares wall clocks; lateness is real time, also over the doubled hour of 25 October."""
    rule = parse_rule("last day 09:00", ZURICH)
    at = slot(rule, Month(2026, 8))
    now = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo(ZURICH), fold=1)
    limit = now.astimezone(UTC) - at.astimezone(UTC)
    first = due(now, rule, first_month=Month(2026, 8), settled=(), max_late=limit)[0]
    earlier = due(now, rule, first_month=Month(2026, 8), settled=(), max_late=limit - SECOND)[0]
    assert (first.late, earlier.late) == (False, True)


@given(written_rules, zones, zones, st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.integers(0, 14))
def test_due_and_upcoming_share_out_the_months(written, zone, site, instant, behind):
    """At any moment each month is either due or upcoming: what is due ends where the upcoming begins."""
    now = instant.replace(tzinfo=UTC)
    rule = parse_rule(f"{written} {zone}", site)
    first = Month.of(now).shift(-behind - 3)
    owed = [item.month for item in due(now, rule, first_month=first, settled=(), max_late=WEEK)]
    coming = upcoming(now, rule)
    assert owed == [first.shift(n) for n in range(len(owed))]
    assert coming.month == first.shift(len(owed))
    assert coming.at == slot(rule, coming.month) > now


def test_upcoming_passes_over_what_is_settled_or_too_early():
    rule = parse_rule("first Tuesday 09:00", ZURICH)
    assert upcoming(SLOT - SECOND, rule) == Due(OCTOBER, SLOT)
    assert upcoming(SLOT - SECOND, rule, settled={OCTOBER}).month == Month(2026, 11)
    assert upcoming(SLOT - SECOND, rule, first_month=Month(2027, 2)).month == Month(2027, 2)


# --- reminders -------------------------------------------------------------------------------------------------


def test_editors_are_reminded_from_five_days_before_until_the_slot():
    rule = parse_rule("first Tuesday 09:00", ZURICH)
    opens = datetime(2026, 10, 29, 9, 0, tzinfo=ZoneInfo(ZURICH))
    assert reminder_due(opens - SECOND, rule) is None
    assert reminder_due(opens, rule) == Due(OCTOBER, SLOT)
    assert reminder_due(SLOT - SECOND, rule) == Due(OCTOBER, SLOT)
    assert reminder_due(SLOT, rule) is None


def test_nobody_is_reminded_of_a_month_that_is_settled():
    rule = parse_rule("first Tuesday 09:00", ZURICH)
    assert reminder_due(SLOT - SECOND, rule, settled={OCTOBER}) is None
    assert reminder_due(SLOT - SECOND, rule, first_month=Month(2026, 12)) is None


def test_a_reminder_keeps_its_hour_over_the_clock_change():
    """Five calendar days before 09:00 winter time is 09:00 summer time: 121 hours."""
    rule = parse_rule("day 28 09:00", ZURICH)
    at = slot(rule, Month(2026, 9))
    assert reminder_due(at - timedelta(days=5), rule) is not None
    assert reminder_due(at.astimezone(UTC) - timedelta(hours=121), rule) is not None
    assert reminder_due(at.astimezone(UTC) - timedelta(hours=121, seconds=1), rule) is None
