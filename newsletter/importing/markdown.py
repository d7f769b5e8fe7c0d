"""Markdown of Hugo, Jekyll, Pelican and their like: front matter in YAML, in TOML, or as lines ``Key: value``."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from newsletter.html import foreign_markdown, markdown_faults
from newsletter.importing.convert import markdown_of, tree_of
from newsletter.importing.dates import read_day
from newsletter.importing.decoding import text_of
from newsletter.importing.nouns import Found, RefusedSource
from newsletter.importing.oldtools import in_markdown, left_over
from newsletter.importing.pages import address_of
from newsletter.model import Status
from newsletter.parsing.faults import Faults
from newsletter.parsing.frontmatter import MAX_HEAD_CHARACTERS, read_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from newsletter.importing.nouns import File

MAX_VALUES: Final = 50
MAX_VALUE_CHARACTERS: Final = 2_000

TITLES: Final = ("title", "titre")
_HEADER_LINE = re.compile(r"[A-Za-z][A-Za-z_-]{1,30}:(?:[ \t].*)?")
_HEADING = re.compile(r"(?:#[ \t]+(?P<text>.*?)[ \t#]*|(?P<line>\S.*)\n={3,}[ \t]*)(?:\n|$)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def read_markdown(file: File, data: bytes) -> Found:
    """The article of a Markdown file. RefusedSource when its front matter cannot be read, or there is no title."""
    text, guessed = text_of(data)
    fields, body = _split(text)
    body = body.strip("\n")
    heading = _first_heading(body)
    title = _one(fields, *TITLES)
    if not title and heading:
        title, guessed = heading[0], (*guessed, "title: its first heading")
    if heading and _words(heading[0]) == _words(title):
        body = body[heading[1] :].strip("\n")
    if not title:
        raise RefusedSource('there is no title; add a line "title: ..." to its front matter')
    body, remarks = _plain(body)
    address = _one(fields, "canonical", "canonicalurl", "canonical_url", "original_url", "link")
    return Found(
        file=file,
        name=_one(fields, "slug") or file.path.stem,
        title=title,
        body=body,
        pair=_one(fields, "translationkey", "translation_key", "ref"),
        day=_day(fields, "date", "publishdate", "pubdate", "created"),
        updated=_day(fields, "lastmod", "modified", "updated", "last_modified_at", "last-modified"),
        language=_one(fields, "lang", "language"),
        authors=_many(fields, "authors", "author"),
        summary=_one(fields, "summary", "description", "excerpt"),
        themes=tuple(
            one for name in ("themes", "tags", "categories", "category", "keywords") for one in _many(fields, name)
        ),
        tlp=_one(fields, "tlp"),
        license=_one(fields, "license", "licence"),
        image=_one(fields, "image", "featured_image", "cover"),
        image_alt=_one(fields, "image_alt", "featured_image_alt", "alt"),
        address=address_of(address),
        aliases=tuple(one for name in ("aliases", "redirect_from", "url", "permalink") for one in _many(fields, name)),
        status=_status(fields, file),
        guessed=guessed,
        remarks=remarks,
    )


# --- front matter ---------------------------------------------------------------------------------------------


def _split(text: str) -> tuple[dict[str, Any], str]:
    """The fields, by names in lower case, and the text below them."""
    start = text.lstrip("\n")
    if re.match(r"---[ \t]*\n", start):
        faults = Faults("")
        document = read_document(start.encode(), faults)
        if document is None or document.unread:
            finding = faults.outcome(None).findings[0]
            raise RefusedSource(f"line {finding.place.line}: {finding.message}; {finding.fix}")
        return _lowered(document.fields), document.body
    if start.startswith("+++"):
        return _toml(start)
    head, empty, body = start.partition("\n\n")
    lines = head.split("\n")
    if len(head) <= MAX_HEAD_CHARACTERS and any(line.lower().startswith("title:") for line in lines):
        return _header_lines(lines), body if empty else ""
    return {}, start


def _toml(text: str) -> tuple[dict[str, Any], str]:
    found = re.match(r"\+\+\+[ \t]*\n(?P<head>.*?)\n?^\+\+\+[ \t]*$\n?", text, re.DOTALL | re.MULTILINE)
    if found is None or len(found["head"]) > MAX_HEAD_CHARACTERS:
        raise RefusedSource('the front matter has no end; write a line "+++" after its last field')
    try:
        fields = tomllib.loads(found["head"])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RefusedSource(f"the front matter is no TOML: {str(error)[:100]}") from None
    return _lowered(fields), text[found.end() :]


def _header_lines(lines: list[str]) -> dict[str, Any]:
    """Pelican's and MultiMarkdown's: a line each, continued where it is indented."""
    fields: dict[str, Any] = {}
    name = ""
    for line in lines:
        if _HEADER_LINE.fullmatch(line):
            name, _, value = line.partition(":")
            name = name.lower()
            fields[name] = value.strip()
        elif name and line[:1].isspace():
            fields[name] += f" {line.strip()}"
        else:
            raise RefusedSource(f'"{line[:60]}" among its header lines is no "Key: value"')
    return fields


def _lowered(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Hugo's ``params`` hold what its own names do not."""
    inner = fields.get("params")
    both = {**(inner if isinstance(inner, dict) else {}), **fields}
    return {str(name).lower(): value for name, value in both.items()}


