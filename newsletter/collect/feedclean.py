"""From what a feed says to what we print: plain text, web links, honest dates, an identity for every entry (pure)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Final

from newsletter.collect.feedlinks import WebAddress
from newsletter.html import plain_text
from newsletter.model import FeedEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from newsletter.collect.feedjail import RawEntry, RawFeed, RawText
    from newsletter.model import Source

MAX_TITLE: Final = 300
MAX_SUMMARY: Final = 1_000
MAX_BORROWED_TITLE: Final = 100
MAX_GUID: Final = 500
MAX_DATE: Final = 100
FIRST_YEAR: Final = 1990  # there were no feeds before, and hardly a web

# RSS-Bridge reports its own errors as an entry, by default (its actions/DisplayAction.php): "Bridge returned
# error 404! (20123)", the number being the day, so that every day has a new one.
BRIDGE_ERROR: Final = re.compile(r"Bridge returned error \S{0,40}! \(\d+\)")

# What an HTML parser takes for markup; in plain text it is written with other brackets, so that even a consumer
# that forgets to escape shows it as text.
MARKUP: Final = re.compile(r"<(?=[A-Za-z/!?])([^<>]*)>?")

HARMLESS_GUID: Final = re.compile(r"(?!(?:javascript|vbscript|data|file):)[!#-;=?-~]+", re.ASCII | re.IGNORECASE)

# Zones that RFC 5322 does not name and Europeans use; an unknown zone counts as UTC.
ZONE_HOURS: Final = {"WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """An entry whose text is clean and whose identity is not settled. ``link`` is None if it has none."""

    guid: str
    title: str
    summary: str
    link: WebAddress | None
    published: datetime | None

    @property
    def fingerprint(self) -> str:
        """Of title and content, for entries that say nothing else about themselves."""
        return "text-" + _digest(self.title, self.summary)

    @property
    def canonical(self) -> str:
        """The link as pages are compared; empty if there is none."""
        return self.link.canonical().url if self.link else ""

    @property
    def name(self) -> str:
        """The first choice of identity: guid, else link, else fingerprint."""
        return self.guid or self.canonical or self.fingerprint


def clean_feed(raw: RawFeed, source: Source, base: str, now: datetime) -> tuple[tuple[FeedEntry, ...], tuple[str, ...]]:
    """Entries fit to print, and remarks on what was wrong or left out.

    ``base`` is the address the feed came from (RFC 3986 5.1.3); relative links are relative to it.
    """
    drafts = [_draft(entry, base, now) for entry in raw.entries]
    errors = [draft.title for draft in drafts if BRIDGE_ERROR.fullmatch(draft.title)]
    usable = [draft for draft in drafts if draft.title and not BRIDGE_ERROR.fullmatch(draft.title)]
    remarks = [raw.flaw] if raw.flaw else []
    if errors:
        remarks.append(f"what makes this feed reports an error: {errors[0]}")
    if empty := len(drafts) - len(errors) - len(usable):
        remarks.append(f"left out {empty} without title, text and link")
    if raw.total > len(raw.entries):
        remarks.append(f"only the first {len(raw.entries)} of {raw.total} entries are kept")
    home = WebAddress.read(raw.home or "/", base) or WebAddress.read("/", base)
    return tuple(_entries(usable, source, home, now)), tuple(remarks)


def _draft(raw: RawEntry, base: str, now: datetime) -> _Draft:
    link = WebAddress.read(raw.link, base) if raw.link else None
    summary = printable(raw.summary, MAX_SUMMARY) or printable(raw.content, MAX_SUMMARY)
    title = printable(raw.title, MAX_TITLE) or shortened(summary, MAX_BORROWED_TITLE)
    return _Draft(
        guid=opaque(raw.guid.strip()),
        title=title or (shortened(link.untracked().url, MAX_TITLE) if link else ""),
        summary=summary,
        link=link,
        published=parse_date(raw.date, now),
    )


# --- identity and link -----------------------------------------------------------------


def _entries(drafts: Sequence[_Draft], source: Source, home: WebAddress | None, now: datetime) -> Iterable[FeedEntry]:
    """Each thing once."""
    parts = Counter(page for page, _ in {(draft.canonical, draft.link) for draft in drafts})
    seen: set[str] = set()
    for draft, guid in zip(drafts, identities(drafts), strict=True):
        link = _link(draft, guid, home, has_parts=parts[draft.canonical] > 1)
        if link and guid not in seen:
            seen.add(guid)
            yield FeedEntry(
                source=source.id,
                guid=guid,
                title=draft.title,
                link=link,
                summary=draft.summary,
                published=draft.published,
                first_seen=now,
                language=source.language,
                tlp=source.tlp,
            )


def _link(draft: _Draft, guid: str, home: WebAddress | None, *, has_parts: bool) -> str | None:
    """The canonical link, or the page that stands in for it: the store and the report know an entry by its link.

    Entries of one page that only fragments tell apart keep them. Entries that nothing tells apart, and those without
    a link, which lead to the source's own page, get a fragment of ours: browsers ignore it.
    """
    if draft.link is not None and has_parts:
        return draft.link.untracked().url
    if draft.link is not None and (draft.guid or guid == opaque(draft.canonical)):
        return draft.canonical
    page = draft.link or home
    return f"{page.canonical().url}#entry-{_digest(guid)[:12]}" if page else None


def identities(drafts: Sequence[_Draft]) -> list[str]:
    """What each entry is recognised by: guid, else canonical link, else its text.

    Where several share one (CMS defaults do that), all of them get the next property added, so that an identity
    does not depend on the order. What shares everything is the same entry, said twice.
    """
    names = Counter(draft.name for draft in drafts)
    guids = Counter(draft.guid for draft in drafts)
    settled = []
    for draft in drafts:
        if names[draft.name] == 1:
            settled.append(opaque(draft.name))
        elif draft.guid and guids[draft.guid] > 1 and draft.canonical:
            settled.append(opaque(f"{draft.guid}#{_digest(draft.canonical)[:12]}"))
        else:
            settled.append(opaque(f"{draft.name}#{_digest(draft.fingerprint)[:12]}"))
    return settled


def opaque(guid: str) -> str:
    """An identity that is harmless wherever it is shown: itself, or its hash if it is long or odd."""
    if not guid or (len(guid) <= MAX_GUID and HARMLESS_GUID.fullmatch(guid)):
        return guid
    return "guid-" + _digest(guid)


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()[:32]


# --- text -----------------------------------------------------------------


def printable(raw: RawText, most: int) -> str:
    """One line of plain text that nobody takes for markup, of at most ``most`` characters."""
    html = raw.text if raw.is_html else escape(raw.text, quote=False)
    return shortened(MARKUP.sub("\u2039\\1\u203a", plain_text(html)), most)


def shortened(text: str, most: int) -> str:
    """The text, or its first words and an ellipsis."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:.-") + "\u2026"


