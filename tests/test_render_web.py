"""The archive's pages: what they show, what they link to, and what they never show."""

# ruff: noqa: RUF001 -- French has typographic apostrophes

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import feedparser
import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.ext import babel_extract
from markupsafe import Markup

from newsletter.errors import ConfigError, ContentError, HandlingError
from newsletter.model import Status, Tlp
from newsletter.render.atom import MAX_FEED_ENTRIES, feed_page
from newsletter.render.environment import Templates
from newsletter.render.press import POLICY, Press
from newsletter.render.site import Site, shelve
from newsletter.render.view import letter_view
from newsletter.render.web import render_site
from newsletter.render.words import CATALOGUES, words
from newsletter.resources import packaged
from tests.support.archive import (
    OCTOBER,
    build,
    dead_links,
    edition,
    outlines,
    sample_articles,
    sample_site,
    text_of,
)
from tests.support.content import EN, FR, article

PRESS = Press(sample_site().publication, Templates([]))
ATOM = "{http://www.w3.org/2005/Atom}"
SOCIAL = "articles/social-media-dos-and-donts/index.html"
SIGN_IN = "articles/the-sign-in-you-did-not-start/index.html"


@pytest.fixture(scope="module")
def pages() -> dict[str, bytes]:
    return build()


# --- the whole -----------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(
    "tail",
    [
        "index.html",
        "articles/index.html",
        SOCIAL,
        SIGN_IN,
        "themes/index.html",
        "themes/phishing/index.html",
        "themes/travel/index.html",
        "2026/index.html",
        "2019/index.html",
        "reports/index.html",
        "reports/latest/index.html",
        "reports/2026-10/index.html",
        "reports/2026-10/as-sent.eml",
        "feed.xml",
    ],
)
def test_every_address_answers_in_every_language(pages: dict[str, bytes], language: str, tail: str) -> None:
    """What was never translated has a page all the same, and a theme without articles too."""
    assert f"{language}/{tail}" in pages


def test_no_link_and_no_anchor_leads_nowhere(pages: dict[str, bytes]) -> None:
    """Every link of every page into the archive answers, also those of the feed's and sitemap's addresses."""
    assert dead_links(pages, sample_site().publication.base_url) == []


def test_every_page_leads_to_the_form(pages: dict[str, bytes]) -> None:
    """Whatever page somebody lands on; in its own language, below the base."""
    for path, outline in outlines(pages).items():
        if "refresh" not in text_of(pages, path):
            language = "fr" if path.startswith("fr/") else "en"
            assert f"/{language}/subscribe/" in outline.links, path
    site = sample_site(publication=replace(sample_site().publication, base_url="https://www.meridian.example/security"))
    assert 'href="/security/en/subscribe/"' in text_of(build(site), "en/themes/index.html")


def test_where_the_forms_are_closed_no_page_leads_to_them() -> None:
    """Then the front page says whom to write to."""
    pages = build(sample_site(publication=replace(sample_site().publication, has_forms=False)))
    assert [path for path in outlines(pages) if "subscribe" in text_of(pages, path)] == []
    assert "To receive it, write to" in text_of(pages, "en/index.html")


def test_no_page_has_script_inline_style_open_tags_or_double_ids(pages: dict[str, bytes]) -> None:
    faults = {path: outline.faults for path, outline in outlines(pages).items() if outline.faults}
    assert faults == {}


def test_every_page_says_its_policy_language_and_label(pages: dict[str, bytes]) -> None:
    """The strict policy needs no exception; the label stands in head and foot (TLP 2.0)."""
    for path in outlines(pages):
        html = text_of(pages, path)
        assert f'http-equiv="Content-Security-Policy" content="{POLICY.replace(chr(39), "&#39;")}"' in html, path
        assert re.search(r'<html lang="(en|fr)">', html), path
        if "refresh" not in html:
            assert html.count("<span>TLP:CLEAR</span>") == 2, path


def test_nothing_comes_from_elsewhere(pages: dict[str, bytes]) -> None:
    """Pages load their style sheet and icon from the archive, and the style sheet loads nothing."""
    for path in outlines(pages):
        loaded = re.findall(
            r'<(?:link rel="(?:stylesheet|icon)"|img|script|iframe)[^>]*(?:href|src)="([^"]*)"', text_of(pages, path)
        )
        assert loaded
        assert all(address.startswith("/") and address.removeprefix("/") in pages for address in loaded), path
    (style,) = (content.decode() for path, content in pages.items() if path.endswith(".css"))
    assert "url(" not in style
    assert "@import" not in style


