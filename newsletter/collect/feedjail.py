"""The parent's side of ``feedchild``: recognises a feed, starts the child, kills it in time, believes nothing."""

from __future__ import annotations

import codecs
import json
import math
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGXCPU
from threading import Timer
from typing import TYPE_CHECKING, Any, Final

from newsletter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.collect.fetch import FeedLimits

CHILD: Final = Path(__file__).with_name("feedchild.py")
MAX_ANSWER_BYTES: Final = 30_000_000
MAX_RAW_CHARS: Final = 10_000
MAX_NOTE_CHARS: Final = 200
PROLOGUE_BYTES: Final = 65_536

CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9][A-Za-z0-9_.:-]{0,39})", re.ASCII | re.IGNORECASE)
ROOTS: Final = frozenset({"rss", "rdf", "feed", "channel"})  # the last one is CDF


@dataclass(frozen=True, slots=True)
class RawText:
    """A text as the feed has it, HTML or plain; hostile."""

    text: str
    is_html: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEntry:
    """An entry as the feed has it; hostile, but of these types and of bounded length."""

    guid: str
    link: str
    date: str
    title: RawText
    summary: RawText
    content: RawText


@dataclass(frozen=True, slots=True)
class RawFeed:
    """What the child read: the first entries, how many there were, the site's address, what is malformed."""

    entries: tuple[RawEntry, ...]
    total: int
    home: str
    flaw: str


def read_feed(data: bytes, content_type: str | None, limits: FeedLimits) -> RawFeed:
    """Parse a feed in a child process. SourceError when it is no feed, or takes too long or too much."""
    kind = feed_kind(data)
    charset = CHARSET.search(content_type or "")
    command = [
        *(sys.executable, "-P", "-S", str(CHILD)),
        str(math.ceil(limits.parse_seconds)),
        str(limits.parse_memory_mb),
        str(limits.max_entries),
        kind,
        charset[1] if charset else "",
    ]
    return read_answer(ask(command, data, limits.parse_seconds), limits)


# --- what it is -----------------------------------------------------------------


def feed_kind(data: bytes) -> str:
    """``xml`` or ``json``, by the root element and not by what a header claims. SourceError for anything else."""
    start = _decoded(data[:PROLOGUE_BYTES]).lstrip("\ufeff \t\r\n\0")
    if start.startswith("{"):
        return "json"
    root = _root(start)
    if root == "html" or (not root and "<!doctype html" in start[:MAX_NOTE_CHARS].lower()):
        raise SourceError("is an HTML page, not a feed")
    if root.rpartition(":")[2] not in ROOTS:
        what = f"its root element is <{root[:40]}>" if root else "it has no root element"
        raise SourceError(f"is not a feed: {what}")
    return "xml"


def _decoded(start: bytes) -> str:
    """Well enough to find ASCII names: by byte order mark, or by where the zeros are (XML 1.0, appendix F)."""
    if start.startswith((codecs.BOM_UTF32_LE, b"<\0\0\0", codecs.BOM_UTF32_BE, b"\0\0\0<")):
        return start.decode("utf-32-le" if start[:1] in (b"\xff", b"<") else "utf-32-be", "replace")
    if start.startswith((codecs.BOM_UTF16_LE, b"<\0", codecs.BOM_UTF16_BE, b"\0<")):
        return start.decode("utf-16-le" if start[:1] in (b"\xff", b"<") else "utf-16-be", "replace")
    return start.removeprefix(codecs.BOM_UTF8).decode("latin-1")


def _root(text: str) -> str:
    """The name of the first element in lower case, after declarations, comments and doctype; empty if none."""
    position = 0
    while (position := text.find("<", position)) >= 0:
        rest = text[position : position + 9].lower()
        if rest.startswith("<!--"):
            end = text.find("-->", position + 4)
        elif rest.startswith("<?"):
            end = text.find("?>", position)
        elif rest.startswith("<!doctype"):
            end = _doctype_end(text, position)
        else:
            name = re.compile(r"<([A-Za-z_][\w.:-]*)").match(text, position)
            if name:
                return name[1].lower()
            end = position
        if end < 0:
            break
        position = end + 1
    return ""


