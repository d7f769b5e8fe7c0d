"""How fast letters leave, on a clock of our own: what no lane ever exceeds, and what it gives back."""

from __future__ import annotations

import heapq
import math
import random
import tracemalloc
from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.deliver import lanes as module
from newsletter.deliver.lanes import DAY, HOUR, MAX_LANES, MAX_POSTPONED, LaneRule, Lanes

SLACK = 1e-6  # of a letter: what floating point may add up to
RELAY_SECONDS = 0.001  # no relay takes a letter in less


def greedy(lanes: Lanes, domain: str, start: float, end: float, code: int | None = None) -> list[float]:
    """Send as soon as the lane allows, from ``start`` until before ``end``; the moments at which letters left."""
    now, left = start, []
    while now < end:
        pause = lanes.wait(domain, now)
        if pause == 0.0:
            lanes.take(domain, now)
            left.append(now)
            if code is not None:
                lanes.heard(domain, code, now)
        now += max(pause, RELAY_SECONDS)
    return left


def pour(lanes: Lanes, domain: str, per_second: int, start: float, seconds: int) -> float:
    """Send evenly, whatever the lane says; the moment afterwards."""
    for letter in range(per_second * seconds):
        lanes.take(domain, start + letter / per_second)
    return start + seconds


def pace(lanes: Lanes, domain: str, now: float) -> float:
    """The lane's letters per second, as a greedy sender would see it within the next 100 s, bucket emptied first."""
    left = greedy(lanes, domain, now, now + 120)
    steady = [moment for moment in left if moment >= now + 20]
    return len(steady) / 100


def assert_kept(left: list[float], rule: LaneRule) -> None:
    """No window of any length, wherever it begins, holds more than the rule allows."""
    if rule.per_second is not None:
        burst = max(1.0, rule.per_second)
        most = -math.inf  # of all windows that end here, the one with the most letters for its length
        for number, moment in enumerate(left):
            most = max(most, rule.per_second * moment - number)
            assert number + 1 <= burst + rule.per_second * moment - most + SLACK
    for seconds, cap in ((HOUR, rule.per_hour), (DAY, rule.per_day)):
        if cap is not None:
            for first, over in zip(left, left[cap:], strict=False):
                assert over - first > seconds


# --- never more -----------------------------------------------------------------------------------------------

rates = st.one_of(st.none(), st.sampled_from([0.01, 0.5, 1.0, 2.5, 40.0]))
caps = st.one_of(st.none(), st.integers(1, 12))
rules = st.builds(
    lambda named, **limits: LaneRule(domains=("a.example", "b.example") if named else ("*",), **limits),
    st.booleans(), per_second=rates, per_hour=caps, per_day=caps,
)  # fmt: skip
pauses = st.one_of(
    st.just(0.0), st.floats(0, 3), st.floats(0, 4_000), st.sampled_from([59.999, 60.0, 900.0, 3_600.0, 86_400.0])
)
steps = st.lists(
    st.tuples(st.sampled_from(["a.example", "b.example", "c.example", "d.example", "e.example"]), pauses, st.booleans(),
              st.sampled_from([250, 250, 250, 421, 450, 550])),
    max_size=120,
)  # fmt: skip


@settings(max_examples=400)
@given(rules, steps, st.booleans())
@example(LaneRule(domains=("*",), per_hour=2), [("a.example", 59.9, True, 250)] * 100, True)  # noqa: FBT003
def test_no_window_holds_more_than_the_rule_allows(rule, steps, is_forgetful):
    """Whatever is heard meanwhile, and however many lanes had to be forgotten; and a wait that is over is over."""
    with pytest.MonkeyPatch.context() as patch:
        if is_forgetful:
            patch.setattr(module, "MAX_LANES", 2)
            patch.setattr(module, "FORGOTTEN_SLOTS", 2)
        now = 1_000_000.5
        lanes = Lanes([rule], now=now)
        left: dict[str, list[float]] = {}
        for domain, pause, is_patient, code in steps:
            now += pause
            if is_patient:
                now += lanes.wait(domain, now)
                assert lanes.wait(domain, now) < SLACK
            if lanes.wait(domain, now) == 0.0:
                lanes.take(domain, now)
                left.setdefault(lanes.lane(domain), []).append(now)
                lanes.heard(domain, code, now)
        limited = {lanes.lane(domain) for domain in rule.domains}
        for name, moments in left.items():
            if "*" in limited or name in limited:
                assert_kept(moments, rule)


