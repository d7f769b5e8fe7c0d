"""The connection: one Store for SQLite and PostgreSQL, its transactions, its locks and its schema.

SQLite runs in WAL mode with synchronous=FULL: with NORMAL a power cut may forget that a letter was sent, and FULL is
not the bottleneck (references/delivery.md section 3).
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from newsletter.errors import BusyError, ConfigError, StoreError
from newsletter.store import schema
from newsletter.store.faults import LOCKED, OUTDATED, explained
from newsletter.store.tables import POSTGRESQL, SQLITE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

BUSY_SECONDS: Final = 10.0  # how long to wait for somebody else's transaction
CONNECT_SECONDS: Final = 10
DATABASE_MODE: Final = 0o600  # it holds people's addresses
LOCK_NAME: Final = re.compile(r"[a-z][a-z-]{0,39}", re.ASCII)
UPGRADE: Final = "upgrade"
WRITES: Final = "newsletter_writes"


class Store:
    """The database behind ``url`` (``sqlite:////absolute/path`` or ``postgresql://user@host/name``).

    ``folder`` is where lock files go when the database is SQLite; ``busy_seconds`` how long to wait for a lock that
    somebody else's transaction holds. Threads may share a Store. A wrong address raises ConfigError here, a database
    that cannot be used raises StoreError at the first use.
    """

    def __init__(self, url: str, *, folder: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        self._url = _checked(url)
        self._folder = folder
        self._is_sqlite = self._url.get_backend_name() == SQLITE
        self.name = self._url.render_as_string(hide_password=True)
        self._engine = _sqlite(self._url, busy_seconds) if self._is_sqlite else _postgresql(self._url, busy_seconds)
        # SQLite has one writer at a time, and others look again and again until it has finished, longer and longer
        # apart. Threads of one process wait in line instead, which keeps the last of many from waiting for seconds.
        self._turn = Lock() if self._is_sqlite else None
        self._busy_seconds = busy_seconds
        self._writing = self._engine.execution_options(**{WRITES: True})
        self._reading = (
            self._engine
            if self._is_sqlite
            else self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )

    # --- transactions

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One write transaction: all of it is kept at the end of the block, or nothing when the block raises.

        SQLite knows one writer at a time, so this waits for its turn before the first statement.
        """
        with explained(self.name), self._own_turn(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One look at the data as they are now, unmoved by what others write meanwhile; writing is refused."""
        with explained(self.name), self._reading.begin() as connection:
            yield connection

    # --- schema

    def upgrade(self) -> None:
        """Make the tables, or bring those of an earlier version to this one; nothing to do is fine.

        All of it is one transaction, and two processes at once do it one after the other.
        """
        from newsletter.store.migrate import upgrade  # noqa: PLC0415  # Alembic is slow to import, and only we need it

        if not self._is_sqlite:
            with self.begin() as connection:
                connection.execute(select(func.pg_advisory_xact_lock(lock_number(UPGRADE))))
                upgrade(connection)
            return
        with _os_errors(self.name):
            path = Path(self._url.database or "")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=DATABASE_MODE)
            lock = self._open_lock_file(UPGRADE)
        with lock:
            # Changing to WAL needs the file alone and does not wait for it, hence the lock around.
            fcntl.flock(lock, fcntl.LOCK_EX)
            with explained(self.name):
                self._use_wal()
            with self.begin() as connection:
                upgrade(connection)

    def is_new(self) -> bool:
        """Whether nothing of ours is in the database yet: another process may be making it at this moment."""
        with self.read() as connection:
            return schema.current(connection) is None

    def check(self) -> None:
        """StoreError when the database has not the tables of this version of the program."""
        if self._is_sqlite and not Path(self._url.database or "").exists():
            raise StoreError(f"{self.name} does not exist yet; run: newsletter db upgrade")
        with self.read() as connection:
            found = schema.current(connection)
        if found is not None and found not in schema.REVISIONS:
            raise StoreError(f"{self.name} was made by a newer version of newsletter ({found}); use that version")
        if found != schema.NEWEST:
            raise StoreError(f"{self.name} {OUTDATED}")

    # --- locks

    @contextmanager
    def lock(self, name: str) -> Iterator[Callable[[], bool]]:
        """Be the only one who does ``name`` on this database; BusyError at once when somebody else does.

        The operating system, or PostgreSQL, releases the lock when its holder dies, however it dies. PostgreSQL does it
        too when it ends our connection; the function that the block gets tells whether the lock is still ours.
        """
        if not LOCK_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a lock; use a-z and hyphens")
        with self._file_lock(name) if self._is_sqlite else self._advisory_lock(name) as is_held:
            yield is_held

    def close(self) -> None:
        """Close every connection; the Store may not be used after it."""
        self._engine.dispose()

    def empty_log(self) -> None:
        """Write SQLite's log into the database and empty it, where nobody reads just now: it keeps what was erased.

        PostgreSQL's log is its administrator's business.
        """
        if self._is_sqlite:
            with explained(self.name), self._own_turn(), closing(self._engine.raw_connection()) as raw:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # --- how

    @contextmanager
    def _own_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=self._busy_seconds):
            raise StoreError(f"{self.name} {LOCKED}")
        try:
            yield
        finally:
            self._turn.release()

    def _use_wal(self) -> None:
        # Not inside a transaction, hence past SQLAlchemy, which always begins one.
        raw = self._engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute("PRAGMA journal_mode = WAL")
            mode = cursor.fetchone()
            cursor.close()
        finally:
            raw.close()
        if mode != ("wal",):
            raise StoreError(f"{self.name}: SQLite cannot use a write-ahead log there; put it on a local disk")

    def _open_lock_file(self, name: str) -> Any:
        self._folder.mkdir(parents=True, exist_ok=True)
        return (self._folder / f"{name}.lock").open("a+", encoding="ascii")

    @contextmanager
    def _file_lock(self, name: str) -> Iterator[Callable[[], bool]]:
        with _os_errors(str(self._folder)):
            file = self._open_lock_file(name)
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                holder = file.read().strip()
                raise BusyError(_taken(name, f"process {holder}" if holder else "another process")) from error
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield lambda: True
            # The file stays: removing it would let two processes lock two files of the same name.

    @contextmanager
    def _advisory_lock(self, name: str) -> Iterator[Callable[[], bool]]:
        number = lock_number(name)
        # Its own connection, without a transaction, for as long as the lock is held.
        with explained(self.name):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            with explained(self.name):
                taken = connection.scalar(select(func.pg_try_advisory_lock(number)))
            if not taken:
                raise BusyError(_taken(name, "another process"))
            try:
                yield lambda: _answers(connection)
            finally:
                with suppress(SQLAlchemyError):  # a connection that died has released it already
                    connection.execute(select(func.pg_advisory_unlock(number)))


def _answers(connection: Connection) -> bool:
    try:
        return connection.scalar(select(1)) == 1
    except SQLAlchemyError:
        return False


def _taken(name: str, holder: str) -> str:
    return f"{holder} is at it already ({name}); wait until it has finished"


def lock_number(name: str) -> int:
    """PostgreSQL numbers its advisory locks: a signed 64-bit number made of ours and the name."""
    return int.from_bytes(sha256(f"newsletter:{name}".encode()).digest()[:8], "big", signed=True)


@contextmanager
def _os_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what} cannot be prepared: {error.strerror}: {error.filename}") from error


# --- engines --------------------------------------------------------------------------------------------------


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ConfigError(f"store.url is no address of a database; {_HOW}") from error
    if backend == SQLITE and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite+pysqlite")
    if backend == POSTGRESQL:
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(f"store.url: {parsed.drivername} with {parsed.database!r} cannot be used; {_HOW}")


_HOW: Final = "write it like sqlite:///var/newsletter.db or postgresql://user@host/name"


def _sqlite(url: URL, busy_seconds: float) -> Engine:
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": busy_seconds})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # The driver would begin transactions by rules of its own (SQLAlchemy, "Enabling Non-Legacy SQLite Transactional
    # Modes"); _begin_sqlite does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA secure_delete = ON")  # who was erased is overwritten, not left in a free page
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    # Past SQLAlchemy, whose ceremony around a statement costs more than these: they are run for every few letters.
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    driver.execute(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
    # IMMEDIATE takes the write lock now: a transaction that reads first and writes later could not wait for it.
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL, busy_seconds: float) -> Engine:
    # synchronous_commit: an intent that a crash of the server forgets is a letter that goes twice.
    settings = f"-c lock_timeout={round(busy_seconds * 1000)} -c timezone=UTC -c synchronous_commit=on"
    try:
        return create_engine(
            url,
            hide_parameters=True,  # parameters hold people's addresses, and errors are logged
            pool_pre_ping=True,  # a server that was restarted is no reason to fail
            connect_args={"connect_timeout": CONNECT_SECONDS, "options": settings},
        )
    except ModuleNotFoundError as error:
        raise ConfigError("PostgreSQL needs its driver; install newsletter[postgresql]") from error
