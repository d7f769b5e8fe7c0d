from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.collect.editions import REPORT_JSON, past_editions, read_editions
from newsletter.compose import compose
from newsletter.errors import ConflictError, ContentError, PublishError
from newsletter.model import (
    PUBLIC_AUDIENCE,
    Collected,
    CompiledVariant,
    Mailing,
    MailingId,
    MailingState,
    Month,
    Tlp,
)
from newsletter.publish.editions import edition_files, export_edition, manifest_of
from tests.support.content import EN, OCTOBER, article, entry, incident, note, publication

RELEASED = datetime(2026, 11, 3, 8, 0, tzinfo=UTC)


def write(folder: Path, month: Month = OCTOBER, digest: str = "d1", previous: str | None = None) -> Path:
    report = compose(
        month,
        Collected(
            articles=(article(),),
            incidents=(incident(1), incident(2, "2026-09-01")),
            notes=(note(),),
            entries=(entry(),),
        ),
        audience=PUBLIC_AUDIENCE,
        language=EN,
        publication=publication(),
    )
    files = edition_files(EN, report, "<p>é</p>", "é", b"From: x\r\n")
    mailing = Mailing(id=MailingId(1), month=month, digest=digest, state=MailingState.RELEASING, created=RELEASED)
    variant = CompiledVariant("public", EN, Tlp.CLEAR, "Subject", b"", b"", "v1")
    manifest = manifest_of(mailing, [variant], {EN: files}, previous=previous, released=RELEASED)
    return export_edition(folder, manifest, files)


def test_an_edition_is_read_back_as_it_was_released(tmp_path: Path) -> None:
    write(tmp_path, Month(2026, 9), "d0")
    write(tmp_path, previous="d0")
    first, second = read_editions(tmp_path)
    assert (first.month, first.previous, second.previous, second.digest) == (Month(2026, 9), None, "d0", "d1")
    assert (second.released, second.files["en.html"]) == (RELEASED, "<p>é</p>".encode())
    report = second.reports[EN]
    assert REPORT_JSON.validate_json(REPORT_JSON.dump_json(report)) == report
    assert [i.id for i in report.incidents] == ["INC-2026-001"]


def test_an_edition_tells_the_next_month_what_it_printed(tmp_path: Path) -> None:
    write(tmp_path)
    (past,) = past_editions(read_editions(tmp_path))
    assert past.incident_ids == {"INC-2026-001"}
    assert past.counts == {Month(2026, 9): 1, OCTOBER: 1}


def test_writing_the_same_edition_again_changes_nothing(tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in write(tmp_path).iterdir()}
    assert {p: p.stat().st_mtime_ns for p in write(tmp_path).iterdir()} == before


def test_another_edition_never_goes_over_one_that_stands(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ConflictError, match="never changes"):
        write(tmp_path, digest="d2")
    assert read_editions(tmp_path)[0].digest == "d1"


def test_a_write_that_was_interrupted_is_no_edition_and_is_finished_later(tmp_path: Path) -> None:
    half = tmp_path / ".2026-10.writing"
    half.mkdir()
    (half / "en.html").write_text("half")
    assert read_editions(tmp_path) == ()
    write(tmp_path)
    assert len(read_editions(tmp_path)) == 1
    assert not half.exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "en.html").write_text("changed"), "is not what was released"),
        (lambda folder: (folder / "en.txt").unlink(), "No such file"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "Invalid JSON"),
        (lambda folder: folder.rename(folder.with_name("2026-11")), "its manifest is of 2026-10"),
    ],
)
def test_a_damaged_edition_is_named_and_never_shown(tmp_path: Path, damage: object, message: str) -> None:
    damage(write(tmp_path))  # type: ignore[operator]
    with pytest.raises(ContentError, match=message):
        read_editions(tmp_path)


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    folder = write(tmp_path)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"en.eml"', '"../../secret"'))
    with pytest.raises(ContentError, match="no file of an edition"):
        read_editions(tmp_path)


def test_a_folder_that_cannot_be_written_releases_nothing(tmp_path: Path) -> None:
    (tmp_path / "editions").write_text("a file where a folder is needed")
    with pytest.raises(PublishError, match="nothing was released"):
        write(tmp_path / "editions")
