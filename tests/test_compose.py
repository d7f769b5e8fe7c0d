from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from newsletter.compose import compose
from newsletter.model import (
    PUBLIC_AUDIENCE,
    Collected,
    IncidentStatus,
    Language,
    Month,
    PastEdition,
    Pick,
    Report,
    RsitClass,
    Severity,
    Source,
    Status,
    Tlp,
)
from tests.support.content import EN, FR, OCTOBER, article, entry, incident, note, publication

SEPTEMBER = OCTOBER.shift(-1)


def report(language: Language = EN, month: Month = OCTOBER, **collected: object) -> Report:
    return compose(
        month,
        Collected(**collected),  # type: ignore[arg-type]
        audience=PUBLIC_AUDIENCE,
        language=language,
        publication=publication(),
    )


def test_a_report_holds_what_belongs_to_its_month() -> None:
    made = report(
        articles=(article("old", "2026-09-30"), article("new", "2026-10-31"), article("next", "2026-11-01")),
        incidents=(incident(1, "2026-09-30"), incident(2, "2026-10-01"), incident(3, "2026-11-01")),
    )
    assert [a.slug for a in made.articles] == ["new"]
    assert [i.id for i in made.incidents] == ["INC-2026-002"]


def test_the_leading_article_comes_in_full_and_the_others_as_teasers() -> None:
    made = report(articles=(article("b", "2026-10-20"), article("a", "2026-10-06")))
    assert [(a.slug, bool(a.body)) for a in made.articles] == [("a", True), ("b", False)]


def test_drafts_and_withdrawn_articles_stay_out() -> None:
    made = report(articles=(article("d", status=Status.DRAFT), article("w", status=Status.WITHDRAWN)))
    assert made.articles == ()


def test_incidents_stand_from_the_gravest_down_unless_editors_say_otherwise() -> None:
    incidents = (
        incident(1, "2026-10-01"),
        incident(2, "2026-10-02", severity=Severity.HIGH),
        incident(3, "2026-10-03"),
    )
    assert [i.id[-1] for i in report(incidents=incidents).incidents] == ["2", "1", "3"]
    made = report(incidents=incidents, notes=(note(order=("inc-2026-003",)),))
    assert [i.id[-1] for i in made.incidents] == ["3", "2", "1"]


def test_what_was_no_incident_is_not_printed_and_an_exercise_is_named_one() -> None:
    made = report(
        incidents=(
            incident(1, status=IncidentStatus.FALSE_POSITIVE),
            incident(2, rsit=RsitClass("test", "test")),
            incident(3, is_exercise=True),
        )
    )
    assert [(i.id[-1], i.is_exercise) for i in made.incidents] == [("3", True)]


def test_content_comes_in_the_readers_language_or_falls_back_to_what_exists() -> None:
    made = report(
        FR,
        articles=(article("a", language=EN), article("a", language=FR), article("b", "2026-10-07", language=EN)),
        notes=(note(language=EN),),
    )
    assert [(a.slug, a.language) for a in made.articles] == [("a", FR), ("b", EN)]
    assert (made.language, made.note_language) == (FR, EN)


def test_nothing_stricter_than_the_clearance_is_in_it_and_no_count_betrays_it() -> None:
    """One strict language version closes the item in every language."""
    made = report(
        articles=(article("g", tlp=Tlp.GREEN), article("g", language=FR)),
        incidents=(incident(1, tlp=Tlp.AMBER), incident(1, language=FR), incident(2)),
        notes=(note(tlp=Tlp.GREEN),),
        entries=(entry(tlp=Tlp.GREEN),),
    )
    assert (made.articles, made.note, made.title, made.elsewhere) == ((), "", None, ())
    assert [i.id for i in made.incidents] == ["INC-2026-002"]
    assert made.figures.total.now == 1
    assert made.tlp is Tlp.CLEAR


def test_an_incident_that_arrives_after_its_month_was_printed_is_told_as_late_and_restated() -> None:
    past = PastEdition(month=SEPTEMBER, digest="x", incident_ids=frozenset({"INC-2026-001"}), counts={SEPTEMBER: 1})
    made = report(
        incidents=(incident(1, "2026-09-05"), incident(2, "2026-09-20"), incident(3), incident(4, "2026-08-01")),
        past=(past,),
    )
    assert [(i.id[-1], i.late) for i in made.incidents] == [("3", False), ("2", True)]
    assert [(r.month, r.was, r.now) for r in made.restatements] == [(SEPTEMBER, 1, 2)]


def past(month: Month = SEPTEMBER, **values: object) -> PastEdition:
    return PastEdition(**({"month": month, "digest": "x", "incident_ids": frozenset(), "counts": {}} | values))  # type: ignore[arg-type]


def test_an_article_that_arrives_after_its_month_was_printed_is_told_in_the_next() -> None:
    """After those of the month, with its own date; what was mailed under this or an older address is not told again."""
    articles = (
        article("late", "2026-09-20"),
        article("late", "2026-09-20", language=FR),
        article("told", "2026-09-01"),
        article("moved", "2026-09-02", aliases=("/en/articles/old/",)),
        article("moved", "2026-09-02", language=FR),
        article("draft", "2026-09-03", status=Status.DRAFT),
        article("before-the-first-report", "2026-08-01"),
        article("new", "2026-10-06"),
    )
    editions = (past(article_slugs=frozenset({"told", "old"})),)
    made = report(articles=articles, past=editions)
    assert [(a.slug, str(a.date), bool(a.body)) for a in made.articles] == [
        ("new", "2026-10-06", True),
        ("late", "2026-09-20", False),
    ]
    assert report(articles=articles, past=(*editions, past(OCTOBER, article_slugs=frozenset({"new"})))) == made
    again = past(OCTOBER, article_slugs=frozenset({"new", "late"}))
    assert report(month=OCTOBER.shift(1), articles=articles, past=(*editions, again)).articles == ()