def _doctype_end(text: str, position: int) -> int:
    """Where a document type declaration ends, its internal subset included."""
    bracket, end = text.find("[", position), text.find(">", position)
    if 0 <= bracket < end:
        closing = re.compile(r"\]\s*>").search(text, bracket)
        return closing.end() - 1 if closing else -1
    return end


# --- the child -----------------------------------------------------------------


def ask(command: Sequence[str], data: bytes, seconds: float) -> bytes:
    """Give ``data`` to a process and take its answer. It is killed when the time is up, whatever it does.

    It sees the modules that we see and nothing else of our environment, which may hold passwords. SourceError when
    it dies, talks too much or does not finish.
    """
    modules = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PYTHONPATH": modules},
            start_new_session=True,
        )
    except OSError as error:
        raise SourceError(f"the parser could not be started: {error.strerror}") from error
    with process:
        alarm = Timer(seconds, process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            answer = _exchange(process, data, seconds)
        finally:
            process.kill()
            alarm.cancel()
    return answer


def _exchange(process: subprocess.Popen[bytes], data: bytes, seconds: float) -> bytes:
    assert process.stdin is not None  # noqa: S101  both are pipes
    assert process.stdout is not None  # noqa: S101
    with suppress(BrokenPipeError):  # it died; its exit code says more
        process.stdin.write(data)
    with suppress(BrokenPipeError):
        process.stdin.close()
    answer = process.stdout.read(MAX_ANSWER_BYTES + 1)
    if len(answer) > MAX_ANSWER_BYTES:
        raise SourceError("the parser's answer is too big")
    code = process.wait()
    if -code in (SIGKILL, SIGXCPU):
        raise SourceError(f"takes longer than {seconds:g} s to parse")
    if code:
        raise SourceError("the parser broke down over it")
    return answer


# --- its answer -----------------------------------------------------------------


def read_answer(answer: bytes, limits: FeedLimits) -> RawFeed:
    """Check what the child says. SourceError for its fault, and for everything that is no answer."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise SourceError("the parser gave no answer") from error
    if not isinstance(found, dict):
        raise SourceError("the parser gave no answer")
    if "fault" in found:
        raise SourceError(_fault(_line(found["fault"]), limits))
    entries = found.get("entries")
    if not isinstance(entries, list):
        raise SourceError("the parser gave no answer")
    total = found.get("total")
    return RawFeed(
        tuple(_entry(entry) for entry in entries[: limits.max_entries] if isinstance(entry, dict)),
        total if isinstance(total, int) else len(entries),
        _string(found.get("home")),
        _line(found.get("flaw")),
    )


def _fault(fault: str, limits: FeedLimits) -> str:
    if fault == "memory":
        return f"takes more than {limits.parse_memory_mb} MB of memory to parse"
    return f"cannot be parsed: {fault}"


def _entry(found: dict[str, Any]) -> RawEntry:
    return RawEntry(
        guid=_string(found.get("guid")),
        link=_string(found.get("link")),
        date=_string(found.get("date")),
        title=_raw_text(found.get("title")),
        summary=_raw_text(found.get("summary")),
        content=_raw_text(found.get("content")),
    )


def _raw_text(found: object) -> RawText:
    match found:
        case [str() as text, bool() as is_html]:
            return RawText(_string(text), is_html)
        case _:
            return RawText("", is_html=False)


def _string(found: object) -> str:
    """A string of bounded length that every encoder takes: no half of a surrogate pair, no NUL."""
    text = found[:MAX_RAW_CHARS] if isinstance(found, str) else ""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _line(found: object) -> str:
    """One harmless line for a message."""
    text = re.sub(r"[^ -;=?-~]+", " ", _string(found)[:MAX_NOTE_CHARS])
    return " ".join(text.split())