# --- dates -----------------------------------------------------------------


def parse_date(text: str, now: datetime) -> datetime | None:
    """An aware time in UTC: never later than ``now``, None when absent, unreadable or absurd.

    Reads ISO 8601 and RFC 5322 alone: guessing turns 2021-13-45 into a day of January 2022 (references/domain.md).
    """
    text = " ".join(text[:MAX_DATE].split())
    try:
        found = _iso_date(text) or _mail_date(text)
        moment = found and (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if not moment or moment.year < FIRST_YEAR:
        return None
    return min(moment, now.astimezone(UTC))


def _iso_date(text: str) -> datetime | None:
    """ISO 8601 as Atom writes it (RFC 3339), also with a blank before the offset; only what has dashes."""
    if "-" not in text[:5]:
        return None
    return datetime.fromisoformat(re.sub(r" (?=[+-]\d\d:?\d\d$)", "", text))


def _mail_date(text: str) -> datetime | None:
    """RFC 5322 with its obsolete zones and two-digit years; ValueError for what is no date."""
    parts = parsedate_tz(text)
    if parts is None:
        return None
    seconds = parts[9]
    if not seconds:
        seconds = ZONE_HOURS.get(text.rpartition(" ")[2].upper(), 0) * 3600
    return datetime(*parts[:6], tzinfo=timezone(timedelta(seconds=seconds)))
