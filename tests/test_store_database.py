"""The connection: transactions, schema, locks, and what a person is told when the database cannot."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import IntegrityError, StatementError

from newsletter.errors import ConfigError, ConflictError, StoreError
from newsletter.model import Admission, SubscriberId, SubscriberState
from newsletter.store import feeds, meta, migrate, notices, schema, subscribers
from newsletter.store.database import Store
from newsletter.store.tables import metadata
from tests.support.ledger import CONSENT, NOW, add_people, entry, person, record, write_locked

UPGRADE = """
import sys
from pathlib import Path
from newsletter.store.database import Store
store = Store(sys.argv[1], folder=Path(sys.argv[2]))
store.upgrade()
store.check()
"""

HOLD_LOCK = """
import sys, time
from pathlib import Path
from newsletter.store.database import Store
with Store(sys.argv[1], folder=Path(sys.argv[2])).lock("delivery"):
    print("held", flush=True)
    sys.stdin.read()
"""


# --- schema ---------------------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables_that_the_queries_use(store):
    """Whoever changes a table without a migration, or the other way round, hears of it here."""
    with store.read() as tx:
        differences = compare_metadata(MigrationContext.configure(tx, opts={"compare_type": True}), metadata)
    assert differences == []


def test_the_program_knows_every_revision():
    """The list that is checked at every start, without Alembic, is the list of the scripts."""
    scripts = ScriptDirectory.from_config(migrate.configuration())
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == schema.REVISIONS


def test_only_an_upgrade_pays_for_alembic():
    """Its import takes as long as SQLAlchemy's."""
    code = "import sys, newsletter.store.database; print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_constraints_are_in_the_database_on_both(store):
    """Rules that must hold are kept by the database: foreign keys, states, unique mailboxes."""
    with pytest.raises(IntegrityError), store.begin() as tx:
        subscribers.record_consent(tx, SubscriberId(404), CONSENT)
    add_people(store, [person(1)])
    with pytest.raises(IntegrityError), store.begin() as tx:
        tx.exec_driver_sql("UPDATE subscriber SET state = 'happy'")


def test_upgrading_twice_changes_nothing(empty_database):
    """``db upgrade`` may be run at every start."""
    with closing(empty_database.open()) as store:
        store.upgrade()
        with store.begin() as tx:
            meta.put(tx, "tick", "kept", NOW)
        store.upgrade()
        store.check()
        with store.read() as tx:
            assert meta.get(tx, "tick") == "kept"


def test_people_and_notices_of_an_older_version_are_kept(empty_database):
    """Their rows, what refers to them, and the words of notices that wait; the new states are known after it."""
    with closing(empty_database.open()) as store:
        with store.begin() as tx:
            config = migrate.configuration()
            config.attributes["connection"] = tx
            command.upgrade(config, "0003")
            now = "2026-11-03 08:00:00"
            tx.exec_driver_sql(
                "INSERT INTO subscriber"
                " (id, mailbox, mailbox_key, typed, language, audience, format, state, created, changed)"
                f" VALUES (7, 'A@b.org', 'a@b.org', 'A@b.org', 'en', 'public', 'html', 'active', '{now}', '{now}')"
            )
            tx.exec_driver_sql(
                f"INSERT INTO consent (subscriber_id, at, how, note) VALUES (7, '{now}', 'form', 'asked')"
            )
            tx.exec_driver_sql(
                "INSERT INTO notice (key, recipient, subject, text, created, expires, state, attempts, next_attempt,"
                " changed, reply) VALUES ('k', 'x@b.org', 'It''s \"held\"', 'Two\nlines', "
                f"'{now}', '2027-01-01 00:00:00', 'pending', 0, '{now}', '{now}', '450 4.2.2 <x@b.org>: full')"
            )
        store.upgrade()
        with store.begin() as tx:
            kept = subscribers.get(tx, SubscriberId(7))
            assert (kept.address.mailbox, kept.admission, kept.paused_until) == ("A@b.org", Admission.OPEN, None)
            assert [one.note for one in subscribers.consents(tx, kept.id)] == ["asked"]
            assert tx.exec_driver_sql("SELECT reply FROM notice").all() == [("",)]
            (waiting,) = notices.due(tx, NOW)
            assert (waiting.kind, waiting.facts) == ("plain", {"subject": 'It\'s "held"', "text": "Two\nlines"})
            assert subscribers.set_state(tx, kept.id, SubscriberState.ENDED, NOW)
        with pytest.raises(IntegrityError), store.begin() as tx:
            tx.exec_driver_sql("UPDATE subscriber SET state = 'pending'")


