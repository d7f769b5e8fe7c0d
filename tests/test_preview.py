"""What the preview shows is what readers get; and whatever happens to a file, the last good look stays."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from newsletter.app import build_app
from newsletter.cli import run
from newsletter.collect.memory import Memory
from newsletter.config import load_settings
from newsletter.model import PUBLIC_AUDIENCE, Language, Month
from newsletter.parsing.validate import FieldError
from newsletter.pipeline import collect
from newsletter.preview.darkroom import Darkroom
from newsletter.preview.subject import month_subject, subject_at
from newsletter.render.site import Site, shelve
from newsletter.render.web import render_site
from tests.support.pictures import png
from tests.support.preview import FIRST, SECOND, article, small_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from newsletter.preview.darkroom import Showing
    from newsletter.preview.look import Look

EN, FR = Language("en"), Language("fr")
OCTOBER = Month(2026, 10)
PREFIX = "/token/site"

INCIDENT = """---
id: INC-2026-001
title: "A stolen laptop"
rsit: fraud/phishing
severity: {severity}
tlp: {tlp}
detected: 2026-10-02
status: {status}
---
## Public summary

A laptop went away.
"""


class Easel:
    """A darkroom, and a site to write in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.room = Darkroom(root, PREFIX)
        self._version = 0

    def show(self, address: str, *changed: str) -> Showing:
        """What is shown, told that these files have changed."""
        self._version += 1
        paths = {self.root / name for name in changed}
        return self.room.develop(subject_at(address, (EN, FR)), paths, self._version)

    def look(self, address: str, *changed: str) -> Look:
        """A look without any fault."""
        showing = self.show(address, *changed)
        assert showing.faults == ()
        assert showing.look
        return showing.look

    def write(self, name: str, text: str | bytes) -> None:
        """Save a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.fixture
def easel(tmp_path: Path) -> Iterator[Easel]:
    """A site with two articles of October 2026."""
    made = Easel(small_site(tmp_path / "site"))
    yield made
    made.room.close()


# --- what readers get -------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_months_mail_is_the_reports_to_the_byte(
    easel: Easel, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `newsletter report` writes into .html stands in the frames; the text too."""
    monkeypatch.chdir(easel.root)
    assert run(["report", "2026-10", "--out", str(tmp_path / "out")]) == 0
    look = easel.look(f"2026-10.{language}")
    written = tmp_path / "out" / f"2026-10.public.{language}"
    assert look.html.encode() == written.with_suffix(f".{language}.html").read_bytes()
    text = written.with_suffix(f".{language}.txt").read_bytes()
    assert look.text.encode() == text.replace(b"\r\n", b"\n")


def test_an_articles_page_is_the_archives(easel: Easel) -> None:
    """But for the place at which its links begin, the archive's page has the same bytes."""
    look = easel.look(FIRST)
    with closing(build_app(load_settings(easel.root))) as app:
        collected, _, editions = collect(app)
        pages = {
            page.path: page for page in render_site(Site(app.publication, collected.articles, editions), app.templates)
        }
    assert look.page.replace(PREFIX.encode(), b"") == pages["en/articles/first/index.html"].content
    assert all(f"{PREFIX}/{path}".encode() in look.page for path in look.assets)


def test_an_article_comes_first_in_its_letter(easel: Easel) -> None:
    """Whichever file is looked at is printed whole, as the first of its month."""
    first, second = easel.look(FIRST), easel.look(SECOND)
    assert [entry.address for entry in first.entries] == [FIRST, SECOND]
    assert [entry.address for entry in second.entries] == [SECOND, FIRST]
    assert second.html.index("The second") < second.html.index("The first")


def test_the_editors_order_stays_behind_it(easel: Easel) -> None:
    """A note's own order counts for everything else."""
    easel.write("articles/2026/third.en.md", article("The third"))
    easel.write("reports/2026-10.en.md", "---\ntlp: CLEAR\norder: [third, second]\n---\nA note.\n")
    addresses = [entry.address for entry in easel.look(FIRST).entries]
    assert addresses == ["reports/2026-10.en.md", FIRST, "articles/2026/third.en.md", SECOND]


def test_a_note_is_shown_as_its_month(easel: Easel) -> None:
    """The note's file and its month give the same letter."""
    easel.write("reports/2026-10.en.md", '---\ntlp: CLEAR\ntitle: "Laptops"\n---\nThe note itself.\n')
    note, month = easel.look("reports/2026-10.en.md"), easel.look("2026-10.en")
    assert "The note itself." in note.html
    assert (note.html, note.page) == (month.html, month.page)


