"""Files for each rule of the door, and each rule over all content: what it finds, where, and what it leaves alone.

``bad`` and ``good`` are the files of a small site; ``at`` is where ``bad`` is faulty. What is found besides is named in
``also``: some faults cannot be had alone.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from newsletter.model import Month, PastEdition
from newsletter.parsing.frontmatter import MAX_FILE_BYTES
from tests.support.content import EN, FR

if TYPE_CHECKING:
    from newsletter.model import Language

A: Final = "articles/2026/a.en.md"
I: Final = "incidents/2026/inc-1.en.md"  # noqa: E741  # beside A and N
N: Final = "reports/2026-10.en.md"
PICTURE: Final = "articles/2026/pic.png"

HEAD: Final = 'title: "Ten words"\ndate: 2026-10-05\nsummary: "Why to read it."\nthemes: [devices]\ntlp: CLEAR\n'
TEXT: Final = "Some words for everybody.\n"
INCIDENT_HEAD: Final = (
    'id: INC-1\ntitle: "A lost key"\nrsit: other/undetermined\nseverity: 1\ntlp: CLEAR\ndetected: 2026-10-05\n'
)
INCIDENT_TEXT: Final = "## Public summary\n\nA key was lost and found again by its owner.\n"


def article(head: str = HEAD, body: str = TEXT) -> str:
    """A file's text."""
    return f"---\n{head}---\n{body}"


def incident(head: str = INCIDENT_HEAD, body: str = INCIDENT_TEXT) -> str:
    """A file's text."""
    return f"---\n{head}---\n{body}"


def note(head: str = "tlp: CLEAR\n", body: str = "A note.\n") -> str:
    """A file's text."""
    return f"---\n{head}---\n{body}"


def png(width: int = 1) -> bytes:
    """A whole picture."""
    rows = zlib.compress(b"\0" + b"\0" * width)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, 1, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


class Link(str):
    """A symbolic link to this."""

    __slots__ = ()


class Deep(str):
    """A file below so many folders of this name that its path is beyond the system's limit: nobody can open it."""

    __slots__ = ()


DEEP: Final = Deep("deep" * 50)

Files: TypeAlias = "dict[str, str | bytes]"


@dataclass(frozen=True, slots=True)
class Case:
    """One rule's example: files by path, as text, bytes, a link or what nobody can open."""

    bad: Files
    at: str
    good: Files
    also: frozenset[str] = frozenset()
    languages: tuple[Language, ...] = (EN,)
    past: tuple[PastEdition, ...] = field(default=())


def _with(line: str) -> str:
    return article(HEAD + line + "\n")


MENTIONED: Final = PastEdition(
    month=Month(2026, 9), digest="0" * 64, incident_ids=frozenset(), counts={}, article_slugs=frozenset({"gone"})
)
BOTH: Final = (EN, FR)

