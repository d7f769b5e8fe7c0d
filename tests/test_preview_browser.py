"""The journey of somebody who writes, with a browser beside the editor: saved is painted, and nothing gets lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import violations, visiting
from tests.support.preview import FIRST, SECOND, article, previewing, small_site

VIEWS = ("mail", "phone", "dark", "text", "plain", "page", "page-dark", "page-phone")
LONG = "A long paragraph.\n\n" * 80


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two articles of October 2026."""
    return small_site(tmp_path_factory.mktemp("preview") / "site")


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """A running preview of the first article."""
    with previewing(site, FIRST) as (printed, _):
        yield printed


@pytest.fixture(autouse=True)
def _as_before(site: Path) -> Iterator[None]:
    """Whatever a test wrote, the next one begins with two good articles."""
    (site / FIRST).write_text(article(body=LONG), encoding="utf-8")
    (site / SECOND).write_text(article("The second"), encoding="utf-8")
    yield
    for path in (site / "articles" / "2026").glob("renamed*"):
        path.unlink()


@contextmanager
def looking(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """The open preview; afterwards, nothing left this machine, and no policy or script complained."""
    with visiting(browser, url, **options) as (page, visit):
        yield page
        assert visit.outside == []
        assert visit.errors == []


def painted(page: Page, view: str, text: str) -> None:
    """Wait until the frame of this tab shows these words."""
    expect(page.frame_locator(f"#panel-{view} iframe.shown").locator("body")).to_contain_text(text)


def opened(page: Page, view: str) -> None:
    """Choose a tab."""
    page.click(f"#tab-{view}")
    page.wait_for_selector(f"#panel-{view}[data-painted]")


def frame_says(page: Page, view: str, expression: str) -> Any:
    """What a property of a frame's window is."""
    return page.evaluate(f"() => document.querySelector('#panel-{view} iframe.shown').contentWindow.{expression}")


# --- how editors save -------------------------------------------------------------------------


def rename(path: Path, text: str) -> None:
    """Vim and most others: a new file takes the old one's name."""
    aside = path.with_name(f".{path.name}.swp")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def truncate(path: Path, text: str) -> None:
    """Nano and shells: the same file, emptied and written."""
    path.write_text(text, encoding="utf-8")


def in_parts(path: Path, text: str) -> None:
    """A slow disk: flushed in the middle of a letter, then the rest."""
    data = text.encode()
    with path.open("wb") as file:
        file.write(data[: data.index("\u00e9".encode()) + 1])
        file.flush()
        file.write(data[data.index("\u00e9".encode()) + 1 :])


@pytest.mark.slow
@pytest.mark.parametrize("save", [rename, truncate, in_parts])
def test_every_tab_and_frame_repaints_when_a_file_is_saved(
    browser: Browser, site: Path, address: str, save: Callable[[Path, str], None]
) -> None:
    """However an editor writes, all frames of all browser tabs show the new words, and stay where they were."""
    with looking(browser, address) as page:
        for view in VIEWS:
            opened(page, view)
        other = page.context.new_page()
        other.goto(page.url)
        painted(other, "mail", "A long paragraph.")
        page.bring_to_front()  # a browser draws what is behind once a second, and every click waits for it twice
        scrolled = [view for view in VIEWS if view != "plain"]
        for view in scrolled:
            opened(page, view)
            frame_says(page, view, "scrollTo(0, 700)")
        save(site / FIRST, article(body=f"{LONG}Freshly saved, \u00e9l\u00e8ve."))
        for view in VIEWS:
            painted(page, view, "Freshly saved, \u00e9l\u00e8ve.")
        painted(other, "mail", "Freshly saved, \u00e9l\u00e8ve.")
        assert [frame_says(page, view, "scrollY") for view in scrolled] == [700] * len(scrolled)
        assert page.locator("#faults").is_hidden()


def test_a_change_in_a_template_repaints(browser: Browser, site: Path, address: str) -> None:
    """Settings and templates count like content; a fault in one is told in words."""
    template = site / "templates" / "web" / "article.html"
    with looking(browser, address) as page:
        opened(page, "page")
        template.parent.mkdir(parents=True, exist_ok=True)
        template.write_text("{{ nonsense }}", encoding="utf-8")
        expect(page.locator("#faults")).to_contain_text("article.html:1: 'nonsense' is undefined")
        painted(page, "page", "A long paragraph.")
        template.write_text("<!doctype html><title>x</title><p>Our own page</p>", encoding="utf-8")
        painted(page, "page", "Our own page")
        template.unlink()
        painted(page, "page", "A long paragraph.")


# --- findings ---------------------------------------------------------------------------------


def test_a_finding_appears_and_goes(browser: Browser, site: Path, address: str) -> None:
    """After the repaint the preflight's word follows: place, message, fix and code, counted in the tab's title."""
    with looking(browser, address) as page:
        (site / FIRST).write_text(article(themes="nonsense"), encoding="utf-8")
        finding = page.locator(".finding.block", has_text="theme-unknown")
        expect(finding).to_contain_text(f"{FIRST}:5")
        expect(finding).to_contain_text("nonsense")
        expect(page).to_have_title(re.compile("blocking"))
        (site / FIRST).write_text(article(), encoding="utf-8")
        expect(finding).to_have_count(0)
        expect(page).not_to_have_title(re.compile("blocking"))


# --- whatever happens to the file -------------------------------------------------------------


def test_a_broken_file_dims_the_last_good_state(browser: Browser, site: Path, address: str) -> None:
    """The fault stands above it with file and line, and goes when it is mended."""
    with looking(browser, address) as page:
        painted(page, "mail", "A long paragraph.")
        (site / FIRST).write_text(article().replace("2026-10-06", "soon"), encoding="utf-8")
        expect(page.locator("#faults")).to_contain_text(f"{FIRST}:3:")
        expect(page.locator(".stage")).to_have_class("stage stale")
        painted(page, "mail", "A long paragraph.")
        expect(page).to_have_title(re.compile("fault"))
        (site / FIRST).write_text(article(body="Mended."), encoding="utf-8")
        painted(page, "mail", "Mended.")
        expect(page.locator("#faults")).to_be_hidden()


def test_a_renamed_file_can_be_followed(browser: Browser, site: Path, address: str) -> None:
    """The preview says that it is gone, and leads to where the same text stands now."""
    new = "articles/2026/renamed.en.md"
    with looking(browser, address) as page:
        painted(page, "mail", "A long paragraph.")
        (site / FIRST).rename(site / new)
        expect(page.locator("#faults")).to_contain_text("is gone: it was deleted or renamed")
        page.locator("#moved a").click()
        page.wait_for_url(f"**/look/{new}")
        painted(page, "mail", "A long paragraph.")


def test_a_deleted_file_may_come_back(browser: Browser, site: Path, address: str) -> None:
    """Version control takes files away and brings them back: the tab needs no reload."""
    with looking(browser, address) as page:
        painted(page, "mail", "A long paragraph.")
        (site / FIRST).unlink()
        expect(page.locator("#faults")).to_contain_text("is gone")
        (site / FIRST).write_text(article(body="Back again."), encoding="utf-8")
        painted(page, "mail", "Back again.")
        expect(page.locator("#faults")).to_be_hidden()


# --- how it looks -----------------------------------------------------------------------------


def test_dark_frames_are_dark_and_light_ones_light(browser: Browser, address: str) -> None:
    """The frame's element says which, so that no byte of the mail is changed for it."""
    context = browser.new_context(color_scheme="null")  # Playwright's own choice would overrule every frame
    page = context.new_page()
    page.goto(address)
    for view in ("mail", "dark", "page", "page-dark"):
        opened(page, view)
    asked = "matchMedia('(prefers-color-scheme: dark)').matches"
    dark = {view: frame_says(page, view, asked) for view in ("mail", "dark", "page", "page-dark")}
    assert dark == {"mail": False, "dark": True, "page": False, "page-dark": True}
    context.close()


def test_the_phone_is_390_pixels_wide(browser: Browser, address: str) -> None:
    """And a letter on a desktop has at least the 600 that it may use."""
    with looking(browser, address, width=1360) as page:
        opened(page, "phone")
        opened(page, "mail")
        assert frame_says(page, "phone", "innerWidth") == 390
        assert frame_says(page, "mail", "innerWidth") >= 600


def test_frames_run_nothing_and_lead_nowhere(browser: Browser, address: str) -> None:
    """Links are held back and told; the frame stays where it is."""
    with looking(browser, address) as page:
        opened(page, "page")
        page.frame_locator("#panel-page iframe.shown").get_by_role("link", name="Themes").click()
        expect(page.locator("#state")).to_contain_text("leads to ")
        painted(page, "page", "A long paragraph.")
        assert page.locator("iframe:not([sandbox='allow-same-origin'])").count() == 0


def test_tabs_are_for_keyboards_too(browser: Browser, address: str) -> None:
    """Arrows move and choose, Home and End jump, and one Tab leads out: the pattern of the ARIA guide."""
    with looking(browser, address) as page:
        page.focus("#tab-mail")
        keys = ("ArrowRight", "End", "ArrowRight", "ArrowLeft", "Home")
        for key, chosen in zip(keys, ("phone", "page-phone", "mail", "page-phone", "mail"), strict=True):
            page.keyboard.press(key)
            expect(page.locator("[role=tab][aria-selected=true]")).to_be_focused()
            expect(page.locator("[role=tab][aria-selected=true]")).to_have_id(f"tab-{chosen}")
            assert page.locator("[role=tabpanel]:visible").count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.slow), 1360])
def test_axe_finds_nothing(browser: Browser, site: Path, address: str, width: int, *, dark: bool) -> None:
    """With findings, a fault and remarks on the page, in both themes, on a phone and on a desktop; nor on the list."""
    (site / FIRST).write_text(article(themes="nonsense").replace("tlp: CLEAR", "tlp: GREEN"), encoding="utf-8")
    with looking(browser, address, width=width, dark=dark) as page:
        page.wait_for_selector(".finding.block")
        (site / FIRST).write_text("---\n", encoding="utf-8")
        expect(page.locator("#faults")).to_be_visible()
        # The letter inside of a frame has tests of its own, in its own light.
        page.evaluate("() => document.querySelectorAll('iframe').forEach((frame) => frame.remove())")
        assert violations(page) == []
        page.goto(f"{address}files")
        assert violations(page) == []


def test_a_narrow_window_shows_everything_below_each_other(browser: Browser, address: str) -> None:
    """Nothing is cut off or needs sideways scrolling at 320 pixels (WCAG 1.4.10)."""
    with looking(browser, address, width=320) as page:
        page.wait_for_selector("#panel-mail[data-painted]")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
        assert page.locator("#findings-title").is_visible()
