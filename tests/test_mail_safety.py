"""The letter does no harm: links that show where they lead, words that stay words, nothing loaded, readable by all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from newsletter.model import UNSUBSCRIBE_SLOT, Action, ArticleItem, ElsewhereItem, IncidentItem
from newsletter.render.mail import LOGO, render_report
from tests.support.browser import serious, violations
from tests.support.letters import PACKAGED, PUBLICATION, elements, hrefs, letter, opened
from tests.support.samples import EN, FR, sample_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from newsletter.model import Language, Report, Variant

# Budgets of references/email.md section 2: Gmail clips near 102 KB, and drops long style blocks.
MAX_HTML_BYTES = 70_000
MAX_STYLE_BYTES = 8_000
HOSTILE = "\"><script>alert(1)</script><img src=//evil.example onerror=x>{{ 7*7 }}{% raw %} &amp; '`"

# --- links -----------------------------------------------------------------


def test_both_parts_have_the_same_links(english: Variant, french: Variant) -> None:
    """The text is complete by itself, and no link hides in only one part."""
    for variant in (english, french):
        pages = {href for href in hrefs(variant) if href.startswith("http")}
        assert pages == set(re.findall(r"https?://\S+", variant.text))
        mailboxes = {href.removeprefix("mailto:") for href in hrefs(variant) if href.startswith("mailto:")}
        assert mailboxes
        assert all(mailbox in variant.text for mailbox in mailboxes)


def test_every_link_shows_where_it_leads(english: Variant) -> None:
    """Host or mailbox in the words of the link or right beside it; words that look like an address are the address."""
    page = elements(english)
    parents = {id(child): e for e in page for child in e.elements()}
    links = [e for e in page if e.get("href")]
    assert len(links) > 12
    for link in links:
        target = urlsplit(link.get("href")).hostname or link.get("href").removeprefix("mailto:")
        beside = parents[id(parents[id(link)])] if parents[id(link)].tag == "h3" else parents[id(link)]
        assert target in beside.text(), link
        if "://" in link.text():
            assert link.text() == link.get("href")


def test_unsubscribe_link_has_the_slot_in_both_parts(english: Variant) -> None:
    """Spliced into finished bytes, so it stands there once, whole, on a line of its own in the text."""
    link = f"https://security.meridian.example/u/{UNSUBSCRIBE_SLOT}"
    assert english.html.count(UNSUBSCRIBE_SLOT) == english.text.count(UNSUBSCRIBE_SLOT) == 1
    assert f'href="{link}"' in english.html
    assert f"\n{link}\n" in english.text


def test_foreign_hosts_are_ascii_everywhere() -> None:
    """An IDN host would be percent-encoded in HTML and look like another one in text."""
    item = replace(sample_report().elsewhere[0], link="https://exämple.example/a")
    variant = letter(elsewhere=(item,))
    assert 'href="https://xn--exmple-cua.example/a"' in variant.html
    assert "https://xn--exmple-cua.example/a" in variant.text
    assert "exämple" not in variant.html + variant.text


def test_link_that_nobody_can_open_leaves_its_words() -> None:
    """A feed's broken address neither stops the month nor becomes a link to nowhere."""
    item = replace(sample_report().elsewhere[0], link="https://[broken/")
    variant = letter(elsewhere=(item,))
    assert item.title in variant.html
    assert "broken" not in variant.html + variant.text


# --- harm -----------------------------------------------------------------


def poisoned(report: Report) -> Report:
    """The report with hostile words in every text that it has."""

    def poison(item: object) -> object:
        if not isinstance(item, IncidentItem | ArticleItem | ElsewhereItem):
            return item
        plain = {f.name: HOSTILE for f in fields(item) if f.type == "str" and f.name not in ("id", "slug", "link")}
        return replace(item, **plain)

    return replace(
        report,
        title=HOSTILE,
        note=HOSTILE,
        note_authors=(HOSTILE,),
        in_brief=(HOSTILE,),
        action=Action(HOSTILE, HOSTILE),
        incidents=tuple(poison(i) for i in report.incidents),
        articles=tuple(poison(a) for a in report.articles),
        elsewhere=tuple(replace(poison(e), also=(HOSTILE,)) for e in report.elsewhere),
        corrections=(HOSTILE,),
    )


def test_hostile_words_stay_words() -> None:
    """No title, name or body becomes markup, and content is never a template."""
    settings = replace(PUBLICATION, name="N" + HOSTILE, organisation=HOSTILE, team={EN: HOSTILE}, verify={EN: HOSTILE})
    variant = render_report(poisoned(sample_report()), settings, PACKAGED)
    tags = {e.tag for e in elements(variant)}
    assert tags.isdisjoint({"script", "img", "iframe", "form", "object", "svg", "input", "link", "base"})
    assert not [e for e in elements(variant) if any(name.startswith("on") for name in e.attributes)]
    assert "{{ 7*7 }}" in variant.html
    assert "49" not in re.sub(r"<style>.*?</style>", "", variant.html, flags=re.DOTALL)
    assert "<script>alert(1)</script>" in variant.text


