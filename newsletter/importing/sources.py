"""Finds what was named on the command line, recognises what it is, and has it read. No link is followed."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from newsletter.collect.regular import regular_bytes
from newsletter.importing.feedfile import read_feed_file
from newsletter.importing.letters import read_letter
from newsletter.importing.markdown import read_markdown
from newsletter.importing.nouns import File, Found, Kind, RefusedSource
from newsletter.importing.pages import read_page
from newsletter.importing.texts import read_text
from newsletter.parsing.validate import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_SOURCE_BYTES: Final = 20_000_000
MAX_FILES: Final = 20_000
MAX_FOLDER_DEPTH: Final = 20
SNIFFED_BYTES: Final = 4_000
MAX_SHOWN: Final = 200

ENDINGS: Final = {
    ".txt": Kind.TEXT,
    ".text": Kind.TEXT,
    ".html": Kind.PAGE,
    ".htm": Kind.PAGE,
    ".xhtml": Kind.PAGE,
    ".md": Kind.MARKDOWN,
    ".markdown": Kind.MARKDOWN,
    ".xml": Kind.FEED,
    ".rss": Kind.FEED,
    ".atom": Kind.FEED,
    ".eml": Kind.REPORT,
}
# What may well be an article, or full of them, and is not read: it is told that it was passed over.
UNREAD: Final = frozenset(
    {".adoc", ".doc", ".docx", ".mbox", ".mht", ".mhtml", ".msg", ".odt", ".pages", ".pdf", ".rst", ".rtf", ".zip"}
)
LINKED: Final = "this is a link, and links are not followed; "
# Beside a saved page: what it was made of. And what is a tool's, not an article.
COMPANIONS: Final = ("_files", ".files", "-Dateien", "_fichiers")
NOT_ARTICLES: Final = frozenset({"_index.md", "readme.md", "sitemap.xml", "robots.txt", "search.html", "404.html"})

_FEED = re.compile(
    rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*|<\?.*?\?>\s*)*<(?:\w+:)?(?:rss|feed|rdf)\b", re.DOTALL | re.IGNORECASE
)
_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.DOTALL | re.IGNORECASE
)
_LETTER = re.compile(rb"(?:[A-Za-z-]+:.*\r?\n(?:[ \t].*\r?\n)*)+", re.ASCII)

Result = Found | tuple[str, RefusedSource]


def files_of(sources: Iterable[Path], kind: Kind | None) -> Iterator[File | tuple[str, RefusedSource]]:
    """Every file that may be an article, in the order of names; what cannot be is told, what has another ending is not.

    A file that was named itself is always one.
    """
    count = 0
    for source in sources:
        for found in _below(source, kind):
            count += 1
            if count > MAX_FILES:
                yield (
                    _shown(source, source),
                    RefusedSource(f"there are more than {MAX_FILES:,} files; import them in parts"),
                )
                return
            yield found


def passed_over(sources: Iterable[Path]) -> Counter[str]:
    """How many files of each ending lie in these folders that may be articles and are none for us."""
    counts: Counter[str] = Counter()
    for source in sources:
        if source.is_dir() and not source.is_symlink():
            for _, _, names in islice(_walk(source), MAX_FILES):
                endings = (Path(name).suffix.lower() for name in names if not name.startswith("."))
                counts.update(ending for ending in endings if ending in UNREAD)
    return counts


def read(file: File) -> list[Result]:
    """What one file holds: articles, and what is wrong with the others."""
    try:
        data = _bytes(file)
        if file.kind is Kind.FEED:
            return list(read_feed_file(file, data))
        return [READERS[_kind(file, data)](file, data)]
    except RefusedSource as refused:
        return [(file.shown, refused)]
    except FieldError as error:
        return [(file.shown, RefusedSource(f"{error}; {error.fix}"))]
    except OSError as error:
        return [(file.shown, RefusedSource(f"it cannot be read: {error.strerror or error}"))]


def _bytes(file: File) -> bytes:
    data = regular_bytes(file.path, MAX_SOURCE_BYTES)
    if len(data) > MAX_SOURCE_BYTES:
        raise RefusedSource(f"the file has more than {MAX_SOURCE_BYTES:,} bytes")
    if not data.strip():
        raise RefusedSource("the file is empty")
    return data


def _kind(file: File, data: bytes) -> Kind | str:
    """A report is read as what it is."""
    if file.kind is not Kind.REPORT:
        return file.kind
    by_name = ENDINGS.get(file.path.suffix.lower(), Kind.PAGE)
    kind = Kind.REPORT if _is_letter(data) else sniffed(data) or by_name
    if kind is Kind.FEED:
        raise RefusedSource("this is a feed, and a feed is no report; leave --kind away to import its articles")
    return LETTER if kind is Kind.REPORT else kind


LETTER: Final = "letter"
READERS: Final[dict[Kind | str, Callable[[File, bytes], Found]]] = {
    Kind.TEXT: read_text,
    Kind.PAGE: read_page,
    Kind.MARKDOWN: read_markdown,
    LETTER: read_letter,
}


def sniffed(data: bytes) -> Kind | None:
    """What the first bytes say, if they say anything."""
    head = data[:SNIFFED_BYTES].removeprefix(b"\xef\xbb\xbf")
    if _FEED.match(head):
        return Kind.FEED
    if _PAGE.match(head):
        return Kind.PAGE
    if re.match(rb"(?:---|\+\+\+)[ \t]*\r?\n", head):
        return Kind.MARKDOWN
    return Kind.REPORT if _is_letter(head) else None


def _is_letter(data: bytes) -> bool:
    found = _LETTER.match(data[:SNIFFED_BYTES])
    names = {line.partition(b":")[0].lower() for line in found[0].splitlines()} if found else set()
    return len(names & {b"from", b"to", b"subject", b"date", b"mime-version", b"received", b"message-id"}) >= 3  # noqa: PLR2004


# --- folders --------------------------------------------------------------------------------------------------


def _below(source: Path, kind: Kind | None) -> Iterator[File | tuple[str, RefusedSource]]:
    shown = _shown(source, source)
    try:
        mode = source.lstat().st_mode
    except OSError as error:
        yield shown, RefusedSource(f"it cannot be read: {error.strerror}")
        return
    if stat.S_ISLNK(mode):
        yield shown, RefusedSource(f"{LINKED}name the file itself")
    elif stat.S_ISDIR(mode):
        yield from _in_folder(source, kind)
    else:
        yield _file(source, source.parent, source.name, kind)


def _in_folder(root: Path, kind: Kind | None) -> Iterator[File | tuple[str, RefusedSource]]:
    for folder, unentered, names in _walk(root):
        for name, why in unentered:
            yield _shown(Path(folder, name), root), RefusedSource(why)
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() not in ENDINGS or name.startswith(".") or name.lower() in NOT_ARTICLES:
                continue
            if path.is_symlink():
                yield _shown(path, root), RefusedSource(f"{LINKED}put the file itself there")
            elif not name.isprintable():
                yield _shown(path, root), RefusedSource("its name holds unprintable characters; rename it")
            else:
                yield _file(path, root, str(path.relative_to(root)), kind)


def _walk(root: Path) -> Iterator[tuple[str, list[tuple[str, str]], list[str]]]:
    """Every folder, what in it is not entered with the reason, and the names of its files in their order."""
    for folder, folders, names in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        entered = sorted(name for name in folders if _is_entered(name))
        links = [name for name in entered if Path(folder, name).is_symlink()]
        unentered = [(name, f"{LINKED}name the folder itself") for name in links]
        if depth >= MAX_FOLDER_DEPTH:
            why = f"folders are entered {MAX_FOLDER_DEPTH} deep; import this one by itself"
            unentered += [(name, why) for name in entered if name not in links]
            entered = []
        folders[:] = entered
        yield folder, unentered, sorted(names)


def _is_entered(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(COMPANIONS) and name != "node_modules"


def _file(path: Path, root: Path, shown: str, kind: Kind | None) -> File:
    return File(path, root, _printable(shown), kind or _recognised(path))


def _recognised(path: Path) -> Kind:
    """By its content where that is plain, else by its ending, else as text."""
    try:
        head = regular_bytes(path, SNIFFED_BYTES)
    except (OSError, FieldError):
        head = b""
    by_name = ENDINGS.get(path.suffix.lower())
    by_content = sniffed(head)
    if by_name is Kind.MARKDOWN or (by_name is Kind.TEXT and by_content is Kind.MARKDOWN):
        return Kind.MARKDOWN
    return by_content or by_name or Kind.TEXT


def _shown(path: Path, root: Path) -> str:
    return _printable(str(path.relative_to(root)) if path != root else path.name or str(path))


def _printable(text: str) -> str:
    """A name in a message is one line, and of a bearable length."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:MAX_SHOWN]
