"""The rules over pages: each finds what it is for, where it is, and nothing else; none finds anything in our own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from newsletter import pipeline
from newsletter.app import build_app
from newsletter.checks.house import House
from newsletter.checks.pages import ARCHIVE_RULES, MAX_PROBLEMS, PAGE_RULES, check_pages
from newsletter.config import load_settings
from newsletter.model import Collected, EditorNote, Finding, Place, Tlp
from newsletter.render.environment import Templates
from newsletter.render.site import Page
from newsletter.render.web import render_site
from tests.rules.letters import REPOSITORY
from tests.rules.page_examples import EXAMPLES, PAGE, Bad, Pages
from tests.support.archive import sample_site
from tests.support.content import EN

CODES = [*PAGE_RULES, *ARCHIVE_RULES]
BAD = [
    pytest.param(code, bad, id=f"{code}-{number}")
    for code, example in EXAMPLES.items()
    for number, bad in enumerate(example.bad)
]
GOOD = [
    pytest.param(code, change, id=f"{code}-{number}")
    for code, example in EXAMPLES.items()
    for number, change in enumerate(example.good)
]


@cache
def archive() -> Pages:
    """The sample archive: two languages, two editions, a withdrawn article, aliases."""
    return {page.path: page.content.decode() for page in render_site(sample_site(), Templates([]))}


def findings(pages: Pages) -> list[Finding]:
    made = [Page(path, text.encode(), 0) for path, text in pages.items()]
    return list(check_pages(made, House(sample_site().publication)))


def test_every_rule_has_examples():
    """A rule without an example could be removed, and no test would notice."""
    assert len(set(CODES)) == len(CODES)
    assert set(CODES) == set(EXAMPLES)
    assert all(example.bad for example in EXAMPLES.values())


def test_sample_archive_is_as_it_should_be():
    """With editions, redirects and charts: everything that the archive can show."""
    assert [str(one) for one in findings(archive())] == []


def test_own_archive_is_as_it_should_be():
    """The repository's own pages, without a waiver."""
    app = build_app(load_settings(REPOSITORY))
    collected, _, editions = pipeline.gather(app)
    assert [str(one) for one in pipeline.judged_pages(app, collected, editions)] == []


def test_forms_are_there_where_the_settings_open_them():
    """A link to them is none into the archive; where they are closed, it is dead like any other."""
    made = [Page(path, text.encode(), 0) for path, text in archive().items()]
    closed = House(replace(sample_site().publication, has_forms=False))
    found = check_pages(made, closed)
    assert {one.rule for one in found} == {"page-link-dead"}
    assert all("/subscribe/ leads to no page" in one.message for one in found)


@pytest.mark.parametrize(("code", "bad"), BAD)
def test_fault_is_found_in_its_place_and_nothing_else_is(code: str, bad: Bad):
    """One planted fault, one code, its place: others only where the example says that they are right too."""
    pages = bad.change(archive())
    found = findings(pages)
    assert {one.rule for one in found} == {code} | bad.also, [str(one) for one in found]
    places = [(one.place.path, one.place.line, one.place.column) for one in found if one.rule == code]
    assert places == [place(pages, bad)], [str(one) for one in found]


def test_what_a_file_says_is_found_in_the_file():
    """Its line is where a summary or a title is mended, once, in however many languages its page is shown."""
    site = sample_site()
    head = {"title": 2, "title:column": 9, "summary": 4, "summary:column": 11}
    short = replace(site.articles[2], title="Twice", summary="Short.", lines=head)
    twin = replace(site.articles[0], title="Twice", summary="Long enough for once.", lines={"title": 3})
    articles = (short, *(one for one in site.articles if one.slug not in (short.slug, twin.slug)), twin)
    house = House(site.publication).with_texts(Collected(articles=articles))
    found = check_pages(render_site(replace(site, articles=articles), Templates([])), house)
    title, description = (one for one in found if one.place.path.startswith("articles/"))
    assert (description.rule, description.place) == ("page-description", Place(short.path, 4, 11))
    assert (title.rule, title.place) == ("page-title-twice", Place(short.path, 2, 9))
    assert f"the title of {twin.path} too" in title.message


def test_what_a_note_says_is_found_in_the_note():
    """A report without one has no other place than its page."""
    site = sample_site()
    months = [
        replace(edition, reports={EN: replace(edition.reports[EN], in_brief=("Hm.",))}) for edition in site.editions
    ]
    path, lines = "reports/2026-10.en.md", {"in_brief": 3, "in_brief.0": 4}
    note = EditorNote(month=months[1].month, language=EN, tlp=Tlp.CLEAR, path=path, in_brief=("Hm.",), lines=lines)
    house = House(site.publication).with_texts(Collected(notes=(note,)))
    pages = render_site(replace(site, editions=tuple(months)), Templates([]))
    found = {(one.rule, one.place.path, one.place.line) for one in check_pages(pages, house)}
    assert ("page-description", path, 3) in found
    page = f"en/reports/{months[0].month}/index.html"
    assert any((rule, where) == ("page-description", page) for rule, where, _ in found)


@pytest.mark.parametrize(("code", "change"), GOOD)
def test_what_only_looks_like_a_fault_passes(code: str, change):
    """The rule has a limit, and this is on its good side."""
    assert [str(one) for one in findings(change(archive())) if one.rule == code] == []


def place(pages: Pages, bad: Bad) -> tuple[str, int, int]:
    """Where these characters stand first; XML has lines only, and what has no place is found at the beginning."""
    text = pages[bad.path]
    is_xml = bad.path.endswith(".xml")
    if bad.at is None and is_xml:
        return bad.path, 1, 1
    at = bad.new if bad.at is None else bad.at
    assert at in text, f"{at!r} is not there"
    before = text[: text.index(at)]
    return bad.path, before.count("\n") + 1, 0 if is_xml else len(before) - before.rfind("\n")


def test_hostile_pages_raise_nothing():
    """Whatever a template prints: a fault is a finding."""
    for text in ("", "<", "<![foo[", "<!x", "\x00\ufffd<p", "<p " * 3000, "<b>" * 3000, "<a href='http://[::'>x</a>"):
        pages = archive() | {PAGE: text, "en/feed.xml": text, "sitemap.xml": text}
        assert all(one.message and one.fix for one in findings(pages))


def test_a_rule_stops_counting():
    """Whoever has mended fifty will ask again."""
    pages = archive() | {PAGE: archive()[PAGE].replace("<footer", "<p style='x'>x</p>" * 99 + "<footer", 1)}
    assert sum(one.rule == "page-inline" for one in findings(pages)) == MAX_PROBLEMS