def test_same_site_gives_same_bytes_whatever_the_order() -> None:
    """The archive is a function of files: neither the day nor the order of reading them matters."""
    site = sample_site()
    shuffled = replace(site, articles=site.articles[::-1], editions=site.editions[::-1])
    assert build(site) == build(shuffled)


def test_pages_come_before_the_indexes_that_link_to_them() -> None:
    """Publishing keeps this order within a rank, so the front pages and the door are last."""
    made = list(render_site(sample_site(), Templates([])))
    assert [page.path for page in made[-3:]] == ["en/index.html", "fr/index.html", "index.html"]
    assert made[0].rank == 0
    ranks = {page.path: page.rank for page in made}
    assert ranks[f"en/{SOCIAL}"] == 1
    assert ranks["en/articles/index.html"] == ranks["en/feed.xml"] == 2


def test_empty_site_is_an_archive_too() -> None:
    pages = build(sample_site(articles=(), editions=()))
    assert dead_links(pages, sample_site().publication.base_url) == []
    assert "There is no article yet." in text_of(pages, "en/articles/index.html")
    assert "1970-01-01T00:00:00Z" in text_of(pages, "en/feed.xml")


def test_site_in_one_language_speaks_of_no_other() -> None:
    site = sample_site(publication=replace(sample_site().publication, languages=(EN,)))
    only = replace(site, articles=tuple(a for a in site.articles if a.language == EN))
    html = text_of(build(only), "en/index.html")
    assert "hreflang" not in html
    assert "Français" not in html


def test_base_with_a_path_prefixes_every_link() -> None:
    """Links in Markdown that begin with a slash count from the base as well; code that looks like a link does not."""
    publication = replace(sample_site().publication, base_url="https://www.meridian.example/security/")
    body = 'See [this](/en/articles/macros/) and `<a href="/en/">`, or [that](https://elsewhere.example/).'
    site = sample_site(publication=publication, articles=(*sample_articles(), article("prefixed", body=body)))
    pages = build(site)
    assert dead_links(pages, publication.base_url) == []
    html = text_of(pages, "en/articles/prefixed/index.html")
    assert 'href="/security/en/articles/macros/"' in html
    assert 'href="https://elsewhere.example/"' in html
    assert '&lt;a href="/en/"&gt;' in html
    assert "/security/old/social-media/ /security/en/" in text_of(pages, "_redirects")


def test_five_hundred_articles_in_two_languages_take_seconds() -> None:
    """Generous, since machines differ: about 3 s of CPU where this was written."""
    articles = [
        article(
            f"number-{n}", f"{2008 + n % 18}-{n % 12 + 1:02d}-{n % 28 + 1:02d}", language=language, body="Word " * 600
        )
        for n in range(500)
        for language in (EN, FR)
    ]
    start = time.process_time()
    assert sum(1 for _ in render_site(sample_site(articles=tuple(articles)), Templates([]))) > 1000
    assert time.process_time() - start < 15


# --- what is not public -----------------------------------------------------------------


def _stricter_report() -> Site:
    october = edition(OCTOBER, previous=None)
    return sample_site(editions=(replace(october, reports={EN: replace(october.reports[EN], tlp=Tlp.GREEN)}),))


def _stricter_incident() -> Site:
    october = edition(OCTOBER, previous=None)
    report = october.reports[EN]
    incident = replace(report.incidents[0], tlp=Tlp.AMBER)
    return sample_site(editions=(replace(october, reports={EN: replace(report, incidents=(incident,))}),))


def _closed_report() -> Site:
    october = edition(OCTOBER, previous=None)
    return sample_site(editions=(replace(october, reports={EN: replace(october.reports[EN], audience="staff")}),))


@pytest.mark.parametrize(
    ("site", "named"),
    [
        (sample_site(articles=(article("secret", tlp=Tlp.GREEN),)), "articles/2026/secret.en.md is TLP:GREEN"),
        (sample_site(articles=(article("early", status=Status.DRAFT),)), "articles/2026/early.en.md is a draft"),
        (_stricter_report(), "the report 2026-10 (en) is TLP:GREEN"),
        (_stricter_incident(), "INC-2026-051 in the report 2026-10 (en) is TLP:AMBER"),
        (_closed_report(), "for the audience 'staff'"),
    ],
)
def test_nothing_above_clear_is_ever_rendered(site: Site, named: str) -> None:
    """The refusal comes before the first page, and names what is not public."""
    with pytest.raises(HandlingError) as refused:
        render_site(site, Templates([]))
    assert named in str(refused.value)