DOOR: Final[dict[str, Case]] = {
    "file-name": Case({"articles/2026/A b.en.md": article()}, "articles/2026/A b.en.md", {A: article()}),
    "file-kind": Case({A: Link("b.txt")}, A, {A: article()}),
    "file-unreadable": Case({"articles": DEEP}, "articles/deep", {A: article()}),
    "file-size": Case({A: article(body="x" * MAX_FILE_BYTES)}, A, {A: article()}),
    "file-twice": Case(
        {"articles/2025/a.en.md": article(), A: article()}, A, {"articles/2025/b.en.md": article(), A: article()}
    ),
    "encoding": Case({A: article().encode() + b"\xff\n"}, f"{A}:9", {A: article(body="d\u00e9j\u00e0 vu\n")}),
    "front-matter": Case({A: article(HEAD + "authors: &x [a]\n")}, f"{A}:7", {A: article(HEAD + "authors: [a]\n")}),
    "field-missing": Case({A: article(HEAD.replace("date: 2026-10-05\n", ""))}, f"{A}:1", {A: article()}),
    "field-unknown": Case({A: _with("autors: [a]")}, f"{A}:7", {A: _with("authors: [a]")}),
    "field": Case({A: _with("status: dradt")}, f"{A}:7", {A: _with("status: published")}),
    "tlp-missing": Case({A: article(HEAD.replace("tlp: CLEAR\n", ""))}, f"{A}:1", {A: article()}),
    "tlp-red": Case({A: article(HEAD.replace("CLEAR", "RED"))}, f"{A}:6", {A: article()}),
    "tlp-white": Case({A: article(HEAD.replace("CLEAR", "WHITE"))}, f"{A}:6", {A: article()}),
    "dates-order": Case({A: _with("updated: 2026-10-04")}, f"{A}:7", {A: _with("updated: 2026-10-05")}),
    "markdown": Case({A: article(body="A <b>word</b>.\n")}, f"{A}:8", {A: article(body="A **word**.\n")}),
    "body-missing": Case({A: article(body="")}, f"{A}:8", {A: article()}),
    "section": Case(
        {I: incident(body=INCIDENT_TEXT + "\n## Gossip\n\nx\n")},
        f"{I}:13",
        {I: incident(body=INCIDENT_TEXT + "\n## Lessons\n\nLock it up.\n")},
    ),
    "image-alt-missing": Case(
        {A: _with("image: pic.png"), PICTURE: png()},
        f"{A}:7",
        {A: _with("image: pic.png\nimage_alt: A key"), PICTURE: png()},
    ),
    "image-name": Case(
        {A: article(body="![A key](../b/pic.png)\n")},
        f"{A}:8",
        {A: article(body="![A key](pic.png)\n"), PICTURE: png()},
    ),
    "image-missing": Case(
        {A: article(body="![A key](pic.png)\n")}, f"{A}:8", {A: article(body="![A key](pic.png)\n"), PICTURE: png()}
    ),
    "image-size": Case(
        {A: article(body="![A key](pic.png)\n"), PICTURE: png() + b"\0" * 3_100_000},
        f"{A}:8",
        {A: article(body="![A key](pic.png)\n"), PICTURE: png()},
    ),
    "image-kind": Case(
        {A: article(body="![A key](pic.png)\n"), PICTURE: b"GIF8 or so"},
        f"{A}:8",
        {A: article(body="![A key](pic.png)\n"), PICTURE: png()},
    ),
    "image-too-many": Case(
        {A: article(body="".join(f"![A key](p{n}.png)\n\n" for n in range(21)))}
        | {f"articles/2026/p{n}.png": png() for n in range(21)},
        A,
        {A: article(body="".join(f"![A key](p{n}.png)\n\n" for n in range(20)))}
        | {f"articles/2026/p{n}.png": png() for n in range(20)},
    ),
    "image-differs": Case(
        {
            A: article(body="![A key](pic.png)\n"),
            PICTURE: png(),
            "articles/2025/a.fr.md": article(body="![Cl\u00e9](pic.png)\n"),
            "articles/2025/pic.png": png(2),
        },
        f"{A}:8",
        {
            A: article(body="![A key](pic.png)\n"),
            PICTURE: png(),
            "articles/2026/a.fr.md": article(body="![Cl\u00e9](pic.png)\n"),
        },
        also=frozenset({"translation-stale"}),
        languages=BOTH,
    ),
    "translation-alone": Case(
        {"articles/2026/a.fr.md": article()},
        "articles/2026/a.fr.md",
        {A: article(), "articles/2026/a.fr.md": article()},
        also=frozenset({"translation-stale"}),
        languages=BOTH,
    ),
    "translation-differs": Case(
        {A: article(), "articles/2026/a.fr.md": article(HEAD.replace("10-05", "10-06"))},
        "articles/2026/a.fr.md:3",
        {A: article(), "articles/2026/a.fr.md": article()},
        also=frozenset({"translation-stale"}),
        languages=BOTH,
    ),
    "alias-taken": Case(
        {A: _with("aliases: [/old]"), "articles/2026/b.en.md": _with("aliases: [/old]")},
        "articles/2026/b.en.md:7",
        {A: _with("aliases: [/old]"), "articles/2026/b.en.md": _with("aliases: [/older]")},
    ),
}

