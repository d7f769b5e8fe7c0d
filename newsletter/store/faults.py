"""What a database says when it cannot, in words for a person: every such failure becomes a StoreError here.

A constraint that we broke, a statement that makes no sense: those are bugs, and stay what they are.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from newsletter.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCKED: Final = "is locked by another process; try again when that one has finished"
FULL: Final = (
    "has no room: the disk is full; free some space and do the same again, since nothing of this step was kept"
)
READ_ONLY: Final = "may not be written; give the user that runs newsletter write access to it and to its folder"
DAMAGED: Final = "is damaged or no database at all; restore it from a backup"
UNOPENABLE: Final = "cannot be opened; does its folder exist, and may the user that runs newsletter write there?"
OUTDATED: Final = "has not the tables of this version; run: newsletter db upgrade"

# Primary result codes, https://www.sqlite.org/rescode.html
IO_FAILED: Final = "cannot be written or read just now: a full disk, or a broken one; nothing of this step was kept"
SQLITE_REASONS: Final = {
    5: LOCKED,
    6: LOCKED,
    8: READ_ONLY,
    10: IO_FAILED,
    11: DAMAGED,
    13: FULL,
    14: UNOPENABLE,
    26: DAMAGED,
}
PRIMARY: Final = 0xFF
PSYCOPG_THEIRS: Final = ("OperationalError", "InterfaceError")
# https://www.postgresql.org/docs/15/errcodes-appendix.html
POSTGRESQL_REASONS: Final = {
    "25006": READ_ONLY,
    "40001": LOCKED,
    "40P01": LOCKED,
    "42501": READ_ONLY,
    "42703": OUTDATED,
    "42P01": OUTDATED,
    "53100": FULL,
    "55P03": LOCKED,
}


@contextmanager
def explained(database: str) -> Iterator[None]:
    """Whatever the database cannot do inside this block is raised as StoreError, which names the database."""
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreError(f"{database}: all connections are in use; try again") from error
    except DBAPIError as error:
        is_theirs = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
        _raise_explained(database, error, error.orig, is_theirs=is_theirs)
    except sqlite3.Error as error:  # SQLAlchemy does not wrap it while connecting, nor where it is gone past
        is_theirs = isinstance(error, sqlite3.OperationalError | sqlite3.InterfaceError)
        _raise_explained(database, error, error, is_theirs=is_theirs)
    except Exception as error:
        if not hasattr(error, "sqlstate"):  # likewise psycopg's, which may not be installed
            raise
        _raise_explained(database, error, error, is_theirs=type(error).__name__ in PSYCOPG_THEIRS)


def _raise_explained(database: str, error: Exception, said: BaseException | None, *, is_theirs: bool) -> NoReturn:
    reason = _reason(said, is_theirs=is_theirs)
    if reason is None:
        raise error
    raise StoreError(f"{database} {reason}") from error


def _reason(said: BaseException | None, *, is_theirs: bool) -> str | None:
    """Why the database cannot, or None when the fault is ours."""
    code = getattr(said, "sqlite_errorcode", None)
    state = getattr(said, "sqlstate", None)
    words = str(said).strip().partition("\n")[0]
    if code is not None and code & PRIMARY in SQLITE_REASONS:
        return SQLITE_REASONS[code & PRIMARY]
    if state in POSTGRESQL_REASONS:
        return POSTGRESQL_REASONS[state]
    if words.startswith(("no such table", "no such column")):
        return OUTDATED
    return f"cannot be used now: {words}" if is_theirs else None