# --- articles -----------------------------------------------------------------


def test_article_page_has_all_that_a_reader_needs(pages: dict[str, bytes]) -> None:
    html = text_of(pages, f"en/{SOCIAL}")
    for expected in (
        "<h1>Social media: your voice, our name</h1>",
        '<time datetime="2026-10-06">6 October 2026</time>',
        "Computer Security Team",
        'href="/en/themes/social-media/"',
        "one minute",
        'id="fn-1"',
        'href="#fnref-1"',
        "entire collection of articles</a>",
        "by the Computer Security Team",
        "Licence: CC BY 4.0.",
        "Cite this article",
        'rel="prev" href="/en/articles/the-sign-in-you-did-not-start/"',
        '<meta property="og:title" content="Social media: your voice, our name">',
    ):
        assert expected in html, expected
    assert 'rel="next"' not in html


def test_article_in_two_languages_links_both_ways(pages: dict[str, bytes]) -> None:
    """Alternates (hreflang) name each other and the version for everybody else."""
    for path in (f"en/{SOCIAL}", f"fr/{SOCIAL}"):
        html = text_of(pages, path)
        for language, address in (("en", "en"), ("fr", "fr"), ("x-default", "en")):
            there = f"https://security.meridian.example/{address}/articles/social-media-dos-and-donts/"
            assert f'<link rel="alternate" hreflang="{language}" href="{there}">' in html
    assert 'hreflang="fr" lang="fr">Français</a>' in text_of(pages, f"en/{SOCIAL}")


def test_missing_translation_falls_back_and_says_so(pages: dict[str, bytes]) -> None:
    """The page stands at both addresses; the canonical one is where the text really is."""
    html = text_of(pages, f"fr/{SIGN_IN}")
    real = "https://security.meridian.example/en/articles/the-sign-in-you-did-not-start/"
    assert "Cet article n’existe pas encore en français" in html
    assert '<h1 lang="en">The sign-in you did not start</h1>' in html
    assert f'<link rel="canonical" href="{real}">' in html
    assert 'rel="alternate" hreflang' not in html
    assert "n’existe pas encore" not in text_of(pages, f"fr/{SOCIAL}")


def test_updated_article_says_when(pages: dict[str, bytes]) -> None:
    assert "<dt>Updated</dt>" in text_of(pages, f"en/{SIGN_IN}")
    assert "<dt>Updated</dt>" not in text_of(pages, f"en/{SOCIAL}")


def test_translation_of_an_older_text_says_so() -> None:
    english, french, *_ = sample_articles()
    changed = replace(english, body=english.body + "\nOne thing more.\n")
    html = text_of(build(sample_site(articles=(changed, french))), f"fr/{SOCIAL}")
    assert "Le texte original a changé depuis cette traduction." in html
    assert "a changé" not in text_of(build(), f"fr/{SOCIAL}")


def test_article_from_elsewhere_names_its_first_address(pages: dict[str, bytes]) -> None:
    html = text_of(pages, "en/articles/usb-stick-found/index.html")
    assert '<link rel="canonical" href="https://bulletin.meridian.example/2019/usb-stick">' in html
    assert "First published at" in html
    assert "Licence: CC0 1.0." in html


def test_withdrawn_article_answers_but_is_recommended_nowhere(pages: dict[str, bytes]) -> None:
    """Its page keeps its address, under a banner; the list by year has it, marked; front and themes do not."""
    html = text_of(pages, "en/articles/macros/index.html")
    assert "This article has been withdrawn." in html
    assert '<meta name="robots" content="noindex">' in html
    assert '<span class="mark">withdrawn</span>' in text_of(pages, "en/articles/index.html")
    for path in ("en/index.html", "en/themes/index.html", "en/themes/devices/index.html", "sitemap.xml"):
        assert "articles/macros/" not in text_of(pages, path), path