@pytest.mark.slow
@pytest.mark.parametrize(("language", "width", "dark"), list(product((EN, FR), (375, 1024), (False, True))))
def test_letter_is_accessible_and_contacts_nobody(
    browser: Browser, tmp_path: Path, letters: dict[Language, Variant], *, language: Language, width: int, dark: bool
) -> None:
    """axe-core finds nothing serious or critical, contrast included, on phone and desktop, light and dark."""
    with opened(browser, tmp_path, letters[language], width=width, dark=dark) as (page, visit):
        assert not serious(violations(page))
        assert not visit.outside
        assert len(visit.requests) == 1
        assert not visit.errors


WIDE = """\
| Une demande d'authentification | Interlocuteur | Recommandation |
| --- | --- | --- |
| Anticonstitutionnellement | Approvisionnement | `hxxps://a-long-name[.]example/and/a/very/long/path/to/somewhere` |

https://security.meridian.example/a/very/long/address/that/no/phone/can/hold/on/one/line/of/text/at/all

```
$ a-command --with=options --that=run --out=of --every=screen --since=they --never=end
```
"""


@pytest.mark.parametrize("width", [320, 375, 390, 1024])
def test_letter_fits_its_screen(browser: Browser, tmp_path: Path, width: int) -> None:
    """Nothing runs out of a small phone, however wide the content; no text is smaller than 16 px."""
    lead, *teasers = sample_report(language=FR).articles
    wide = letter(sample_report(language=FR), articles=(replace(lead, body=WIDE), *teasers))
    with opened(browser, tmp_path, wide, width=width) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        small = page.evaluate("""() => {
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const found = [];
            while (walker.nextNode()) {
                const element = walker.currentNode.parentElement;
                if (walker.currentNode.data.trim() && parseFloat(getComputedStyle(element).fontSize) < 16)
                    found.push(walker.currentNode.data);
            }
            return found;
        }""")
        assert not small


@pytest.mark.parametrize("dark", [False, True])
def test_unreadable_accent_is_mended(browser: Browser, tmp_path: Path, *, dark: bool) -> None:
    """A site may set any accent: its contrast is kept all the same."""
    publication = replace(PUBLICATION, accent="#ffe95e", accent_dark="#1a1a2e")
    variant = render_report(sample_report(), publication, PACKAGED)
    with opened(browser, tmp_path, variant, dark=dark) as (page, _):
        assert not serious(violations(page))


def test_letter_loads_nothing_and_keeps_its_budget(english: Variant, french: Variant) -> None:
    """No image, no script, no remote style; small enough that no client clips it."""
    for variant in (english, french):
        assert not [e for e in elements(variant) if e.get("src") or e.tag in ("link", "script")]
        assert len(variant.html.encode()) <= MAX_HTML_BYTES
        style = re.findall(r"<style>(.*?)</style>", variant.html, re.DOTALL)[0]
        assert len(style.encode()) <= MAX_STYLE_BYTES


def test_logo_is_the_only_picture_and_travels_with_the_mail() -> None:
    """By Content-ID, with words for those who do not see it."""
    publication = replace(PUBLICATION, logo="logo.png", logo_alt="Meridian")
    variant = render_report(sample_report(), publication, PACKAGED)
    pictures = [e for e in elements(variant) if e.get("src")]
    assert [(p.get("src"), p.get("alt")) for p in pictures] == [(LOGO, "Meridian")]


# --- the same everywhere -----------------------------------------------------------------

FINGERPRINT = """
import hashlib
from newsletter.render.environment import Templates
from newsletter.render.mail import render_report
from tests.support.samples import EN, FR, sample_publication, sample_report
for language in (EN, FR):
    variant = render_report(sample_report(language=language), sample_publication(), Templates([]))
    print(hashlib.sha256(repr((variant.subject, variant.html, variant.text)).encode()).hexdigest())
"""


def test_same_report_gives_the_same_bytes_on_every_machine() -> None:
    """Whatever locale, time zone and hash seed."""
    surroundings = [
        {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "2", "TZ": "America/Los_Angeles", "LC_ALL": "C.UTF-8", "LANGUAGE": "de"},
    ]
    root = Path(__file__).parent.parent
    prints = [
        subprocess.run(
            [sys.executable, "-c", FINGERPRINT],
            env={**os.environ, "PYTHONPATH": str(root), **surrounding},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for surrounding in surroundings
    ]
    assert prints[0] == prints[1]
    assert len(prints[0].split()) == 2
