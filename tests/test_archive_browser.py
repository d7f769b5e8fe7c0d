"""The built archive in a real browser, JavaScript off: what readers see, and of what no browser complains."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from newsletter.publish.archive import publish
from newsletter.render.environment import Templates
from newsletter.render.web import render_site
from tests.support.archive import FORM, sample_site, served
from tests.support.browser import violations, visiting

PAGES = [
    "/",
    "/en/",
    "/fr/",
    "/en/articles/",
    "/en/articles/social-media-dos-and-donts/",
    "/fr/articles/social-media-dos-and-donts/",
    "/fr/articles/the-sign-in-you-did-not-start/",
    "/en/articles/macros/",
    "/en/themes/",
    "/en/themes/phishing/",
    "/en/2026/",
    "/en/reports/",
    "/en/reports/2026-10/",
    "/fr/reports/2026-10/",
    "/404.html",
]
NARROWEST = 320  # WCAG 2.2, 1.4.10: no scrolling sideways at this width
MIN_LABEL_PIXELS = 16  # TLP 2.0: 12 points


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The sample archive, published and served as any static host would."""
    folder = tmp_path_factory.mktemp("archive")
    publish(render_site(sample_site(), Templates([])), folder)
    with served(folder) as address:
        yield address


@pytest.mark.parametrize("path", PAGES)
def test_page_needs_no_script_and_nothing_from_elsewhere(browser: Browser, archive: str, path: str) -> None:
    """No CSP report, no error, no request to anybody else; and nothing to scroll sideways on the narrowest screen."""
    with visiting(browser, archive + path, width=NARROWEST, javascript=False) as (page, visit):
        assert visit.errors == []
        assert visit.outside == []
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROWEST


@pytest.mark.parametrize("path", ["/en/articles/", "/fr/articles/", "/fr/"])
def test_no_language_stands_alone_on_a_line_of_the_head(browser: Browser, archive: str, path: str) -> None:
    """They share one with the way to the report, at every width that holds the two."""
    with visiting(browser, archive + path, width=1280, javascript=False) as (page, _):
        for width in (1280, 1024, 900, 768, 600, 480, 360):
            page.set_viewport_size({"width": width, "height": 640})
            boxes = [page.locator(one).bounding_box() for one in (".get a", ".switch li:last-child a")]
            report, language = (box["y"] + box["height"] / 2 for box in boxes if box)
            assert abs(report - language) < MIN_LABEL_PIXELS, width


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(browser: Browser, archive: str, path: str) -> None:
    """No violation of any gravity, wide and light as well as narrow and dark; axe itself needs scripts to run."""
    with visiting(browser, archive + path, width=1280) as (page, _):
        assert _faults(page) == []
        page.set_viewport_size({"width": NARROWEST, "height": 640})
        page.emulate_media(color_scheme="dark")
        assert _faults(page) == []


def test_reader_finds_the_way_without_javascript(browser: Browser, archive: str) -> None:
    """From the door to an article, to its French version, to the lists, to the report and one of its sections."""
    with visiting(browser, f"{archive}/", javascript=False) as (page, visit):
        page.get_by_role("link", name="English").click()
        page.get_by_role("link", name="Social media: your voice, our name").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Social media: your voice, our name"
        page.get_by_role("navigation", name="Languages").get_by_role("link", name="Français").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Réseaux sociaux : votre voix, notre nom"
        page.get_by_role("navigation", name="Archives").get_by_role("link", name="Articles").click()
        page.get_by_role("navigation", name="Années").get_by_role("link", name="2019").click()
        assert page.url.endswith("/fr/articles/#y2019")
        page.get_by_role("link", name="Phishing").or_(page.get_by_role("link", name="Hameçonnage")).first.click()
        assert page.get_by_role("heading", level=1).inner_text() == "Hameçonnage"
        page.get_by_role("link", name="Rapports mensuels").click()
        page.get_by_role("link", name="La voix aussi est un mot de passe").first.click()
        page.get_by_role("navigation", name="Dans ce rapport").get_by_role("link", name="Chiffres").click()
        assert page.url.endswith("/fr/reports/2026-10/#figures")
        assert (visit.errors, visit.outside) == ([], [])


def test_old_address_brings_the_reader_to_the_article(browser: Browser, archive: str) -> None:
    """A static host that knows no redirects serves a page that leads on by itself."""
    with visiting(browser, f"{archive}/old/social-media/", javascript=False) as (page, visit):
        page.wait_for_url("**/en/articles/social-media-dos-and-donts/")
        assert visit.errors == []


def test_every_link_of_a_page_answers(browser: Browser, archive: str) -> None:
    """Asked of the server; every page's links are followed on disk in test_render_web."""
    with visiting(browser, f"{archive}/en/reports/2026-10/", javascript=False) as (page, _):
        links = {link for link in _links(page) if link.startswith(archive)}
        forms = {link for link in links if FORM.fullmatch(link.removeprefix(f"{archive}/"))}
        assert forms == {f"{archive}/en/subscribe/"}  # the application answers
        links -= forms
        assert len(links) > 10
        assert {link: page.request.get(link).status for link in links} == dict.fromkeys(links, 200)


def test_label_stands_in_head_and_foot_large_enough(browser: Browser, archive: str) -> None:
    """TLP 2.0: at the top and at the bottom, to the right, 12 points or more, white on black."""
    with visiting(browser, f"{archive}/en/articles/usb-stick-found/", javascript=False) as (page, _):
        styles = page.evaluate(
            "[...document.querySelectorAll('header .tlp span, body > footer .tlp span')].map(e => getComputedStyle(e))"
            ".map(s => [parseFloat(s.fontSize), s.color, s.backgroundColor])"
        )
        assert len(styles) == 2
        assert all(size >= MIN_LABEL_PIXELS for size, _, _ in styles)
        assert {(ink, ground) for _, ink, ground in styles} == {("rgb(255, 255, 255)", "rgb(0, 0, 0)")}


def test_keyboard_reaches_the_content_first(browser: Browser, archive: str) -> None:
    """The first Tab shows the skip link, Enter follows it."""
    with visiting(browser, f"{archive}/en/", javascript=False) as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        assert page.get_by_text("Skip to the content").bounding_box()["x"] >= 0  # type: ignore[index]
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "page-content"


def test_print_shows_where_links_lead_and_leaves_menus_out(browser: Browser, archive: str) -> None:
    with visiting(browser, f"{archive}/en/articles/usb-stick-found/", javascript=False) as (page, _):
        page.emulate_media(media="print")
        assert not page.get_by_role("navigation", name="Archive").is_visible()
        after = "getComputedStyle(document.querySelector('.close a[href^=http]'), '::after').content"
        assert "attr(href)" in page.evaluate(after) or "https://" in page.evaluate(after)


def test_dark_mode_follows_the_system(browser: Browser, archive: str) -> None:
    grounds = []
    for dark in (False, True):
        with visiting(browser, f"{archive}/en/", dark=dark, javascript=False) as (page, _):
            grounds.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert grounds == ["rgb(251, 250, 247)", "rgb(22, 24, 27)"]


def _faults(page: Page) -> list[str]:
    return [f"{found['id']}: {found['nodes'][0]['html']}" for found in violations(page)]


def _links(page: Page) -> list[str]:
    found: list[str] = page.evaluate("[...document.links].map(link => link.href)")
    return found