def test_two_processes_upgrade_at_once(empty_database):
    """Both succeed, one after the other."""
    command = [sys.executable, "-c", UPGRADE, empty_database.url, str(empty_database.folder)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told


def test_an_empty_database_says_which_command_mends_it(empty_database):
    """No table yet: StoreError, not a trace about tables."""
    with closing(empty_database.open()) as store:
        with pytest.raises(StoreError, match="newsletter db upgrade"):
            store.check()
        with pytest.raises(StoreError, match="newsletter db upgrade"), store.read() as tx:
            subscribers.count_by_state(tx)


def test_a_database_of_a_newer_version_is_left_alone(store):
    """An old program must not guess what a newer one meant."""
    with store.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    with pytest.raises(StoreError, match="newer version of newsletter"):
        store.check()


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(empty_database):
    """The whole upgrade is one transaction, tables included."""

    def upgrade_and_fail(tx):
        migrate.upgrade(tx)
        raise RuntimeError("power cut")

    with closing(empty_database.open()) as store:
        with pytest.raises(RuntimeError, match="power"), store.begin() as tx:
            upgrade_and_fail(tx)
        with store.read() as tx:
            assert schema.current(tx) is None


def test_the_database_file_is_for_its_owner_alone(tmp_path):
    """It holds people's addresses."""
    path = tmp_path / "deep" / "newsletter.db"
    with closing(Store(f"sqlite:///{path}", folder=tmp_path)) as store:
        store.upgrade()
    assert path.stat().st_mode & 0o777 == 0o600


def test_sqlite_is_set_up_so_that_nothing_accepted_is_forgotten(sqlite_store):
    """WAL, synchronous=FULL, foreign keys: on every connection."""
    with sqlite_store.read() as tx:
        found = [
            tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]


# --- transactions ---------------------------------------------------------------------------------------------


def test_a_transaction_that_fails_leaves_nothing(store):
    """All or nothing."""

    def add_and_fail(tx):
        subscribers.add(tx, person(1), CONSENT)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power"), store.begin() as tx:
        add_and_fail(tx)
    with store.read() as tx:
        assert subscribers.get(tx, person(1).id) is None


def test_reading_cannot_write(store):
    """Whoever only looks cannot change anything by mistake, on either database."""
    with pytest.raises(StoreError, match="may not be written"), store.read() as tx:
        meta.put(tx, "tick", "x", NOW)
    with store.begin() as tx:
        meta.put(tx, "tick", "y", NOW)


def test_a_look_is_not_moved_by_what_others_write_meanwhile(store):
    """A long list is of one moment."""
    add_people(store, [person(1)])
    with store.read() as tx:
        assert subscribers.count_by_state(tx)[SubscriberState.ACTIVE] == 1
        add_people(store, [person(2)])
        assert subscribers.count_by_state(tx)[SubscriberState.ACTIVE] == 1


def test_times_come_back_aware_and_in_utc(store):
    """Whatever zone they came in; a naive one is refused."""
    winter = datetime(2026, 11, 3, 9, 0, tzinfo=timezone(timedelta(hours=1)))
    record(store, entry(first_seen=winter, published=winter))
    with store.read() as tx:
        (found,) = feeds.entries(tx)
    assert found.first_seen == winter
    assert found.first_seen.tzinfo is UTC
    assert found.published == winter
    with pytest.raises(StatementError, match="no time zone"), store.begin() as tx:
        meta.put(tx, "tick", "x", datetime(2026, 11, 3))


# --- what goes wrong ------------------------------------------------------------------------------------------


def test_a_locked_database_says_so_and_changes_nothing(database):
    """Another process writes for too long: a clear message after the wait, and nothing half done."""
    with closing(database.open()) as other, closing(database.open(busy_seconds=0.1)) as store:
        with write_locked(other), pytest.raises(StoreError, match="locked by another process"):
            record(store, entry())
        assert record(store, entry()) == 1


def test_a_full_disk_says_so_and_changes_nothing(sqlite_store):
    """SQLite's own limit of pages stands for the disk: what did not fit is gone as a whole, what was there stays."""
    add_people(sqlite_store, [person(1)])

    def add_until_full(tx):
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        for number in range(2, 2_000):
            subscribers.add(tx, person(number), CONSENT)

    with pytest.raises(StoreError, match="disk is full; free some space"), sqlite_store.begin() as tx:
        add_until_full(tx)
    with sqlite_store.read() as tx:
        assert [one.id for one in subscribers.iterate(tx)] == [person(1).id]


def test_a_file_that_is_no_database_says_so(tmp_path):
    """Somebody's text file is not overwritten."""
    path = tmp_path / "newsletter.db"
    path.write_text("This is no database, but it is somebody's work. " * 40)
    with closing(Store(f"sqlite:///{path}", folder=tmp_path)) as store:
        with pytest.raises(StoreError, match="no database at all"):
            store.upgrade()
        with pytest.raises(StoreError, match="no database at all"):
            store.check()
    assert path.read_text().startswith("This is no database")


def test_a_folder_that_cannot_be_made_says_which(tmp_path):
    """The message names the path."""
    (tmp_path / "file").write_text("")
    with closing(Store(f"sqlite:///{tmp_path}/file/newsletter.db", folder=tmp_path)) as store:
        with pytest.raises(StoreError, match=r"cannot be prepared.*file"):
            store.upgrade()
        with pytest.raises(StoreError, match="does not exist yet"):
            store.check()
        with pytest.raises(StoreError, match="cannot be opened"), store.read():
            pass


def test_an_unreachable_server_says_so_without_the_password(tmp_path):
    """PostgreSQL is down: no trace, no secret."""
    with closing(Store("postgresql://news:s3cret@127.0.0.1:1/news", folder=tmp_path)) as store:
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/news cannot be used now: .*refused") as told:
            store.check()
        with pytest.raises(StoreError), store.lock("delivery"):
            pass
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize("url", ["", "newsletter.db", "sqlite://", "sqlite:///:memory:", "mysql://u@h/d", "http://x"])
def test_a_wrong_address_is_a_wrong_setting(url, tmp_path):
    """ConfigError that shows how to write it."""
    with pytest.raises(ConfigError, match=r"write it like sqlite:///"):
        Store(url, folder=tmp_path)


def test_an_error_of_ours_shows_nobodys_address(store):
    """Parameters of statements stay out of messages, since messages go to the log."""
    add_people(store, [person(1)])
    with pytest.raises(IntegrityError) as told, store.begin() as tx:
        subscribers.add(tx, person(2, id=person(1).id), CONSENT)
    assert "example.org" not in str(told.value)


# --- locks ----------------------------------------------------------------------------------------------------


def test_only_one_holds_a_lock(database):
    """The second is refused at once; other locks, and the same one afterwards, are free."""
    with closing(database.open()) as one, closing(database.open()) as two:
        with one.lock("delivery"):
            with pytest.raises(ConflictError, match=r"at it already \(delivery\)"), two.lock("delivery"):
                pass
            with pytest.raises(ConflictError), one.lock("delivery"):
                pass
            with two.lock("publish"):
                pass
        with two.lock("delivery"):
            pass


def test_a_lock_of_a_killed_process_is_free_at_once(database):
    """SIGKILL leaves no lock behind: the operating system, or PostgreSQL, takes it back."""
    command = [sys.executable, "-c", HOLD_LOCK, database.url, str(database.folder)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder, closing(database.open()) as store:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConflictError), store.lock("delivery"):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert _takes_lock_soon(store)


def test_of_many_threads_exactly_one_gets_the_lock(database):
    """The lock is between threads as much as between processes."""
    with closing(database.open()) as store, store.lock("publish"):

        def attempt(_: int) -> bool:
            try:
                with store.lock("publish"):
                    return True
            except ConflictError:
                return False

        with ThreadPoolExecutor(4) as pool:
            assert not any(pool.map(attempt, range(8)))


def test_names_of_locks_are_plain(sqlite_store):
    """They become names of files."""
    with pytest.raises(ValueError, match="no name of a lock"), sqlite_store.lock("../etc"):
        pass


def test_somebody_elses_program_may_read_sqlite_meanwhile(sqlite_store):
    """WAL: a reader with its own tool does not stop a writer."""
    path = sqlite_store.name.removeprefix("sqlite+pysqlite:///")
    add_people(sqlite_store, [person(1)])
    with closing(sqlite3.connect(path)) as reader:
        cursor = reader.execute("SELECT mailbox FROM subscriber")
        add_people(sqlite_store, [person(2)])
        assert cursor.fetchone() == ("reader-1@example.org",)


def _takes_lock_soon(store: Store) -> bool:
    """PostgreSQL notices a dead client a moment later than the operating system."""
    for _ in range(2_000):
        try:
            with store.lock("delivery"):
                return True
        except ConflictError:
            continue
    return False
