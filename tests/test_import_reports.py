"""Past reports become editions of the archive that claim nothing but their text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.collect.editions import past_editions, read_editions
from newsletter.errors import ConflictError, ContentError
from newsletter.importing.journey import bring_in
from newsletter.importing.nouns import Wishes
from newsletter.model import Language, Month, Tlp
from newsletter.pipeline import current, draft, run_month
from tests.support.sites import Clock, Site, small_app

SAMPLES = Path(__file__).parent / "data" / "import"
LETTER = SAMPLES / "2019-10-report.eml"
PROSE = "It was a quiet month in the control room until the phone rang, and it rang for a very long time."
OCTOBER = Month(2019, 10)


def test_a_letter_becomes_an_edition_of_its_month_that_is_verified_like_any_other(site: Site) -> None:
    """Its manifest says that it was imported; a changed byte is found; nobody's address comes along."""
    site.must("import", str(LETTER), "--tlp", "CLEAR", "--write")
    (edition,) = read_editions(site.folder / "editions")
    assert (edition.month, edition.imported, edition.previous) == (OCTOBER, True, None)
    assert edition.released == datetime(2019, 11, 5, 8, tzinfo=UTC)
    report = edition.reports[Language("en")]
    assert report.title == "Monthly Security Report, October 2019"
    assert report.note.startswith("In October we handled **14** incidents")
    folder = site.folder / "editions/2019-10"
    assert not any(b"somebody.private" in path.read_bytes() for path in folder.iterdir())
    assert json.loads((folder / "manifest.json").read_text())["imported"] == ["2019-10-report.eml"]
    path = folder / "en.report.json"
    path.write_text(path.read_text().replace("14", "15"))
    with pytest.raises(ContentError, match="is not what was released"):
        read_editions(site.folder / "editions")


def test_the_archive_shows_it_and_says_what_it_is(site: Site) -> None:
    """It stands in the index and the feed and has a page, which claims no incidents, figures or proof."""
    site.must("import", str(LETTER), "--tlp", "CLEAR", "--write")
    site.must("publish")
    archive = site.folder / "archive"
    page = (archive / "en/reports/2019-10/index.html").read_text(encoding="utf-8")
    assert "nothing here proves what was sent" in page
    assert "In October we handled <strong>14</strong> incidents" in page
    for claim in ("no incidents", "Figures", "as-sent", "Sent</dt>", "How to verify", "Digest of the edition before"):
        assert claim not in page
    assert "2019-10" in (archive / "en/reports/index.html").read_text(encoding="utf-8")
    assert "In October we handled" in (archive / "en/feed.xml").read_text(encoding="utf-8")
    french = (archive / "fr/reports/2019-10/index.html").read_text(encoding="utf-8")
    assert "rien ici ne prouve ce qui a été envoyé" in french
    assert site.json("check")["blocking"] == 0


def test_what_was_imported_says_nothing_to_later_reports(tmp_path: Path) -> None:
    """It prints no incident or article, so nothing counts as late; and the chain of what we send begins with ours."""
    with small_app(tmp_path / "site", Clock(datetime(2026, 11, 3, 9, tzinfo=UTC))) as app:
        bring_in([LETTER], None, Wishes(tlp=Tlp.CLEAR), app.root, app.publication, limits=None, write=True)
        assert past_editions(read_editions(app.editions_folder)) == ()
        report = draft(Month(2026, 10), app).variants[0].report
        assert [item.slug for item in report.articles] == ["first"]
        assert report.restatements == ()


def test_a_month_that_was_imported_is_never_sent_again(tmp_path: Path) -> None:
    """Refused before anything is decided, so that nothing hangs between two states."""
    with small_app(
        tmp_path / "site", Clock(datetime(2026, 11, 3, 9, tzinfo=UTC)), NEWSLETTER_SCHEDULE_APPROVAL="false"
    ) as app:
        copy = tmp_path / "report.eml"
        copy.write_bytes(LETTER.read_bytes().replace(b"October 2019", b"October 2026"))
        bring_in([copy], None, Wishes(tlp=Tlp.CLEAR), app.root, app.publication, limits=None, write=True)
        with pytest.raises(ConflictError, match="sent before this site and imported"):
            run_month(Month(2026, 10), app)
        assert current(Month(2026, 10), app).state.value in ("candidate", "approved")


def test_both_languages_of_a_month_are_one_edition(site: Site) -> None:
    for name, language in (("2018-03.en.html", "en"), ("2018-03.fr.html", "fr")):
        site.write(f"old/{name}", f'<html lang="{language}"><h1>Report {language}</h1><p>{PROSE}</p></html>')
    site.must("import", "old", "--kind", "report", "--tlp", "CLEAR", "--write")
    (edition,) = read_editions(site.folder / "editions")
    assert (edition.month, sorted(edition.reports)) == (Month(2018, 3), ["en", "fr"])
    assert "date: the last day of its month" in site.out