def test_index_has_every_article_under_its_year(pages: dict[str, bytes]) -> None:
    html = text_of(pages, "en/articles/index.html")
    parts = re.split(r'<h2 id="y(\d{4})">', html)
    by_year = {
        int(year): re.findall(r'class="title" href="/en/articles/([^/]*)/"', part)
        for year, part in zip(parts[1::2], parts[2::2], strict=True)
    }
    assert by_year == {
        2026: ["social-media-dos-and-donts", "the-sign-in-you-did-not-start"],
        2021: ["macros"],
        2019: ["usb-stick-found"],
    }


def test_title_is_text_whatever_it_holds() -> None:
    """Markup in a title, a summary or a name is printed, not obeyed."""
    odd = article("odd", title='<script>alert(1)</script> "& more', summary='"><b>x', authors=("<i>me</i>",))
    pages = build(sample_site(articles=(odd,)))
    assert "<script" not in text_of(pages, "en/articles/odd/index.html")
    assert "<i>me" not in text_of(pages, "en/articles/odd/index.html")
    assert {p: o.faults for p, o in outlines(pages).items() if o.faults} == {}


def test_wide_table_scrolls_by_itself_and_by_keyboard(pages: dict[str, bytes]) -> None:
    assert '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>' in text_of(pages, f"en/{SIGN_IN}")


# --- old addresses -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "target"),
    [
        ("old/social-media/index.html", "/en/articles/social-media-dos-and-donts/"),
        ("bulletin.html", "/en/articles/social-media-dos-and-donts/"),
        ("ancien/index.html", "/fr/articles/social-media-dos-and-donts/"),
        ("fr/reports/latest/index.html", "/fr/reports/2026-10/"),
    ],
)
def test_old_address_leads_on(pages: dict[str, bytes], file: str, target: str) -> None:
    """A page leads on by itself where the host knows no redirects."""
    html = text_of(pages, file)
    assert f'<meta http-equiv="refresh" content="0; url={target}">' in html
    assert f'<link rel="canonical" href="https://security.meridian.example{target}">' in html
    assert f'<a href="{target}">' in html


def test_server_learns_the_old_addresses(pages: dict[str, bytes]) -> None:
    """One line for each: old, new, status. What is the latest changes, so that move is not for ever."""
    assert text_of(pages, "_redirects").splitlines() == [
        "/old/social-media/ /en/articles/social-media-dos-and-donts/ 301",
        "/bulletin.html /en/articles/social-media-dos-and-donts/ 301",
        "/ancien/ /fr/articles/social-media-dos-and-donts/ 301",
        "/en/reports/latest/ /en/reports/2026-10/ 302",
        "/fr/reports/latest/ /fr/reports/2026-10/ 302",
    ]


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        (("/en/articles/passwords/",), "is the address of a page"),
        (("/",), "is the address of a page"),
        (("/en/feed.xml",), "is the address of a page"),
        (("/old/social-media",), "belongs to articles/2026/social-media-dos-and-donts.en.md"),
    ],
)
def test_alias_never_takes_an_address_in_use(aliases: tuple[str, ...], message: str) -> None:
    thief = article("thief", aliases=aliases)
    site = sample_site(articles=(*sample_articles(), article("passwords"), thief))
    with pytest.raises(ContentError, match=re.escape(message)):
        build(site)


# --- reports -----------------------------------------------------------------


def test_report_page_says_what_the_mail_says(pages: dict[str, bytes]) -> None:
    """Title, brief lines, incidents with their facts, figures, articles, links from elsewhere: the same words."""
    html = text_of(pages, "en/reports/2026-10/index.html")
    site = sample_site()
    letter = letter_view(site.editions[1].reports[EN], site.publication, words(EN))
    said = [letter.title, *letter.in_brief, letter.action.title if letter.action else "", letter.figures.sentence]
    said += [text for incident in letter.incidents for text in (incident.title, incident.severity)]
    said += [value for incident in letter.incidents for _, value in incident.facts]
    said += [text for item in letter.elsewhere for text in (item.title, item.summary, item.why)]
    said += [row.label for row in (*letter.figures.by_class.rows, *letter.figures.by_severity.rows)]
    said += [*letter.restatements, *(a.title for a in letter.articles)]
    shown = html.replace("&#39;", "'").replace("&amp;", "&")
    assert [text for text in said if text not in shown] == []


