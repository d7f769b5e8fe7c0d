"""Reads one feed in a process of its own, so that a hostile one takes nothing down but this process.

Started by path (``feedjail`` does it) and alone: the standard library and feedparser, nothing of ours. The feed comes
in on stdin, the answer leaves as JSON on stdout, and the reader of the answer believes nothing of it:

    {"entries": [...], "total": 12, "home": "https://...", "flaw": "malformed XML: ..."}  or  {"fault": "..."}

feedparser gets a byte stream only, since it opens a string or bytes that look like a path or an address; its HTML
cleaning is off, since one style attribute of 64 kB costs it 91 s (references/domain.md, findings 1 and 2).
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import sysconfig
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

# feedparser imports a detector of encodings with itself, a quarter of our start-up, and asks it about one feed in a
# hundred: those that are neither what they declare nor UTF-8. This is the name that it tries first.
_late = ModuleType("cchardet")
_late.detect = lambda data: import_module("chardet").detect(data)  # type: ignore[attr-defined]
sys.modules.setdefault("cchardet", _late)

import feedparser  # noqa: E402

MAX_RAW_CHARS: Final = 10_000
MAX_FLAW_CHARS: Final = 200
MAX_NUMBER: Final = 10**18
MEGABYTE: Final = 1 << 20

# Python-level doors to the outside. An audit hook is no sandbox for native code; it stops what a library may do by
# surprise, such as following an external entity.
CLOSED_DOORS: Final = ("socket.", "subprocess.", "os.", "shutil.", "urllib.", "http.", "ftplib.", "ctypes.")
LISTING: Final = "os.listdir"  # how the import system finds codecs


def main() -> None:
    """Arguments: seconds of processor time, megabytes of memory, most entries, ``xml`` or ``json``, charset."""
    seconds, megabytes, most, kind, charset = sys.argv[1:]
    _cap(resource.RLIMIT_CPU, int(seconds))
    _cap(resource.RLIMIT_AS, int(megabytes) * MEGABYTE)
    _cap(resource.RLIMIT_FSIZE, 0)
    _cap(resource.RLIMIT_CORE, 0)
    close_doors()
    data = sys.stdin.buffer.read()
    try:
        answer = read_json(data, int(most)) if kind == "json" else read_xml(data, int(most), charset)
    except MemoryError:
        answer = {"fault": "memory"}
    except Exception as error:  # noqa: BLE001  whatever a parser throws at hostile input is an answer, too
        answer = {"fault": type(error).__name__}
    sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))


def _cap(what: int, most: int) -> None:
    """Lower a limit, never above what already holds."""
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def close_doors() -> None:
    """From now on this process opens nothing but its library's own files (codecs are loaded late)."""
    library = (
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        str(Path(feedparser.__file__).parents[1]),
    )
    own = tuple(f"{folder}{os.sep}" for folder in library)

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        leaves = event.startswith(CLOSED_DOORS) and event != LISTING
        if leaves or (event == "open" and not str(arguments[0]).startswith(own)):
            raise PermissionError(event)

    sys.addaudithook(refuse)


# --- XML: RSS, Atom, RDF -----------------------------------------------------------------


def read_xml(data: bytes, most: int, charset: str) -> dict[str, Any]:
    """The feed as feedparser understands it. ``charset`` is what HTTP said, or empty."""
    # The media type is always given as XML: RFC 7303 ended text/xml's us-ascii, and text/plain is everywhere.
    media_type = "application/xml" + (f"; charset={charset}" if charset else "")
    feed = feedparser.parse(
        io.BytesIO(data),
        response_headers={"content-type": media_type},
        resolve_relative_uris=False,
        sanitize_html=False,
    )
    atom = str(feed.get("version", "")).startswith("atom")
    return {
        "entries": [_xml_entry(entry, atom=atom) for entry in feed.entries[:most]],
        "total": len(feed.entries),
        "home": _text(feed.feed.get("link")),
        "flaw": _flaw(feed.get("bozo_exception")) if feed.bozo else "",
    }


def _xml_entry(entry: Any, *, atom: bool) -> dict[str, Any]:
    guid, link = _text(entry.get("id")), _text(entry.get("link"))
    if link == guid and entry.get("guidislink") and not link.lower().startswith(("http:", "https:")):
        link = ""  # RSS calls every guid a link unless told otherwise
    contents = entry.get("content")
    content = contents[0] if isinstance(contents, list) and contents else {}
    return {
        "guid": guid,
        "link": link,
        "date": next((_text(entry[key]) for key in ("published", "updated", "created") if key in entry), ""),
        "title": _marked(entry.get("title"), entry.get("title_detail"), atom=atom),
        "summary": _marked(entry.get("summary"), entry.get("summary_detail"), atom=atom),
        "content": _marked(content.get("value"), content, atom=atom),
    }


def _marked(value: object, detail: Any, *, atom: bool) -> list[object]:
    """The text, and whether it is HTML: only Atom can say that it is not (RFC 4287 3.1); RSS leaves it open."""
    declared = detail.get("type") if isinstance(detail, dict) else None
    return [_text(value), not (atom and declared == "text/plain")]


def _flaw(error: object) -> str:
    """What made feedparser doubt. Its line numbers are left out: it puts a declaration on top where there is none."""
    what = getattr(error, "getMessage", None)
    return (f"malformed XML: {what()}" if what else str(error))[:MAX_FLAW_CHARS]


# --- JSON Feed -----------------------------------------------------------------


def read_json(data: bytes, most: int) -> dict[str, Any]:
    """A JSON Feed, version 1 or 1.1 (jsonfeed.org), which feedparser 6 does not know."""
    feed = json.loads(data)
    if not isinstance(feed, dict) or "jsonfeed.org/version/" not in _text(feed.get("version")):
        return {"fault": "it is JSON, but no JSON Feed"}
    items = feed.get("items")
    entries = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return {
        "entries": [_json_entry(item) for item in entries[:most]],
        "total": len(entries),
        "home": _text(feed.get("home_page_url")),
        "flaw": "",
    }


def _json_entry(item: dict[str, Any]) -> dict[str, Any]:
    html = _text(item.get("content_html"))
    return {
        "guid": _text(item.get("id")),
        "link": _text(item.get("url")) or _text(item.get("external_url")),
        "date": _text(item.get("date_published")) or _text(item.get("date_modified")),
        "title": [_text(item.get("title")), False],
        "summary": [_text(item.get("summary")), False],
        "content": [html, True] if html else [_text(item.get("content_text")), False],
    }


def _text(value: object) -> str:
    """A string of bounded length; numbers as JSON Feed allows them for ids, anything else as nothing."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_NUMBER:
        return str(value)
    return value[:MAX_RAW_CHARS] if isinstance(value, str) else ""


if __name__ == "__main__":
    main()