def test_a_month_that_stands_is_a_conflict_and_the_same_one_is_unchanged(site: Site) -> None:
    site.must("import", str(LETTER), "--tlp", "CLEAR", "--write")
    assert "1 unchanged" in site.must("import", str(LETTER), "--tlp", "CLEAR", "--write")
    site.write("old/other.eml", LETTER.read_text().replace("14", "15"))
    assert site.newsletter("import", "old", "--tlp", "CLEAR", "--write") == 2
    assert "editions/2019-10 is another edition" in site.out


def test_two_reports_of_one_month_and_language_are_not_both_taken(site: Site) -> None:
    site.write("old/a.eml", LETTER.read_text())
    site.write("old/b.eml", LETTER.read_text().replace("14", "15"))
    assert site.newsletter("import", "old", "--tlp", "CLEAR", "--write") == 2
    assert "a.eml is the report of 2019-10 in that language already" in site.out
    assert "14" in (site.folder / "editions/2019-10/en.report.json").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Subject: Monthly Security Report, October 2019", "Subject:"), "no subject"),
        (("text/html", "image/png"), ""),
        (("--tlp", "GREEN"), "only CLEAR ones can be brought in"),
    ],
)
def test_a_report_that_is_none_or_not_for_everybody_is_refused(
    site: Site, change: tuple[str, str], message: str
) -> None:
    """A letter without HTML gives its text; one without title, or with a stricter label, is no page of the archive."""
    tlp = change[1] if change[0] == "--tlp" else "CLEAR"
    site.write("old/a.eml", LETTER.read_text().replace(*change))
    code = site.newsletter("import", "old", "--tlp", tlp)
    assert code == (2 if message else 0)
    assert message in site.out


def test_a_month_that_nothing_names_is_guessed_from_the_date_and_marked(site: Site) -> None:
    site.write("old/a.eml", LETTER.read_text().replace(", October 2019", ""))
    told = site.must("import", "old", "--tlp", "CLEAR")
    assert "editions/2019-10" in told
    assert "month: the day of its date, 2019-11-05" in told


STRAY = LETTER.read_text().replace("Monthly Security Report, October 2019", "Fwd: lunch?")


def test_a_letter_that_is_no_report_is_refused(site: Site) -> None:
    """Its date alone would make it the edition of a month that it never told of."""
    site.write("old/a.eml", STRAY)
    site.write("old/b.eml", LETTER.read_text())
    assert site.newsletter("import", "old", "--tlp", "CLEAR", "--write") == 2
    assert 'nothing says that it is a report, or of which month: its subject is "Fwd: lunch?"' in " ".join(
        site.out.split()
    )
    assert [edition.month for edition in read_editions(site.folder / "editions")] == [OCTOBER]


@pytest.mark.parametrize(
    ("name", "subject", "more", "month"),
    [
        ("a", "Fwd: Rapport mensuel", (), "2019-10"),
        ("2019-08", "Fwd: lunch?", (), "2019-08"),
        ("2019/07/a", "Fwd: lunch?", (), "2019-07"),
        ("a", "Fwd: lunch? June 2019", (), "2019-06"),
        ("a", "Fwd: lunch?", ("--date", "2019-05-31"), "2019-05"),
    ],
)
def test_a_letter_whose_month_is_told_is_taken(
    site: Site, name: str, subject: str, more: tuple[str, ...], month: str
) -> None:
    """By its subject, its file, its folder or the person; what calls itself a report has its date's."""
    site.write(f"old/{name}.eml", STRAY.replace("Fwd: lunch?", subject))
    assert f"editions/{month}" in site.must("import", "old", "--tlp", "CLEAR", *more)


def test_a_letter_of_parts_within_parts_without_end_is_refused(site: Site) -> None:
    """The parser of mail enters each by recursion: one hostile letter must not end the import of the others."""
    parts = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(2_000))
    letter = (
        f"From: a@b.example\nSubject: x\nDate: Fri, 1 Nov 2019 9:00:00 +0100\n{parts}Content-Type: text/plain\n\nx\n"
    )
    site.write("old/deep.eml", letter)
    site.write("old/2019-05-12-good.txt", f"Good\n\n{PROSE}")
    assert site.newsletter("import", "old", "--tlp", "CLEAR", "--json") == 2
    told = {one["source"]: one["problem"] for one in json.loads(site.out)["sources"]}
    assert "this letter cannot be read (RecursionError)" in told["deep.eml"]
    assert told["2019-05-12-good.txt"] == ""