def test_report_draws_its_figures_without_colour_or_style_alone(pages: dict[str, bytes]) -> None:
    """Bars are drawn by attributes, hidden from those who are read to, beside the number as text."""
    html = text_of(pages, "en/reports/2026-10/index.html")
    bar = r'<svg aria-hidden="true"><rect width="42%" height="100%"/></svg></td>\s*<td class="now">5</td>'
    assert re.search(bar, html)
    assert 'y="0" width="1" height="100"/></svg>13</td>' in html
    assert "style=" not in html


def test_report_can_be_verified(pages: dict[str, bytes]) -> None:
    """The digests of this edition and of the one before, and a SHA-256 for each file as it was sent."""
    html = text_of(pages, "en/reports/2026-10/index.html")
    assert "b" * 64 in html
    assert "a" * 64 in html
    for kind in ("html", "txt", "eml"):
        assert pages[f"en/reports/2026-10/as-sent.{kind}"] == f"<p>2026-10 en {kind}".encode()
        assert f'href="/en/reports/2026-10/as-sent.{kind}"' in html


def test_report_never_links_to_an_article_that_left(pages: dict[str, bytes]) -> None:
    """An edition is frozen; the articles that it names may go."""
    assert "Six random words" in text_of(pages, "en/reports/2026-10/index.html")
    assert "/en/articles/six-random-words/" not in text_of(pages, "en/reports/2026-10/index.html")


def test_report_in_one_language_falls_back(pages: dict[str, bytes]) -> None:
    october = edition(OCTOBER, previous=None)
    english = replace(october, reports={EN: october.reports[EN]})
    html = text_of(build(sample_site(editions=(english,))), "fr/reports/2026-10/index.html")
    assert "Ce rapport n’existe pas en français" in html
    assert '<link rel="canonical" href="https://security.meridian.example/en/reports/2026-10/">' in html
    assert 'lang="en" dir="ltr">A familiar voice on the telephone' in html


def test_reports_are_found_by_year_and_month(pages: dict[str, bytes]) -> None:
    for path in ("fr/2026/index.html", "fr/reports/index.html"):
        months = re.findall(r'<span class="when">(\w+)</span>', text_of(pages, path))
        assert months == ["Octobre", "Septembre"], path


# --- feed, sitemap -----------------------------------------------------------------


def test_feed_is_valid_atom_with_full_text(pages: dict[str, bytes]) -> None:
    """RFC 4287: id, title, updated everywhere, an author, unique ids; and the dates come from the content."""
    root = ET.fromstring(pages["en/feed.xml"])
    entries = root.findall(f"{ATOM}entry")
    assert root.find(f"{ATOM}author/{ATOM}name") is not None
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == len(entries) == 6
    for node in (root, *entries):
        for tag in ("id", "title", "updated"):
            assert node.findtext(f"{ATOM}{tag}"), tag
    by_id = {
        (entry.findtext(f"{ATOM}id") or "").removeprefix("https://security.meridian.example"): entry
        for entry in entries
    }
    assert by_id["/en/articles/the-sign-in-you-did-not-start/"].findtext(f"{ATOM}updated") == "2026-10-04T00:00:00Z"
    assert by_id["/en/reports/2026-10/"].findtext(f"{ATOM}published") == "2026-11-03T08:00:00Z"
    assert root.findtext(f"{ATOM}updated") == "2026-11-03T08:00:00Z"
    full = by_id["/en/articles/social-media-dos-and-donts/"].findtext(f"{ATOM}content") or ""
    assert "The cake, we hear, was delicious." in full
    assert "been withdrawn" in (by_id["/en/articles/macros/"].findtext(f"{ATOM}content") or "")


def test_feed_reader_finds_no_fault_with_the_feed(pages: dict[str, bytes]) -> None:
    """A real feed parser reads what we wrote, in the language that each entry really has."""
    feed = feedparser.parse(pages["fr/feed.xml"], response_headers={"content-type": "application/atom+xml"})
    assert not feed.bozo
    titles = {entry.id.rsplit("/", 2)[1]: entry.title for entry in feed.entries}
    assert titles["social-media-dos-and-donts"] == "Réseaux sociaux : votre voix, notre nom"
    assert titles["the-sign-in-you-did-not-start"] == "The sign-in you did not start"


def test_feed_is_found_from_every_page(pages: dict[str, bytes]) -> None:
    for path in ("en/index.html", f"en/{SOCIAL}", "en/themes/index.html"):
        assert 'type="application/atom+xml"' in text_of(pages, path)