@pytest.mark.parametrize(
    "limits",
    [{"per_second": 0.01}, {"per_second": 2.5}, {"per_hour": 3}, {"per_day": 5}, {"per_hour": 4, "per_day": 9}],
)
@pytest.mark.parametrize("seed", range(3))
def test_forgotten_lanes_do_not_go_beyond_their_rule(limits, seed, monkeypatch):
    """Seven domains as eager as they may be, and room for two: whoever was forgotten is not believed to be new."""
    monkeypatch.setattr(module, "MAX_LANES", 2)
    monkeypatch.setattr(module, "FORGOTTEN_SLOTS", 1_000)
    chance = random.Random(seed)
    rule = LaneRule(domains=("*",), **limits)
    lanes = Lanes([rule], now=0.0)
    left: dict[str, list[float]] = {f"d{number}.example": [] for number in range(7)}
    now = 0.0
    for _ in range(5_000):
        now += chance.expovariate(1 / (DAY / 1_000 if "per_day" in limits else HOUR / 500))
        for domain in chance.sample(sorted(left), 3):
            if lanes.wait(domain, now) == 0.0:
                lanes.take(domain, now)
                left[domain].append(now)
    pace = min(rule.per_second or 1.0, (rule.per_hour or HOUR) / HOUR, (rule.per_day or DAY) / DAY)
    for moments in left.values():
        assert_kept(moments, rule)
        assert len(moments) > 0.5 * min(pace * now, 3 / 7 * 5_000), "nor is anybody made to wait for ever"


def test_the_lanes_used_last_are_the_ones_remembered(monkeypatch):
    """A slowed lane with letters of its own stays slowed, however many others come and go."""
    monkeypatch.setattr(module, "MAX_LANES", 2)
    lanes = Lanes([], now=0.0)
    lanes.heard("busy.example", 421, 0.0)
    for number in range(1, 30):
        assert lanes.wait("busy.example", 10.0 * number) == 0.0
        lanes.take("busy.example", 10.0 * number)
        assert lanes.wait("busy.example", 10.0 * number) > 4.0
        lanes.heard(f"d{number}.example", 450, 10.0 * number)


def test_the_judge_of_these_tests_sees_one_letter_too_many():
    """A judge that cannot say no proves nothing."""
    every_second = [float(second) for second in range(20)]
    assert_kept(every_second, LaneRule(domains=("*",), per_second=1))
    with pytest.raises(AssertionError):
        assert_kept([*every_second, 19.0, 19.0], LaneRule(domains=("*",), per_second=1))
    with pytest.raises(AssertionError):
        assert_kept(every_second, LaneRule(domains=("*",), per_hour=19))


@pytest.mark.parametrize(
    ("limits", "seconds", "least", "most"),
    [
        ({"per_second": 10}, 60, 600, 610),
        ({"per_second": 0.5}, 60, 30, 31),
        ({"per_hour": 100}, HOUR, 100, 100),
        ({"per_hour": 100}, 10 * HOUR, 900, 1_000),
        ({"per_day": 50}, 3 * DAY, 100, 150),
        ({"per_second": 1, "per_hour": 1_000, "per_day": 5_000}, DAY, 5_000, 5_000),
    ],
)
def test_a_lane_gives_what_its_rule_allows(limits, seconds, least, most):
    """Careful, but not stingy: a window counts one cell too long, at most."""
    lanes = Lanes([LaneRule(domains=("a.example",), **limits)], now=0.0)
    assert least <= len(greedy(lanes, "a.example", 0.0, seconds)) <= most


def test_the_domains_of_a_rule_share_a_lane_and_all_others_have_their_own():
    """gmail.com and googlemail.com are one receiver."""
    shared = LaneRule(domains=("gmail.example", "googlemail.example"), per_second=1)
    lanes = Lanes([shared, LaneRule(domains=("*",), per_second=1)], now=0.0)
    assert lanes.lane("googlemail.example") == "gmail.example"
    assert lanes.lane("elsewhere.example") == "elsewhere.example"
    lanes.take("googlemail.example", 0.0)
    assert lanes.wait("gmail.example", 0.0) == pytest.approx(1.0)
    assert lanes.wait("elsewhere.example", 0.0) == 0.0
    lanes.take("elsewhere.example", 0.0)
    assert lanes.wait("elsewhere.example", 0.0) == pytest.approx(1.0)
    assert lanes.wait("third.example", 0.0) == 0.0


def test_caps_hold_over_a_restart():
    """The ledger says what the run before sent; it counts as if it had just left."""
    rule = LaneRule(domains=("a.example",), per_hour=10, per_day=15)
    first = Lanes([rule], now=0.0)
    assert first.capped() == (rule,)
    left = greedy(first, "a.example", 0.0, 100.0)
    assert len(left) == 10
    second = Lanes([rule], now=100.0)
    second.used("a.example", 10, 10, 100.0)
    left += greedy(second, "a.example", 100.0, 2 * DAY)
    assert_kept(left, rule)
    assert len(left) == 30  # 10, after an hour 5, and after a day 15