TOLD: Final = PastEdition(month=Month(2026, 9), digest="0" * 64, incident_ids=frozenset({"INC-1"}), counts={})
SECRET: Final = "The unusual password of the old gateway was written on a yellow note below it."

SITE: Final[dict[str, Case]] = {
    "tlp-above-clearance": Case({A: article(HEAD.replace("CLEAR", "GREEN"))}, f"{A}:6", {A: article()}),
    "tlp-copied": Case(
        {A: article(body=f"{SECRET}\n"), I: incident(body=f"{INCIDENT_TEXT}\n## Internal summary\n\n{SECRET}\n")},
        f"{A}:8",
        {A: article(), I: incident(body=f"{INCIDENT_TEXT}\n## Internal summary\n\n{SECRET}\n")},
    ),
    "tlp-told": Case(
        {I: incident(INCIDENT_HEAD.replace("CLEAR", "GREEN"))},
        f"{I}:6",
        {I: incident()},
        also=frozenset({"tlp-above-clearance"}),
        past=(TOLD,),
    ),
    "summary-missing": Case({A: article(HEAD.replace('summary: "Why to read it."\n', ""))}, f"{A}:1", {A: article()}),
    "title-too-long": Case(
        {A: article(HEAD.replace("Ten words", "x" * 71))}, f"{A}:2", {A: article(HEAD.replace("Ten words", "x" * 70))}
    ),
    "theme-unknown": Case({A: article(HEAD.replace("devices", "device"))}, f"{A}:5", {A: article()}),
    "order-unknown": Case(
        {N: note("tlp: CLEAR\norder: [b]\n")}, f"{N}:3", {N: note("tlp: CLEAR\norder: [a]\n"), A: article()}
    ),
    "translation-missing": Case(
        {A: article()},
        f"{A}:1",
        {A: article(HEAD + "status: draft\n")},
        languages=BOTH,
    ),
    "translation-stale": Case(
        {A: article(), "articles/2026/a.fr.md": article(HEAD + "translates: 0000000000000000\n")},
        "articles/2026/a.fr.md:7",
        {A: article(HEAD + "translates: 0000000000000000\n")},
        languages=BOTH,
        also=frozenset({"translation-missing"}),
    ),
    "link-internal-dead": Case(
        {A: article(body="See [what we said](/en/articles/b/).\n")},
        f"{A}:8",
        {A: article(body="See [what we said](/en/articles/b/).\n"), "articles/2026/b.en.md": article()},
    ),
    "link-internal-hidden": Case(
        {A: article(body="See [what we said](/en/articles/b/).\n"), "articles/2026/b.en.md": _with("status: draft")},
        f"{A}:8",
        {A: article(body="See [what we said](/en/articles/b/).\n"), "articles/2026/b.en.md": article()},
    ),
    "address-lost": Case(
        {A: article()}, "editions/2026-09", {A: _with("aliases: [/en/articles/gone/]")}, past=(MENTIONED,)
    ),
    "link-unusable": Case(
        {A: article(body="See [what we said](ftp://example.org/).\n")},
        f"{A}:8",
        {A: article(body="See [what we said](https://example.org/).\n")},
    ),
    "image-words-missing": Case(
        {A: article(body="![](pic.png)\n"), PICTURE: png()},
        f"{A}:8",
        {A: article(body="![A key](pic.png)\n"), PICTURE: png()},
    ),
    "image-not-shown": Case(
        {N: note(body="![A key](pic.png)\n")},
        f"{N}:4",
        {A: article(body="![A key](pic.png)\n"), PICTURE: png()},
    ),
}