def test_feed_does_not_grow_for_ever() -> None:
    articles = tuple(article(f"number-{n}", f"2020-01-{n % 28 + 1:02d}") for n in range(MAX_FEED_ENTRIES + 20))
    root = ET.fromstring(build(sample_site(articles=articles))["en/feed.xml"])
    entries = root.findall(f"{ATOM}entry")
    assert len(entries) == MAX_FEED_ENTRIES
    assert entries[0].findtext(f"{ATOM}id") == "https://security.meridian.example/en/reports/2026-10/"


@settings(max_examples=40)
@given(title=st.text(), summary=st.text(), author=st.text())
def test_feed_stays_well_formed_whatever_is_in_it(title: str, summary: str, author: str) -> None:
    """Also with control characters, which XML cannot carry at all."""
    site = sample_site(articles=(article("odd", title=title, summary=summary, authors=(author,)),), editions=())
    feed = feed_page(PRESS, shelve(site, EN, ""), lambda _: Markup())
    ET.fromstring(feed.content)


def test_sitemap_has_each_text_once_where_it_really_is(pages: dict[str, bytes]) -> None:
    root = ET.fromstring(pages["sitemap.xml"])
    listed = [node.text or "" for node in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    base = "https://security.meridian.example"
    assert len(set(listed)) == len(listed)
    assert f"{base}/en/articles/the-sign-in-you-did-not-start/" in listed
    assert f"{base}/fr/articles/the-sign-in-you-did-not-start/" not in listed
    assert f"{base}/fr/articles/social-media-dos-and-donts/" in listed
    assert f"Sitemap: {base}/sitemap.xml" in text_of(pages, "robots.txt")


# --- look and words -----------------------------------------------------------------


def test_house_colours_reach_the_style_sheet_and_stay_readable() -> None:
    """An accent that could not be read on our ground is darkened until it can (WCAG 2.2, 1.4.3)."""
    pale = replace(sample_site().publication, accent="#1f4e79", accent_dark="#202020")
    (style,) = (c.decode() for p, c in build(sample_site(publication=pale)).items() if p.endswith(".css"))
    assert "--accent: #1f4e79;" in style
    assert "--accent: #202020;" not in style


def test_style_sheet_changes_its_name_with_its_bytes() -> None:
    other = replace(sample_site().publication, accent="#7a1f1f")
    names = {
        next(path for path in build(site) if path.endswith(".css"))
        for site in (sample_site(), sample_site(publication=other))
    }
    assert len(names) == 2


def test_broken_template_of_a_site_is_named(tmp_path: Path) -> None:
    """A site may bring its own templates; a fault in one says where, and nothing is rendered."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "year.html").write_text("<p>\n{{ yaer }}\n")
    with pytest.raises(ConfigError, match=r"year\.html:2.*yaer"):
        list(render_site(sample_site(), Templates([tmp_path])))


def _messages() -> set[str]:
    """Every fixed word of the archive: in its templates, and in the modules that make its pages."""
    found: set[str] = set()
    options = {"trimmed": "true", "silent": "false", "newstyle_gettext": "true", "encoding": "utf-8"}
    for path in packaged("templates").glob("web/*.*"):
        with path.open("rb") as source:
            found |= {
                _first(message) for _, _, message, _ in babel_extract(source, ("_", "ngettext", "gettext"), (), options)
            }
    for name in ("site", "press", "web", "atom", "moves"):
        with (CATALOGUES.parent / "render" / f"{name}.py").open("rb") as source:
            found |= {
                _first(message)
                for _, _, message, _ in extract_python(source, {"gettext": None, "ngettext": (1, 2)}, (), {})
            }
    return found


def _first(message: Any) -> str:
    return message if isinstance(message, str) else str(message[0])


def test_every_fixed_word_has_its_french() -> None:
    known = {_first(message.id) for message in _catalogue("newsletter.po") + _catalogue("web.po") if message.string}
    assert sorted(_messages() - known) == []


def test_no_french_word_is_left_over() -> None:
    """web.po has the archive's own words only; what it no longer says is taken out."""
    assert sorted({_first(message.id) for message in _catalogue("web.po")} - _messages()) == []


def _catalogue(name: str) -> list[Message]:
    with (CATALOGUES / "fr" / "LC_MESSAGES" / name).open("rb") as source:
        return [message for message in read_po(source, locale="fr", abort_invalid=True) if message.id]