def test_an_incident_has_the_months_page(easel: Easel) -> None:
    """It stands in letter and page of the month in which it was detected."""
    easel.write("incidents/inc-2026-001.en.md", INCIDENT.format(severity=2, tlp="CLEAR", status="closed"))
    look = easel.look("incidents/inc-2026-001.en.md")
    assert look.month == OCTOBER
    assert "A laptop went away." in look.html
    assert b"A laptop went away." in look.page
    assert look.remarks == ()


@pytest.mark.parametrize(
    ("change", "remark"),
    [("tlp: AMBER", "TLP:AMBER: the public gets nothing"), ("tlp: CLEAR\nstatus: draft", "leaves it out")],
)
def test_what_the_public_does_not_get_is_shown_and_said(easel: Easel, change: str, remark: str) -> None:
    """An author sees a draft or a marked article as it would be, with a remark that it will not be."""
    easel.write(FIRST, article(body="Hidden words.").replace("tlp: CLEAR", change))
    look = easel.look(FIRST)
    assert "Hidden words." in look.html
    assert b"Hidden words." in look.page
    assert any(remark in said for said in look.remarks)


def test_nothing_else_above_clear_is_shown_beside_it(easel: Easel) -> None:
    """Looking at one marked file opens no other."""
    easel.write(FIRST, article().replace("CLEAR", "AMBER"))
    easel.write(SECOND, article("The second", "Other secrets.").replace("CLEAR", "AMBER"))
    assert "Other secrets." not in easel.look(FIRST).html
    assert "The second" not in easel.look("2026-10.en").html


def test_an_incident_that_no_report_prints_says_so(easel: Easel) -> None:
    """A false positive stands in no letter."""
    easel.write("incidents/inc-2026-001.en.md", INCIDENT.format(severity=2, tlp="CLEAR", status="false-positive"))
    look = easel.look("incidents/inc-2026-001.en.md")
    assert "A laptop went away." not in look.html
    assert any("false positive" in remark for remark in look.remarks)


def test_pictures_are_the_pages_and_clean(easel: Easel) -> None:
    """A picture beside the article is served at its place, and changes with its file."""
    easel.write(FIRST, article(body="![A label](label.png)"))
    easel.write("articles/2026/label.png", png())
    assert easel.look(FIRST).assets["en/articles/first/label.png"] == png()
    easel.write("articles/2026/label.png", png(tail=b"secret"))
    assert easel.look(FIRST, "articles/2026/label.png").assets["en/articles/first/label.png"] == png()


def test_a_saved_file_shows_at_once(easel: Easel) -> None:
    """The next look is of the new words, in mail, text and page."""
    easel.look(FIRST)
    easel.write(FIRST, article(body="New words."))
    look = easel.look(FIRST, FIRST)
    assert "New words." in look.html
    assert "New words." in look.text
    assert b"New words." in look.page


# --- whatever happens to the file -------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (article().replace("tlp: CLEAR\n", ""), f"{FIRST}:1: "),
        (article().replace("2026-10-06", "soon"), f"{FIRST}:3: "),
        (article(body="caf\u00e9").encode()[:-2], f"{FIRST}:"),
        ("", f"{FIRST}:"),
        ('---\ntitle: "The', f"{FIRST}:"),
        (b"\xff\xfe\x00", f"{FIRST}:"),
    ],
    ids=["no label", "no date", "half a letter", "empty", "half a head", "no text"],
)
def test_a_broken_file_keeps_the_last_good_look(easel: Easel, bad: str | bytes, told: str) -> None:
    """The fault is told with file and line; once it is mended, the new words are there."""
    good = easel.look(FIRST)
    easel.write(FIRST, bad)
    showing = easel.show(FIRST, FIRST)
    assert showing.look == good
    assert showing.faults
    assert all(fault.startswith(told) for fault in showing.faults)
    easel.write(FIRST, article(body="Mended."))
    assert "Mended." in easel.look(FIRST, FIRST).html


def test_a_file_broken_from_the_start_shows_its_faults(easel: Easel) -> None:
    """There is nothing to show yet, but what to mend."""
    easel.write(FIRST, "---\ntitel: x\n---\n")
    showing = easel.show(FIRST)
    assert showing.look is None
    assert len(showing.faults) > 1