def test_only_rules_with_caps_ask_the_ledger():
    """A bucket is full again before any ledger could be read."""
    named = LaneRule(domains=("a.example",), per_second=1)
    others = LaneRule(domains=("*",), per_day=3)
    assert Lanes([named, others], now=0.0).capped() == (others,)
    lanes = Lanes([others], now=0.0)
    lanes.used("b.example", 3, 3, 0.0)
    assert lanes.wait("b.example", 0.0) >= DAY
    free = Lanes([], now=0.0)
    free.used("b.example", 3, 3, 0.0)
    assert free.wait("b.example", 0.0) == 0.0


# --- what receivers say ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [421, 450])
def test_a_lane_without_limits_is_halved_from_what_it_really_had(code):
    """100 letters a second, then "slow down": 50; the hundred other replies of that burst change nothing."""
    lanes = Lanes([], now=0.0)
    now = pour(lanes, "a.example", 100, 0.0, 8)
    for reply in range(100):
        lanes.heard("a.example", code, now + reply / 200)
    assert pace(lanes, "a.example", now + 1) == pytest.approx(50, rel=0.05)


def test_a_lane_is_halved_once_a_second_and_never_stopped():
    """The lowest rate is left, however often it is refused."""
    lanes = Lanes([LaneRule(domains=("a.example",), per_second=8)], lowest_rate=0.5, now=0.0)
    seen = []
    now = 0.0
    for _ in range(7):
        lanes.heard("a.example", 421, now)
        seen.append(pace(lanes, "a.example", now + 1))
        now += 1_000
    assert seen == pytest.approx([4, 2, 1, 0.5, 0.5, 0.5, 0.5], rel=0.05)


def test_the_rate_comes_back_a_tenth_for_every_quiet_minute():
    """10/s, halved to 5/s: back after five minutes in which letters were taken, and never above the rule."""
    lanes = Lanes([LaneRule(domains=("a.example",), per_second=10)], now=0.0)
    lanes.heard("a.example", 421, 0.0)
    by_minute = [len(greedy(lanes, "a.example", 60.0 * n, 60.0 * (n + 1), code=250)) for n in range(9)]
    assert by_minute == pytest.approx([300, 360, 420, 480, 540, 600, 600, 600, 600], rel=0.05)


def test_an_idle_lane_does_not_recover_and_a_refusal_begins_the_minute_anew():
    """Only letters that were taken are evidence."""
    lanes = Lanes([LaneRule(domains=("a.example",), per_second=10)], now=0.0)
    lanes.heard("a.example", 421, 0.0)
    assert pace(lanes, "a.example", 50_000.0) == pytest.approx(5, rel=0.05)
    lanes.heard("a.example", 550, 50_500.0)  # no word about the pace
    assert pace(lanes, "a.example", 51_000.0) == pytest.approx(5, rel=0.05)
    lanes.heard("a.example", 421, 52_000.0)
    lanes.heard("a.example", 250, 52_059.0)
    assert pace(lanes, "a.example", 53_000.0) == pytest.approx(2.5, rel=0.05)


def test_a_lane_without_limits_is_free_again_in_the_end():
    """And nothing of it is kept."""
    lanes = Lanes([], now=0.0)
    now = pour(lanes, "a.example", 20, 0.0, 4)
    lanes.heard("a.example", 450, now)
    assert lanes.wait("a.example", now) > 0.0
    greedy(lanes, "a.example", now, now + 360, code=250)
    now += 360
    for _ in range(10_000):
        assert lanes.wait("a.example", now) == 0.0
        lanes.take("a.example", now)
    assert lanes.postpone("a.example", now) == 0.0


def test_one_lane_that_is_slowed_slows_no_other():
    """Not even under the same rule."""
    lanes = Lanes([LaneRule(domains=("*",), per_second=100)], now=0.0)
    for second in range(20):
        lanes.heard("slow.example", 421, float(second))
    assert lanes.wait("slow.example", 20.0) > 3.0
    assert lanes.wait("quick.example", 20.0) == 0.0


@pytest.mark.slow
def test_a_storm_of_450_from_everywhere_leaves_a_bounded_memory():
    """100,000 domains refuse at once; only the last are remembered as slow."""
    lanes = Lanes([], now=0.0)
    tracemalloc.start()
    try:
        for number in range(100_000):
            now = number / 2_600
            lanes.take(f"d{number}.example", now)
            lanes.heard(f"d{number}.example", 450, now)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 15_000_000
    assert lanes.wait("d99999.example", now) > 0.0
    assert lanes.wait(f"d{100_000 - MAX_LANES - 1}.example", now) == 0.0


