"""The pictures that articles show: plain files beside them, without metadata that tells more than they show."""

from __future__ import annotations

import errno
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from newsletter.collect.memory import Memory
from newsletter.collect.metadata import kind_of, without_metadata
from newsletter.collect.regular import regular_bytes
from newsletter.html import markdown_links
from newsletter.model import Finding, Gravity, Place
from newsletter.parsing.fields import picture
from newsletter.parsing.validate import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from newsletter.model import Article

MAX_PICTURE_BYTES: Final = 3_000_000
MAX_PICTURES_PER_ARTICLE: Final = 20

# Browsers go by the type that the ending stands for, and are told not to guess another.
ENDINGS: Final = {"png": ("png",), "jpeg": ("jpg", "jpeg"), "gif": ("gif",), "webp": ("webp",)}
NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # the last: it is a link


def read_pictures(
    root: Path, articles: Iterable[Article], memory: Memory | None = None
) -> tuple[dict[tuple[str, str], bytes], tuple[Finding, ...]]:
    """Every picture by slug and file name, cleaned, and what is wrong with the others: each finding blocks.

    ``memory`` is of the last time, if there was one.
    """
    memory = memory or Memory()
    pictures: dict[tuple[str, str], bytes] = {}
    findings: list[Finding] = []
    for article in articles:
        for name, line in _named(article, findings, root, memory):
            path = (root / article.path).with_name(name)
            try:
                data = memory.recall("picture", path, partial(_read, path))
            except FieldError as error:
                findings.append(_finding(error.rule, article, line, f"the picture {name} {error}", error.fix))
                continue
            if pictures.setdefault((article.slug, name), data) != data:
                message = f"the picture {name} is another one in another language"
                fix = "give one of the two another name: they share an address"
                findings.append(_finding("image-differs", article, line, message, fix))
    return pictures, tuple(findings)


def _named(article: Article, findings: list[Finding], root: Path, memory: Memory) -> Iterator[tuple[str, int]]:
    """The names of an article's pictures, each with the line that names it first."""
    lines = {article.image: article.lines.get("image", 1)} if article.image else {}
    links = partial(markdown_links, article.body)
    shown = memory.recall("links", root / article.path, links, mark=article.body) if "![" in article.body else ()
    for link in shown:
        if link.image and link.is_kept:  # what is not kept is told by the rule link-unusable
            line = article.lines.get("body", 1) + link.line - 1
            try:
                lines.setdefault(picture(link.target), line)
            except FieldError as error:
                findings.append(_finding("image-name", article, line, f"the image {error}", error.fix))
    if len(lines) > MAX_PICTURES_PER_ARTICLE:
        message = f"the article has {len(lines)} pictures, {MAX_PICTURES_PER_ARTICLE} are the limit"
        line = list(lines.values())[MAX_PICTURES_PER_ARTICLE]
        findings.append(_finding("image-too-many", article, line, message, "leave some out"))
    yield from islice(lines.items(), MAX_PICTURES_PER_ARTICLE)


def _read(path: Path) -> bytes:
    """A picture's bytes without metadata; FieldError with the rest of a sentence about what is wrong."""
    try:
        data = regular_bytes(path, MAX_PICTURE_BYTES)
    except OSError as error:
        if error.errno in NOT_THERE:
            fix = "put it there (the file itself, no link to it), or correct the name"
            raise FieldError("does not stand beside the article", fix, "image-missing") from error
        fix = "let the user that runs newsletter read it, then check again"
        raise FieldError(f"cannot be read: {error.strerror or error}", fix, "file-unreadable") from error
    if len(data) > MAX_PICTURE_BYTES:
        fix = "make it smaller: 1600 pixels across are enough for every screen"
        raise FieldError(f"has more than {MAX_PICTURE_BYTES:,} bytes", fix, "image-size")
    kind = kind_of(data)
    if kind is None:
        raise FieldError("is no picture, whatever its name says", "save it as PNG, JPEG, GIF or WebP", "image-kind")
    if path.suffix.removeprefix(".") not in ENDINGS[kind]:
        raise FieldError(f"is a {kind} picture under another name", f"let it end in .{ENDINGS[kind][0]}", "image-kind")
    try:
        return without_metadata(data)
    except ValueError as error:
        raise FieldError(f"is damaged: {error}", "save it again", "image-kind") from error


def _finding(rule: str, article: Article, line: int, message: str, fix: str) -> Finding:
    return Finding(rule, Gravity.BLOCK, Place(article.path, line), message, fix)
