"""Rows of a file that is read once and gone through again: on disk, so that a million of them need no memory.

SQLite makes a private file for a database without a name and takes it away when it is closed, whatever ends us.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, Self

from newsletter.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

BATCH: Final = 1_000
PRIVATE_FILE: Final = ""


class Staging:
    """Rows by their keys, in the order in which they came; a key counts once. Leave it by ``with``."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(PRIVATE_FILE, isolation_level=None)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;"
            "CREATE TABLE staged (line INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, a, b, c, d, e, f, g);"
            "BEGIN;"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, line: int, key: str, values: tuple[Any, ...]) -> int:
        """Keep seven values; the line of the row with the same key when there is one, else 0."""
        try:
            done = self._database.execute(
                "INSERT OR IGNORE INTO staged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (line, key, *values)
            )
        except sqlite3.OperationalError as error:
            raise StoreError(f"a temporary file cannot be written: {error}; make room, or set TMPDIR") from error
        if done.rowcount:
            return 0
        (first,) = self._database.execute("SELECT line FROM staged WHERE key = ?", (key,)).fetchone()
        return int(first)

    def is_empty(self) -> bool:
        """Whether nothing was kept."""
        return self._database.execute("SELECT 1 FROM staged LIMIT 1").fetchone() is None

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        """(line, key, and the seven values) of every row, BATCH at a time."""
        cursor = self._database.execute("SELECT * FROM staged ORDER BY line")
        while batch := cursor.fetchmany(BATCH):
            yield batch

    def named(self, keys: Collection[str]) -> set[str]:
        """Those of these keys that are there."""
        marks = ", ".join("?" * len(keys))
        found = self._database.execute(f"SELECT key FROM staged WHERE key IN ({marks})", tuple(keys))  # noqa: S608
        return {key for (key,) in found}