def test_another_files_fault_does_not_touch_an_article(easel: Easel) -> None:
    """Who writes one article is not kept from it by a colleague's half sentence; who looks at the month is told."""
    month = easel.look("2026-10.en")
    easel.write(SECOND, "---\n")
    assert "The second" not in easel.look(FIRST, SECOND).html
    showing = easel.show("2026-10.en")
    assert showing.look == month
    assert all(fault.startswith(SECOND) for fault in showing.faults)


def test_a_deleted_file_is_missed(easel: Easel) -> None:
    """The last good look stays, and says that the file is gone."""
    good = easel.look(FIRST)
    (easel.root / FIRST).unlink()
    showing = easel.show(FIRST, FIRST)
    assert (showing.look, showing.moved) == (good, "")
    assert showing.faults == (f"{FIRST} is gone: it was deleted or renamed",)


def test_a_renamed_file_is_found_again(easel: Easel) -> None:
    """The same text under another name is where to go on."""
    easel.look(FIRST)
    new = "articles/2026/renamed.en.md"
    (easel.root / FIRST).rename(easel.root / new)
    assert easel.show(FIRST, FIRST, new).moved == new


def test_a_broken_template_is_told_in_words(easel: Easel) -> None:
    """File, line and variable, no trace; mended, everything is as before."""
    good = easel.look(FIRST)
    name = "templates/web/article.html"
    easel.write(name, "{% block main %}\n{{ nonsense }}\n{% endblock %}")
    showing = easel.show(FIRST, name)
    assert showing.look == good
    assert "article.html:2: 'nonsense' is undefined" in showing.faults[0]
    (easel.root / name).unlink()
    assert easel.look(FIRST, name) == good


def test_broken_settings_are_told_in_words(easel: Easel) -> None:
    """A setting with a typing mistake names its line."""
    good = easel.look(FIRST)
    settings = (easel.root / "newsletter.toml").read_text(encoding="utf-8")
    easel.write("newsletter.toml", settings.replace("[publication]", "[publication]\nnaem = 1", 1))
    showing = easel.show(FIRST, "newsletter.toml")
    assert showing.look == good
    assert "naem" in showing.faults[0]
    easel.write("newsletter.toml", settings)
    assert easel.look(FIRST, "newsletter.toml") == good


def test_changed_settings_change_the_look(easel: Easel) -> None:
    """Settings are read again when their file was saved."""
    easel.look(FIRST)
    settings = (easel.root / "newsletter.toml").read_text(encoding="utf-8")
    name = next(line for line in settings.splitlines() if line.startswith("name = "))
    easel.write("newsletter.toml", settings.replace(name, 'name = "Another name"', 1))
    assert "Another name" in easel.look(FIRST, "newsletter.toml").subject_line


# --- what can be looked at --------------------------------------------------------------------


def test_addresses_are_files_and_months() -> None:
    """A path in the site, or a month with or without a language."""
    assert subject_at("2026-10.fr", (EN, FR)) == month_subject(OCTOBER, FR)
    assert subject_at("2026-10", (EN, FR)) == month_subject(OCTOBER, EN)
    assert subject_at("reports/2026-10.fr.md", (EN, FR)).month == OCTOBER
    assert subject_at(FIRST, (EN, FR)).path == FIRST


@pytest.mark.parametrize(
    "address",
    [
        *("", "x", "2026-13", "2026-10.xx", "newsletter.toml", "articles/x.html", "articles/x.xx.md", "reports/x.md"),
        *("articles/../var/x.md", "articles//x.md", "/articles/x.md", "articles/.x.md", "articles/_x.md"),
        *("templates/x.md", "articles/x\n.md", "articles\\x.md", "articles/" + "x" * 500 + ".md"),
    ],
)
def test_nothing_else_has_an_address(address: str) -> None:
    """Whatever leads out of the content folders, or into what is not read, is refused."""
    with pytest.raises(FieldError):
        subject_at(address, (EN, FR))


def test_the_shelf_holds_what_the_public_may_read(easel: Easel) -> None:
    """The preview adds nothing to the archive's own lists: neighbours are those that the archive has."""
    easel.write(SECOND, article("The second").replace("CLEAR", "GREEN"))
    with closing(build_app(load_settings(easel.root))) as app:
        collected, _, _ = collect(app, OCTOBER, Memory())
        shelf = shelve(Site(app.publication, collected.articles, ()), EN, "")
    assert len(shelf.articles) == 2
    assert PUBLIC_AUDIENCE.clearance < collected.articles[1].tlp
    assert b"The second" not in easel.look(FIRST).page
