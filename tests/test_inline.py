"""Inlining changes nothing that a reader sees, and what premailer would break is refused before."""

from __future__ import annotations

import logging
import re
from itertools import product
from typing import TYPE_CHECKING

import css_inline
import cssutils
import pytest

from newsletter.errors import ConfigError
from newsletter.model import UNSUBSCRIBE_SLOT
from newsletter.render.environment import Templates
from newsletter.render.inline import inline
from newsletter.render.mail import letter_html
from newsletter.render.notices import facts_of, notice_html
from tests.support.browser import visiting
from tests.support.notices import KINDS, TOKEN
from tests.support.samples import FR, sample_publication, sample_report

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

STATES = list(product((375, 1024), (False, True)))

# One number for each element: every computed property of it, and its box.
COMPUTED = """() => [...document.querySelectorAll('body, body *')].map(element => {
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    let text = element.tagName + [box.x, box.y, box.width, box.height].join();
    for (const name of style) text += name + style.getPropertyValue(name);
    let hash = 2166136261;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
    return element.tagName + '.' + element.className + ' ' + hash;
})"""


def page(style: str, body: str = "<p>x</p>") -> str:
    """A small page with one style block."""
    return (
        "<!DOCTYPE html><html><head><meta charset='utf-8'><title>t</title>"
        f"<style>{style}</style></head><body>{body}</body></html>"
    )


def looks(browser: Browser, folder: Path, html: str, *, width: int, dark: bool) -> list[str]:
    """What the browser computes for every element of this page."""
    file = folder / "page.html"
    file.write_text(html, encoding="utf-8")
    with visiting(browser, file.as_uri(), width=width, dark=dark) as (tab, _):
        return list(tab.evaluate(COMPUTED))


def differences(one: list[str], other: list[str]) -> list[tuple[str, str]]:
    """The elements that look different; pages of different structure differ everywhere."""
    return [(a, b) for a, b in zip(one, other, strict=True) if a != b]


@pytest.fixture(scope="module", params=["report", "confirm", pytest.param("welcome", marks=pytest.mark.slow)])
def letter(request: pytest.FixtureRequest) -> str:
    """The report, and of the notices, whose sheet is one, one with a personal link and one with everything else."""
    if request.param == "report":
        return letter_html(sample_report(), sample_publication(), Templates([]))
    facts = facts_of(KINDS[request.param])
    return notice_html(request.param, FR, facts, sample_publication(), Templates([]), token=TOKEN)


@pytest.mark.parametrize(("width", "dark"), STATES)
def test_inlining_changes_no_computed_style(
    browser: Browser, tmp_path: Path, letter: str, width: int, *, dark: bool
) -> None:
    """Not one property of one element, on phone and desktop, light and dark (references/email.md section 3).

    The oracle, css-inline, shares no code with premailer: what both make of the letter must look the same too.
    """
    source = looks(browser, tmp_path, letter, width=width, dark=dark)
    inlined = looks(browser, tmp_path, inline(letter), width=width, dark=dark)
    oracle = css_inline.inline(letter, keep_style_tags=True, load_remote_stylesheets=False)
    assert len(source) > 30  # a notice has few elements; the report has hundreds
    assert not differences(source, inlined)
    assert not differences(inlined, looks(browser, tmp_path, oracle, width=width, dark=dark))


def test_letter_without_its_style_blocks_looks_the_same_on_a_light_desktop(
    browser: Browser, tmp_path: Path, letter: str
) -> None:
    """Clients that drop style blocks show the letter as it was designed."""
    bare = re.sub(r"<style>.*?</style>", "", inline(letter), flags=re.DOTALL)
    assert "<style" not in bare
    source = looks(browser, tmp_path, letter, width=1024, dark=False)
    assert not differences(source, looks(browser, tmp_path, bare, width=1024, dark=False))


def test_the_comparison_sees_what_premailer_does_by_default(browser: Browser, tmp_path: Path) -> None:
    """The parity test can fail: a media rule without its !important loses against inlined styles."""
    style = "p { color: #111111; } @media (max-width: 480px) { p { color: #222222 !important; } }"
    source = looks(browser, tmp_path, page(style), width=375, dark=False)
    broken = inline(page(style)).replace(" !important", "")
    assert differences(source, looks(browser, tmp_path, broken, width=375, dark=False))