# --- the caller's loop ----------------------------------------------------------------------------------------


def deliver(
    lanes: Lanes, domains: list[str], *, per_second: int, patience: float
) -> tuple[dict[str, list[float]], int]:
    """A caller as simple as can be, letters by due time, one relay: what left when, and how often any was tried."""
    order = count()
    queue = [(0.0, next(order), domain) for domain in domains]
    now, tries = 0.0, 0
    left: dict[str, list[float]] = {}
    while queue:
        due, _, domain = heapq.heappop(queue)
        now = max(now, due)
        tries += 1
        pause = lanes.wait(domain, now)
        if pause > patience:
            heapq.heappush(queue, (now + lanes.postpone(domain, now), next(order), domain))
            continue
        now += pause
        lanes.take(domain, now)
        lanes.heard(domain, 250, now)
        left.setdefault(domain, []).append(now)
        now += 1 / per_second
    return left, tries


def test_a_slow_lane_delays_no_other():
    """1,000 letters for 1/s stand before 5,000 for others, which leave as fast as the relay takes them."""
    rule = LaneRule(domains=("slow.example",), per_second=1)
    others = [f"d{number}.example" for number in range(5_000)]
    left, tries = deliver(Lanes([rule], now=0.0), ["slow.example"] * 1_000 + others, per_second=1_000, patience=0.001)
    assert max(left[domain][0] for domain in others) < 5.1
    assert_kept(left["slow.example"], rule)
    assert len(left["slow.example"]) == 1_000
    assert left["slow.example"][-1] < 1_010
    assert tries < 2.1 * 6_000, "postponed letters came back all together"


def test_capped_letters_come_back_at_the_pace_of_their_lane():
    """50 an hour, 200 letters: one hour's worth leaves at once, the others over the hours that follow."""
    rule = LaneRule(domains=("*",), per_hour=50)
    left, tries = deliver(Lanes([rule], now=0.0), ["a.example"] * 200, per_second=1_000, patience=1.0)
    assert_kept(left["a.example"], rule)
    assert left["a.example"][49] < 1.0
    assert left["a.example"][-1] < 4.5 * HOUR
    assert tries < 3 * 200


def test_a_slowed_lane_is_not_planned_for_days():
    """20,000 letters at 0.5/s would take half a day, but the lane recovers within minutes."""
    lanes = Lanes([], now=0.0)
    lanes.take("a.example", 0.0)
    lanes.heard("a.example", 421, 0.0)
    positions = [lanes.postpone("a.example", 0.0) for _ in range(20_000)]
    assert max(positions) <= MAX_POSTPONED + 10
    assert len(set(positions)) > 150
    assert positions[:3] == pytest.approx([2.0, 4.0, 6.0])


# --- cost -----------------------------------------------------------------------------------------------------


def test_lanes_without_limits_keep_nothing():
    """500,000 domains, a million letters' worth of pace: what was counted is dropped after seconds."""
    lanes = Lanes([LaneRule(domains=("gmail.example",), per_second=20)], now=0.0)
    tracemalloc.start()
    try:
        for number in range(100_000):
            lanes.take(f"d{number}.example", number / 2_600)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2_000_000
    assert most < 4_000_000


@pytest.mark.slow
def test_lanes_that_everybody_has_keep_a_bounded_memory():
    """Caps for every domain: the lanes used last, and 12 MB for all that were forgotten."""
    lanes = Lanes([LaneRule(domains=("*",), per_second=1, per_hour=50, per_day=100)], now=0.0)
    tracemalloc.start()
    try:
        for number in range(60_000):
            lanes.take(f"d{number}.example", number / 2_600)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 40_000_000
    assert lanes.wait("d1.example", 30.0) == 0.0


# --- rules that make no sense ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"domains": ()}, "needs domains"),
        ({"domains": ("Gmail.example",)}, "lower case"),
        ({"domains": ("*", "a.example")}, "stands alone"),
        ({"domains": ("*",), "per_second": 0}, "more than 0"),
        ({"domains": ("*",), "per_second": math.nan}, "more than 0"),
        ({"domains": ("*",), "per_hour": 0}, "at least 1"),
        ({"domains": ("*",), "per_day": -1}, "at least 1"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(fields, message):
    """Where it is made, not in the middle of a delivery."""
    with pytest.raises(ValueError, match=message):
        LaneRule(**fields)


def test_a_domain_has_one_lane():
    """Two rules for it would be a riddle."""
    with pytest.raises(ValueError, match="two lanes"):
        Lanes([LaneRule(domains=("a.example",)), LaneRule(domains=("b.example", "a.example"))], now=0.0)
    with pytest.raises(ValueError, match="lowest_rate"):
        Lanes([], lowest_rate=0.0, now=0.0)
