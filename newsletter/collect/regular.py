"""Bytes of regular files and of nothing else: no link is followed, no pipe is waited for."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from newsletter.parsing.validate import FieldError

if TYPE_CHECKING:
    from pathlib import Path


def regular_bytes(path: Path, most: int) -> bytes:
    """A regular file's bytes, at most one more than ``most``. Raises OSError, or FieldError for other things."""
    # NOFOLLOW, since the file may have become a link since we looked; NONBLOCK, since a pipe would keep us waiting.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FieldError("this is no regular file", "put a file there, or take it away", "file-kind")
        return file.read(most + 1)