def test_styles_stand_on_elements_and_stay_in_their_block() -> None:
    """Both: the elements' own for clients without style blocks, the block for phones and dark mode."""
    style = "p { color: #111111; } @media (prefers-color-scheme: dark) { p { color: #eeeeee !important; } }"
    result = inline(page(style))
    assert '<p style="color:#111' in result
    assert f"<style>{style}</style>" in result


@pytest.mark.parametrize(
    ("style", "reason"),
    [
        ("a[href='a,b'] { color: red }", "comma"),
        ("p:not(.x) { color: red }", "use a class"),
        ("tr:nth-child(even) { color: red }", "use a class"),
        ("p { color: rgb(0 0 0 / 50%) }", "slash"),
        ("@import 'x.css';", "elsewhere"),
        ("@font-face { font-family: x; src: URL(x.woff) }", "elsewhere"),
        ("td { background: url(https://example.org/pixel.gif) }", "elsewhere"),
    ],
)
def test_style_that_premailer_would_break_is_refused(style: str, reason: str) -> None:
    """Silently wrong in a reader's mailbox is worse than a clear message at the desk."""
    with pytest.raises(ConfigError, match=reason):
        inline(page(style))


def test_page_in_quirks_mode_is_refused() -> None:
    """Premailer drops a lower-case doctype, and every box changes its size."""
    with pytest.raises(ConfigError, match="DOCTYPE"):
        inline(page("").replace("<!DOCTYPE html>", "<!doctype html>"))


def test_doctype_survives() -> None:
    """The first bytes decide between standards mode and quirks."""
    assert inline(page("p { color: red }")).startswith("<!DOCTYPE html>\n<html>")


def test_foreign_host_names_become_a_labels() -> None:
    """The serialiser (lxml) would percent-encode the host, and the link would be dead."""
    result = inline(page("", '<a href="https://exämple.example:8443/a?b=c#d">x</a>'))
    assert 'href="https://xn--exmple-cua.example:8443/a?b=c#d"' in result


@pytest.mark.parametrize("href", ["https://a.example/{{ token }}", "https://a.example/é", "https://a.example/<% x %>"])
def test_address_that_would_be_changed_is_refused(href: str) -> None:
    """Placeholders with blanks and foreign letters in a path come out of lxml as something else."""
    with pytest.raises(ConfigError, match="link"):
        inline(page("", f'<a href="{href}">x</a>'))


def test_slot_of_the_personal_link_survives() -> None:
    """Its length is what the splicing of tokens relies on."""
    assert f'"https://a.example/u/{UNSUBSCRIBE_SLOT}"' in inline(
        page("p { color: red }", f'<a href="https://a.example/u/{UNSUBSCRIBE_SLOT}">x</a>')
    )


def test_stylesheets_elsewhere_are_never_fetched() -> None:
    """The default of premailer follows stylesheet links; nothing listens on this port, so a request would raise."""
    linked = page("").replace("<title>", '<link rel="stylesheet" href="http://127.0.0.1:9/x.css"><title>')
    assert "127.0.0.1:9" in inline(linked)


def test_cssutils_log_is_silent_for_us_and_unchanged_for_others(caplog: pytest.LogCaptureFixture) -> None:
    """Its settings are global to the process: ours end with the call."""
    with caplog.at_level(logging.DEBUG):
        inline(page("p { color: red; overflow-wrap: anywhere; nonsense }"))
    assert not caplog.records
    assert cssutils.log.enabled is True


def test_words_keep_their_characters() -> None:
    """No-break spaces, entities and foreign letters come out as they went in."""
    result = inline(page("", "<p>« Réseaux&nbsp;» &amp; <b>œuvre</b> 漢字 &lt;x&gt;</p>"))
    assert "« Réseaux\u00a0» &amp; <b>œuvre</b> 漢字 &lt;x&gt;" in result.replace("&nbsp;", "\u00a0")


def test_what_was_inlined_before_changes_nothing() -> None:
    """Premailer keeps parsed style sheets: the tenth letter has the bytes of the first, whatever came between."""
    style = "p { color: #123456; } @media (max-width: 480px) { p { color: #654321 !important; } }"
    letter = f"<!DOCTYPE html>\n<html><head><style>{style}</style></head><body><p>one</p></body></html>"
    first = inline(letter)
    other = inline(letter.replace("#123456", "#abcdef"))
    assert [inline(letter) for _ in range(10)] == [first] * 10
    assert other == first.replace("#123456", "#abcdef")
