"""The main job, stage by stage and again: what was done stays done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter import pipeline
from newsletter.app import App, load_keys
from newsletter.collect.editions import read_editions
from newsletter.errors import ConfigError, ConflictError, PublishError, RefusedError
from newsletter.model import MailingState, Month
from newsletter.store import feeds
from tests.support.content import entry
from tests.support.mailserver import MailServer
from tests.support.sites import ARTICLE, Clock, small_app

OCTOBER = Month(2026, 10)
DUE = datetime(2026, 11, 3, 8, 5, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock(DUE)


@pytest.fixture
def app(tmp_path: Path, mailserver: MailServer, clock: Clock) -> Iterator[App]:
    """Nobody has to approve."""
    environment = {"NEWSLETTER_RELAY_PORT": str(mailserver.port), "NEWSLETTER_SCHEDULE_APPROVAL": "false"}
    with small_app(tmp_path / "site", clock, **environment) as made:
        yield made


def change(app: App) -> None:
    """An editor adds an article."""
    (app.root / "articles" / "second.en.md").write_text(ARTICLE.format(title="A change", tlp="CLEAR"), encoding="utf-8")


def test_a_month_that_still_runs_is_never_released(app: App, clock: Clock, mailserver: MailServer) -> None:
    """In the site's zone: October ends at 23:00 UTC. What was released never changes, so it must be whole."""
    clock.now = datetime(2026, 10, 31, 22, 59, tzinfo=UTC)
    with pytest.raises(RefusedError, match="has not ended yet"):
        pipeline.run_month(OCTOBER, app)
    assert mailserver.mails == ()
    assert not app.settings.archive_folder.exists()
    clock.now += timedelta(minutes=1)
    pipeline.run_month(OCTOBER, app)
    assert len(mailserver.mails) == 1


def test_letters_are_dated_when_they_were_released_whatever_the_plan(
    app: App, clock: Clock, mailserver: MailServer
) -> None:
    """By hand, two days before its slot: a date in the future looks like spam."""
    clock.now = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
    pipeline.run_month(OCTOBER, app)
    assert mailserver.mails[0].message["Date"].datetime == clock.now
    (edition,) = read_editions(app.editions_folder)
    assert edition.released == clock.now
    assert edition.files["en.eml"].startswith(b"Date: Sun, 01 Nov 2026 12:00:00 +0000\r\n")


def test_what_was_said_yes_to_is_what_leaves(app: App, mailserver: MailServer) -> None:
    """Somebody edits while somebody else is being asked."""
    seen = pipeline.prepare(OCTOBER, app)
    change(app)
    with pytest.raises(ConflictError, match="nothing was sent"):
        pipeline.run_month(OCTOBER, app, expected=seen.digest)
    assert mailserver.mails == ()


def test_a_feed_that_brings_something_new_voids_no_approval(app: App, clock: Clock) -> None:
    """It waits for the next month; a change by an editor does void it."""
    first = entry("first", "2026-10-10", source="advisories")
    record(app, first)
    approved = pipeline.approve(OCTOBER, app, digest=pipeline.prepare(OCTOBER, app).digest, by="robin")
    record(app, entry("second", "2026-10-20", source="advisories"))
    assert pipeline.prepare(OCTOBER, app).digest == approved.digest
    assert pipeline.current(OCTOBER, app).state is MailingState.APPROVED
    change(app)
    assert pipeline.prepare(OCTOBER, app).state is MailingState.CANDIDATE


def record(app: App, *entries: object) -> None:
    with app.store.begin() as tx:
        feeds.record_entries(tx, entries, app.clock())  # type: ignore[arg-type]


def test_an_entry_is_printed_in_one_edition_only(app: App, clock: Clock) -> None:
    record(app, entry("once", "2026-10-10", source="advisories"))
    pipeline.run_month(OCTOBER, app)
    with app.store.read() as tx:
        assert [e.printed_in for e in feeds.entries(tx)] == [OCTOBER]


def test_a_release_that_broke_off_while_publishing_goes_on_with_the_same_bytes(
    app: App, mailserver: MailServer
) -> None:
    """The archive cannot be written; when it can, what was decided is released, whatever editors changed meanwhile."""
    app.settings.archive_folder.write_text("a file where a folder is needed")
    with pytest.raises(PublishError):
        pipeline.run_month(OCTOBER, app)
    decided = pipeline.current(OCTOBER, app)
    assert (decided.state, mailserver.mails) == (MailingState.RELEASING, ())
    change(app)
    app.settings.archive_folder.unlink()
    mailing = pipeline.run_month(OCTOBER, app)
    assert (mailing.digest, mailing.state) == (decided.digest, MailingState.SENT)
    assert "A change" not in str(mailserver.mails[0].message.get_body(("plain",)).get_content())  # type: ignore[union-attr]


def test_editions_form_a_chain_in_the_order_of_their_release(app: App, clock: Clock) -> None:
    pipeline.run_month(OCTOBER, app)
    clock.now += timedelta(days=1)
    pipeline.run_month(OCTOBER.shift(-1), app)
    september, october = read_editions(app.editions_folder)
    assert (october.previous, september.previous) == (None, october.digest)


def test_the_archive_is_a_function_of_files_alone(app: App, tmp_path: Path) -> None:
    """The same files without the database give the same pages, byte by byte."""
    pipeline.run_month(OCTOBER, app)
    before = pages(app)
    for path in (app.root / "var").iterdir():
        path.unlink()
    for path in sorted(app.settings.archive_folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    pipeline.publish_archive(app)
    assert pages(app) == before


def pages(app: App) -> dict[str, bytes]:
    folder = app.settings.archive_folder
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_link_keys_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "link-keys.json"
    assert load_keys(path) == load_keys(path)
    assert path.stat().st_mode & 0o077 == 0


def test_damaged_link_keys_are_never_replaced_by_new_ones(tmp_path: Path) -> None:
    """New keys would break the link in every mail that was ever sent."""
    path = tmp_path / "link-keys.json"
    path.write_text("{}")
    with pytest.raises(ConfigError, match="restore the file from a backup"):
        load_keys(path)
    assert path.read_text() == "{}"