def _one(fields: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that holds one value; RefusedSource when one holds another kind of thing."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, dict) and isinstance(value.get("url") or value.get("src") or value.get("image"), str):
            value = value.get("url") or value.get("src") or value.get("image")
        if isinstance(value, (dict, list)):
            if name in TITLES:
                raise RefusedSource(
                    f'its "{name}" is not one line of text; write it like title: "Phishing by telephone"'
                )
            continue
        text = " ".join(str(value).split())[:MAX_VALUE_CHARACTERS] if value is not None else ""
        if text:
            return text
    return ""


def _many(fields: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """The values of the first of these fields that is there: a list, or words between commas."""
    for name in names:
        value = fields.get(name)
        values = (
            value if isinstance(value, list) else re.split(r"\s*[,;]\s*", value) if isinstance(value, str) else [value]
        )
        texts = [one.get("name", "") if isinstance(one, dict) else one for one in values[:MAX_VALUES]]
        texts = [" ".join(str(one).strip("[]\"' ").split())[:MAX_VALUE_CHARACTERS] for one in texts if one]
        if found := tuple(text for text in texts if text):
            return found
    return ()


def _day(fields: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if text := str(fields.get(name) or "").strip():
            if day := read_day(text):
                return day
            if name == "date":
                raise RefusedSource(f'its "date" is {text[:60]!r}, which is no day; write it like 2019-05-12')
    return None


def _status(fields: Mapping[str, Any], file: File) -> Status:
    said = [str(fields.get(name, "")).lower() for name in ("draft", "published", "status")]
    is_draft = said[0] in ("true", "yes") or said[1] in ("false", "no") or said[2] in ("draft", "hidden")
    return Status.DRAFT if is_draft or "_drafts" in file.path.parts else Status.PUBLISHED


# --- text -----------------------------------------------------------------------------------------------------


def _first_heading(body: str) -> tuple[str, int] | None:
    """A heading of the first level at the very top, and where it ends."""
    found = _HEADING.match(body)
    return ((found["text"] or found["line"] or "").strip(), found.end()) if found else None


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _plain(body: str) -> tuple[str, tuple[str, ...]]:
    """Without what only its old tool understood; raw HTML becomes Markdown."""
    remarks = []
    body = in_markdown(body)
    if codes := left_over(body):
        remarks.append(f"look at what only its old tool understood: {', '.join(codes)}")
    if any("raw HTML" in fault.message for fault in markdown_faults(body)):
        body = _COMMENT.sub("", body)
        if any("raw HTML" in fault.message for fault in markdown_faults(body)):
            tree = tree_of(foreign_markdown(body)).find("body")
            notes = _without_ways(tree)
            body, lost = markdown_of(tree)
            remarks += ["its HTML became Markdown", *notes, *lost]
    return body, tuple(remarks)


def _without_ways(tree: Any) -> tuple[str, ...]:
    """Footnotes without the links between text and note: HTML has no other form for them that Markdown knows."""
    marks = tree.xpath(".//a[@data-footnote-ref]")
    for back in tree.xpath(".//a[contains(@class, 'footnote-backref')]"):
        back.drop_tree()
    for mark in marks:
        mark.drop_tag()
    return ("its footnotes became raised numbers and a list at the end",) if marks else ()
