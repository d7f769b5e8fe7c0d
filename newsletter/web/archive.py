"""Serves the archive's folder as any web host would: files, ``index.html`` for folders, ``404.html`` for the rest.

Every page is read whole through one open file, so that a reader meets the old page or the new one while a publish
renames, never the length of one with the bytes of the other.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from newsletter.web.security import MAIL_POLICY

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.datastructures import Headers
    from starlette.requests import Request

log = structlog.get_logger(__name__)

INDEX: Final = "index.html"
NOT_FOUND: Final = "404.html"
REDIRECTS: Final = "_redirects"
AS_SENT: Final = "as-sent.html"
WELL_KNOWN: Final = ".well-known"  # RFC 8615: the one hidden folder that is meant to be seen

MAX_FILE_BYTES: Final = 32_000_000
REDIRECT: Final = re.compile(r"(?P<old>/\S*) (?P<new>/(?!/)[^\s\\]*) (?P<status>30[12])")  # never to another host

# Our own table: the system's differs from machine to machine, and a wrong type with nosniff is a dead page.
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".eml": "message/rfc822",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
ATOM: Final = ("atom.xml", "feed.xml")


@dataclass(frozen=True, slots=True)
class Served:
    """A file as it was at one moment; ``modified`` in whole seconds, as HTTP counts."""

    name: str
    content: bytes
    modified: int

    @property
    def headers(self) -> dict[str, str]:
        """What describes it: the type, and validators that are the same on every host."""
        headers = {
            "Content-Type": content_type(self.name),
            "ETag": f'"{sha256(self.content).hexdigest()[:32]}"',
            "Last-Modified": formatdate(self.modified, usegmt=True),
            # Always asked again, which costs a 304: what is withdrawn or corrected must be so at once.
            "Cache-Control": "no-cache",
        }
        if self.name == AS_SENT:
            headers["Content-Security-Policy"] = MAIL_POLICY
        return headers


class Archive:
    """A folder of pages; it may not exist yet, or be replaced at any time.

    ``prefix`` is the path of the base address, with which the addresses in ``_redirects`` begin.
    """

    def __init__(self, folder: Path, *, prefix: str = "") -> None:
        self._folder = folder
        self._prefix = prefix
        self._list: tuple[Served | None, dict[str, tuple[str, int]]] = (None, {})

    def answer(self, request: Request) -> Response:
        """The answer to GET and HEAD. HTTPException 404 where even the folder's own 404.html is missing."""
        path = request.path_params["path"]
        # Before the files: at an old address stands a page that leads on, for hosts which know no redirects.
        if move := self._redirects().get(f"/{path}".rstrip("/")):
            return _moved(*move, request)
        wanted = path + INDEX if path == "" or path.endswith("/") else path
        if served := self._read(wanted):
            return _fresh(served, request.headers)
        if wanted == path and self._read(f"{path}/{INDEX}"):
            # Relative, so that it is right below any base path and cannot lead to another host ("//evil").
            return _moved(f"./{quote(path.rpartition('/')[2])}/", 301, request)
        if served := self._read(NOT_FOUND):
            return Response(served.content, 404, {"Content-Type": content_type(NOT_FOUND)})
        raise HTTPException(404)

    def _redirects(self) -> dict[str, tuple[str, int]]:
        """Old path -> new address and status, from the lines ``/old /new 301`` that publishing writes."""
        served = self._read(REDIRECTS, hidden=True)
        known, moved = self._list
        if served != known:
            text = served.content.decode(errors="replace") if served else ""
            lines = [line for line in map(REDIRECT.fullmatch, text.splitlines()) if line]
            moved = {self._below(line["old"]): (line["new"], int(line["status"])) for line in lines}
            self._list = (served, moved)
        return moved

    def _below(self, address: str) -> str:
        return unquote(address).removeprefix(self._prefix).rstrip("/")

    def _read(self, path: str, *, hidden: bool = False) -> Served | None:
        """A plain file inside the folder, reached without any symbolic link; None for everything else."""
        parts = path.split("/")
        if not hidden and (path == REDIRECTS or any(_is_hidden(part) for part in parts)):
            return None
        if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
            return None
        try:
            target = self._folder.resolve().joinpath(*parts)
            return _load(target) if target.resolve() == target else None
        except (FileNotFoundError, NotADirectoryError, RuntimeError):  # the last is pathlib's word for a loop of links
            return None
        except OSError as error:  # too long a name, or a right that an operator has to give
            log.warning("a file of the archive cannot be read", reason=error.strerror)
            return None


def content_type(name: str) -> str:
    """The media type by the name's ending."""
    if name in ATOM:
        return "application/atom+xml"
    return TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")


def _load(target: Path) -> Served | None:
    # Not blocking: a named pipe would hold the thread for ever before we can see that it is no plain file.
    handle = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return None
        if found.st_size > MAX_FILE_BYTES:
            log.warning("a file of the archive is too large to serve", name=target.name, limit=MAX_FILE_BYTES)
            return None
        # Only now: open() refuses a folder, and then leaves the descriptor open.
        with open(handle, "rb", closefd=False) as file:
            return Served(target.name, file.read(), int(found.st_mtime))
    finally:
        os.close(handle)


def _fresh(served: Served, asked: Headers) -> Response:
    """200, or 304 when the reader has exactly this."""
    headers = served.headers
    if _has_it(asked, headers["ETag"], served.modified):
        del headers["Content-Type"]
        return Response(status_code=304, headers=headers)
    return Response(served.content, headers=headers)


def _has_it(asked: Headers, tag: str, modified: int) -> bool:
    """RFC 9110 section 13.2.2: If-None-Match decides, and only without it If-Modified-Since."""
    tags = asked.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or tag in [known.strip().removeprefix("W/") for known in tags.split(",")]
    try:
        return parsedate_to_datetime(asked.get("if-modified-since", "")).timestamp() >= modified
    except (ValueError, OverflowError):
        return False


def _moved(location: str, status: int, request: Request) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return Response(status_code=status, headers={"Location": location + query, "Cache-Control": "no-cache"})


def _is_hidden(part: str) -> bool:
    return part.startswith(".") and part != WELL_KNOWN