def test_raising_a_label_restates_nothing() -> None:
    """Neither in the next report nor in the one after, whose base no longer counts what is withheld."""
    incidents = (incident(1, "2026-09-05", tlp=Tlp.AMBER), incident(2, "2026-09-20"))
    september = past(incident_ids=frozenset({"INC-2026-001", "INC-2026-002"}), counts={SEPTEMBER: 2})
    made = report(incidents=incidents, past=(september,))
    assert (made.restatements, made.figures.history) == ((), ((SEPTEMBER, 1), (OCTOBER, 0)))
    october = past(OCTOBER, counts=dict(made.figures.history))
    assert report(month=OCTOBER.shift(1), incidents=incidents, past=(september, october)).restatements == ()


def test_other_changes_are_restated_beside_a_raised_label() -> None:
    incidents = [incident(n, "2026-09-05") for n in (1, 2, 3)]
    incidents[0] = incident(1, "2026-09-05", tlp=Tlp.AMBER)
    printed = frozenset(i.id for i in incidents)
    said = past(incident_ids=printed, counts={SEPTEMBER: 3})
    fewer = (*incidents[:2], incident(3, "2026-09-05", status=IncidentStatus.FALSE_POSITIVE))
    assert [(r.was, r.now) for r in report(incidents=fewer, past=(said,)).restatements] == [(3, 2)]
    more = (*incidents, incident(4, "2026-09-05"), incident(5, "2026-09-05"))
    assert [(r.was, r.now) for r in report(incidents=more, past=(said,)).restatements] == [(3, 4)]
    never_told = past(incident_ids=printed - {"INC-2026-001"}, counts={SEPTEMBER: 3})
    assert [(r.was, r.now) for r in report(incidents=tuple(incidents), past=(never_told,)).restatements] == [(3, 2)]


def test_a_restatement_is_printed_once() -> None:
    """The base is what the newest edition said of that month."""
    first = PastEdition(month=Month(2026, 8), digest="x", incident_ids=frozenset(), counts={Month(2026, 8): 0})
    second = PastEdition(month=SEPTEMBER, digest="y", incident_ids=frozenset(), counts={Month(2026, 8): 1})
    assert report(incidents=(incident(1, "2026-08-01"),), past=(second, first)).restatements == ()


def test_entries_belong_to_the_month_they_were_published_in_or_first_seen_in() -> None:
    seen_in_october = {"first_seen": datetime(2026, 10, 2, tzinfo=UTC)}
    made = report(
        entries=(
            entry("october", "2026-10-10"),
            entry("undated", None),
            entry("just-before", "2026-09-28", **seen_in_october),
            entry("ancient", "2024-01-01", **seen_in_october),
            entry("november", "2026-11-02", first_seen=datetime(2026, 11, 2, tzinfo=UTC)),
        )
    )
    assert [e.link.rpartition("/")[2] for e in made.elsewhere] == ["undated", "october", "just-before"]


def test_an_entry_is_printed_once_ever() -> None:
    entries = (entry("told", printed_in=SEPTEMBER), entry("told-here", printed_in=OCTOBER))
    assert [e.title for e in report(entries=entries).elsewhere] == ["News of told-here"]


def test_one_link_from_two_sources_is_one_item_that_names_both() -> None:
    made = report(
        entries=(entry("x", source="blog", guid="1"), entry("x", source="cert", guid="2")),
        sources=(Source("cert", "The CERT", "https://cert.example/"), Source("blog", "A blog", "https://b.example/")),
    )
    assert [(e.source, e.also) for e in made.elsewhere] == [("The CERT", ("A blog",))]
    assert set(made.entry_keys) == {("cert", "2"), ("blog", "1")}


def test_editors_picks_come_first_with_their_reason_and_past_the_sources_limit() -> None:
    entries = (entry("a", "2026-10-10"), entry("b", "2026-10-11"), entry("c", "2026-10-12"))
    picks = (Pick("https://vendor.example/a", "We run it."),)
    made = report(
        entries=entries,
        sources=(Source("vendor", "Vendor", "https://vendor.example/", limit=2),),
        notes=(note(elsewhere=picks),),
    )
    assert [(e.title[-1], e.why) for e in made.elsewhere] == [("a", "We run it."), ("c", "")]


def test_a_month_with_nothing_in_it_is_still_a_report() -> None:
    made = report()
    assert (made.incidents, made.articles, made.figures.total.now) == ((), (), 0)


@given(
    st.permutations(
        [incident(n, f"2026-10-{n:02d}", severity=Severity(1 + n % 4)) for n in range(1, 7)]
        + [incident(n, f"2026-10-{n:02d}", language=FR, severity=Severity(1 + n % 4)) for n in range(1, 7)]
    )
)
def test_the_order_in_which_files_are_found_changes_nothing(shuffled: list[object]) -> None:
    assert report(incidents=tuple(shuffled)) == report(incidents=tuple(sorted(shuffled, key=repr)))
