"""RSS and Atom files with full text, as blogs export them: every entry is an article."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from newsletter.html import plain_text
from newsletter.importing.convert import MAX_TITLE_CHARACTERS, markdown_of, tree_of
from newsletter.importing.dates import read_day
from newsletter.importing.nouns import Found, RefusedSource
from newsletter.importing.pages import MIN_TEXT, absolute, address_of

if TYPE_CHECKING:
    from newsletter.importing.nouns import File

MAX_ENTRIES: Final = 2_000
MAX_CATEGORIES: Final = 30
MIN_SLASHES: Final = 3  # https://host/slug
MIN_FULL_TEXT: Final = 200  # characters: less is a teaser, unless it stands where full texts do
FULL: Final = frozenset({"encoded", "content"})
MAX_GOES_ON: Final = 60
ROOTS: Final = frozenset({"rss", "feed", "rdf", "channel"})
XML: Final = "{http://www.w3.org/XML/1998/namespace}"

_GOES_ON = re.compile(r"(?:\.\.\.|\u2026|(?:read|continue|more|lire|suite)\b[^.]*)\W*$", re.IGNORECASE)


def read_feed_file(file: File, data: bytes) -> list[Found | tuple[str, RefusedSource]]:
    """Every entry, or why it cannot be brought in with its name; RefusedSource when the file is no feed."""
    if re.search(rb"<!(?:ENTITY|DOCTYPE[^>]*\[)", data, re.IGNORECASE):
        raise RefusedSource("it defines entities of its own, which are not taken; save the feed without them")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    try:
        root = etree.fromstring(data, parser=parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise RefusedSource(f"this is no whole feed: {str(error)[:120]}") from None
    if _local(root) not in ROOTS:
        raise RefusedSource(f"this is XML, but no RSS or Atom feed: it begins with <{_local(root)[:40]}>")
    items = [element for element in root.iter() if _local(element) in ("item", "entry")]
    if not items:
        raise RefusedSource("the feed has no entries")
    if len(items) > MAX_ENTRIES:
        raise RefusedSource(f"the feed has {len(items):,} entries, {MAX_ENTRIES:,} are the limit; split it")
    channel = next((element for element in root.iter() if _local(element) in ("channel", "feed")), root)
    language = root.get(f"{XML}lang") or _said(channel, "language")
    return [_entry(file, item, number, language) for number, item in enumerate(items, 1)]


def _entry(file: File, item: Any, number: int, language: str) -> Found | tuple[str, RefusedSource]:
    try:
        return _found(file, item, number, language)
    except RefusedSource as refused:
        return f"{file.shown}#{number}", refused


def _found(file: File, item: Any, number: int, language: str) -> Found:
    title = plain_text(_said(item, "title"))[:MAX_TITLE_CHARACTERS]
    if not title:
        raise RefusedSource("this entry has no title")
    link = _link(item)
    html, is_full = _content(item)
    words = plain_text(html)
    if len(words) < (MIN_TEXT if is_full and not _GOES_ON.search(words[-MAX_GOES_ON:]) else MIN_FULL_TEXT):
        raise RefusedSource("this entry has no full text, only a teaser; bring in its page instead")
    body_tree = tree_of(html)
    body = body_tree.find("body")
    body = body_tree if body is None else body
    lost = absolute(body, link)
    markdown, told = markdown_of(body)
    slug = (
        link.partition("?")[0].rstrip("/").rpartition("/")[2].removesuffix(".html")
        if link.count("/") >= MIN_SLASHES
        else ""
    )
    return Found(
        file=file,
        part=str(number),
        name=slug if re.search(r"[a-zA-Z]{3}", slug) and slug.lower() not in ("index", "index.php") else title,
        title=title,
        body=markdown,
        day=read_day(_said(item, "pubDate", "published", "issued", "date", "created", "updated")),
        language=item.get(f"{XML}lang") or language,
        authors=_authors(item),
        summary=_summary(item),
        themes=_categories(item),
        address=link,
        remarks=told + lost,
    )


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _said(element: Any, *names: str) -> str:
    """The text of the first child of one of these names."""
    for name in names:
        for child in element:
            if _local(child) == name.lower() and (text := "".join(child.itertext()).strip()):
                return text
    return ""


def _content(item: Any) -> tuple[str, bool]:
    """The longest text that the entry has, and whether it stands where full texts do: feeds mix them up."""
    texts: list[tuple[str, bool]] = []
    for child in item:
        if _local(child) not in ("encoded", "content", "description", "summary", "body"):
            continue
        inner = "".join(etree.tostring(part, encoding="unicode") for part in child) if len(child) else ""
        text = inner or (child.text or "")
        if child.get("type") == "text" and _local(item) == "entry":
            text = "".join(f"<p>{_escape(part)}</p>" for part in re.split(r"\n\s*\n", child.text or ""))
        texts.append((text, _local(child) in FULL))
    return max(texts, key=lambda one: len(one[0]), default=("", False))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _link(item: Any) -> str:
    for child in item:
        if _local(child) == "link":
            href = child.get("href") if child.get("rel", "alternate") == "alternate" else None
            if address := address_of(href or child.text or ""):
                return address
    return address_of(_said(item, "guid", "id"))


def _summary(item: Any) -> str:
    """Only where the full text stands elsewhere: else it would be the whole article once more."""
    has_both = any(_local(child) in ("encoded", "content") for child in item)
    return plain_text(_said(item, "description", "summary"))[:600] if has_both else ""


def _authors(item: Any) -> tuple[str, ...]:
    names = []
    for child in item:
        if _local(child) in ("author", "creator"):
            name = _said(child, "name") or "".join(child.itertext()).strip()
            found = re.search(r"\(([^)]+)\)", name)
            names.append(plain_text(found[1] if found else name)[:200])
    return tuple(dict.fromkeys(name for name in names if name and "@" not in name))


def _categories(item: Any) -> tuple[str, ...]:
    found = [child.get("term") or child.text or "" for child in item if _local(child) == "category"]
    return tuple(" ".join(name.split())[:100] for name in found[:MAX_CATEGORIES] if name.strip())
