"""Pictures and links of an imported text: what is copied, what is kept in words, where links lead now."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

from newsletter.collect.fetch import fetch
from newsletter.collect.metadata import kind_of, without_metadata
from newsletter.collect.pictures import ENDINGS, MAX_PICTURE_BYTES, MAX_PICTURES_PER_ARTICLE
from newsletter.collect.regular import regular_bytes
from newsletter.errors import SourceError
from newsletter.html import heading_ids, markdown_faults
from newsletter.importing.naming import slug_of
from newsletter.parsing.validate import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable

    from newsletter.collect.fetch import FeedLimits
    from newsletter.importing.nouns import File

MAX_PICTURE_NAME: Final = 40
MAX_TARGET_SHOWN: Final = 80
STATIC: Final = ("", "static", "assets", "content")  # where Hugo, Jekyll and Pelican keep what /images/x.png names

# Atomic and bounded: a stranger's brackets must not make us try them all in all ways.
_NESTED: Final = r"!?\[(?>(?:[^\[\]\\]|\\.){0,500})\](?:\((?:[^\s()\\]|\\.){0,500}\))?"
_INSIDE: Final = rf"(?>(?:[^\[\]\\]|\\.|{_NESTED}){{0,1000}})"
_TITLE: Final = r"""(?:\s+(?:"(?:[^"\\]|\\.)*"|'[^']*'))?"""
_BARE: Final = r"(?P<bare>(?>(?:[^\s()\\]|\\.|\([^\s()]{0,500}\)){0,2000}))"
_TARGET: Final = rf"\(\s*(?:<(?P<angled>[^<>\n]{{0,2000}})>|{_BARE}){_TITLE}\s*\)"
_PICTURE = re.compile(rf"(?<!\\)!\[(?P<words>{_INSIDE})\]{_TARGET}")
_LINK = re.compile(rf"(?<![!\\])\[(?P<words>{_INSIDE})\]{_TARGET}")
_CODE = re.compile(
    r"^[ \t>]*+(?P<fence>`{3,}+|~{3,}+).*?^[ \t>]*+(?P=fence)[`~]*+[ \t]*+$"
    r"|(?P<ticks>(?<!`)`++).*?(?<!`)(?P=ticks)(?!`)"
    r"|(?:^(?:\t| {4,}).*\n?)+",
    re.DOTALL | re.MULTILINE,
)
MAX_MATCHED_CHARACTERS: Final = 200_000


@dataclass
class Pictures:
    """Gathers the pictures of one article. ``asks`` fetches from allowed hosts; None in a dry run."""

    file: File
    slug: str
    address: str
    hosts: frozenset[str]
    limits: FeedLimits | None
    taken: dict[str, bytes] = field(default_factory=dict)
    remote: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)

    def take(self, target: str) -> str:
        """The name of the copied picture; nothing, and a remark, when it cannot be had."""
        if target in self._names:
            return self._names[target]
        try:
            name = self._take(target)
        except FieldError as error:
            self.remarks.append(f"picture left out, since it {error}: {target[:MAX_TARGET_SHOWN]}")
            name = ""
        self._names[target] = name
        return name

    def _take(self, target: str) -> str:
        if len(self.taken) + len(self.remote) >= MAX_PICTURES_PER_ARTICLE:
            raise FieldError(f"is beyond the limit of {MAX_PICTURES_PER_ARTICLE}", "")
        if target.lower().startswith("data:"):
            raise FieldError("stands inside the page itself", "")
        host = _host(target)
        if host is None:
            return self._keep(target, _local_bytes(self.file, target))
        if host not in self.hosts:
            raise FieldError("lies on a host that was not allowed with --allow-host", "")
        if self.limits is None:
            self.remote.append(target)
            return f"{self.slug}-{_stem(target)}.png"
        return self._keep(target, _fetched(target, self.limits))

    def _keep(self, target: str, data: bytes) -> str:
        kind = kind_of(data)
        if len(data) > MAX_PICTURE_BYTES:
            raise FieldError(f"has more than {MAX_PICTURE_BYTES:,} bytes", "")
        if kind is None:
            raise FieldError("is no PNG, JPEG, GIF or WebP", "")
        try:
            clean = without_metadata(data)
        except ValueError as error:
            raise FieldError(f"is damaged ({error})", "") from error
        name, number = f"{self.slug}-{_stem(target)}.{ENDINGS[kind][0]}", 1
        while self.taken.get(name, clean) != clean:
            number += 1
            name = f"{self.slug}-{_stem(target)}-{number}.{ENDINGS[kind][0]}"
        self.taken[name] = clean
        return name


def _stem(target: str) -> str:
    return slug_of(Path(unquote(_path(target))).stem, MAX_PICTURE_NAME) or "picture"


def _path(target: str) -> str:
    try:
        return urlsplit(target).path
    except ValueError:
        return ""


def _host(target: str) -> str | None:
    """The host of a picture elsewhere; None for one of ours. A target that is none has an impossible host."""
    try:
        parts = urlsplit(target)
        if parts.scheme in ("http", "https") or target.startswith("//"):
            return (parts.hostname or "").lower()
    except ValueError:
        return ""
    return None


def _local_bytes(file: File, target: str) -> bytes:
    """A picture below the folder that was given; whatever climbs out of it, or is a link on the way, is none."""
    path = unquote(_path(target))
    if not path or "\0" in path or ":" in path.partition("/")[0]:
        raise FieldError("has no usable name", "")
    places = (
        [file.root / folder / path.lstrip("/") for folder in STATIC]
        if path.startswith("/")
        else [file.path.parent / path]
    )
    root = file.root.resolve()
    for place in places:
        try:
            if place.resolve().is_relative_to(root) and not _through_link(place, file.root):
                return regular_bytes(place, MAX_PICTURE_BYTES)
        except (OSError, ValueError, RuntimeError):
            continue
    raise FieldError("is not in the folder that was given", "")


def _through_link(place: Path, root: Path) -> bool:
    inside = Path(*place.parts[len(root.parts) :]) if place.parts[: len(root.parts)] == root.parts else place
    return any((root / parent).is_symlink() for parent in (inside, *inside.parents) if str(parent) != ".")


def _fetched(target: str, limits: FeedLimits) -> bytes:
    try:
        reply = fetch(f"https:{target}" if target.startswith("//") else target, limits)
    except SourceError as error:
        raise FieldError(f"could not be fetched ({error})", "") from error
    if not reply.body:
        raise FieldError(f"could not be fetched (the server answers {reply.status})", "")
    return reply.body


# --- in the text ----------------------------------------------------------------------------------------------


def with_pictures(markdown: str, pictures: Pictures) -> str:
    """The text with the pictures that could be copied, and words or a link in place of the others."""

    def replaced(found: re.Match[str]) -> str:
        target, words = _target(found), found["words"].strip()
        if name := pictures.take(target):
            return f"![{words}]({name})"
        if (whole := urljoin(pictures.address, target) if pictures.address else target).startswith(
            ("http://", "https://")
        ):
            clean = re.sub(r"[<>\s]", "", whole)
            return f"[{words}](<{clean}>)" if words else ""  # without words it was ornament, or counted readers
        return words

    return outside_code(markdown, lambda text: _PICTURE.sub(replaced, text))


def with_links(markdown: str, now: Callable[[str], str]) -> tuple[str, tuple[str, ...]]:
    """The text with links to what moved leading to where it is ``now``; those that lead nowhere keep their words."""
    lost: list[str] = []
    inside = heading_ids(markdown) if "](#" in markdown and not markdown_faults(markdown) else frozenset()

    def replaced(found: re.Match[str]) -> str:
        target = _target(found)
        if place := now(target):
            return f"[{found['words']}]({place})"
        if _host(target) is not None or unquote(target[1:]) in inside or target.lower().startswith("mailto:"):
            return found[0]
        lost.append(target[:MAX_TARGET_SHOWN])
        return found["words"]

    text = outside_code(markdown, lambda part: _LINK.sub(replaced, part))
    return text, tuple(f"link left out, since nothing is there any more: {target}" for target in dict.fromkeys(lost))


def _target(found: re.Match[str]) -> str:
    return unescape(
        re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", found["angled"] if found["angled"] is not None else found["bare"])
    )


def outside_code(markdown: str, change: Callable[[str], str]) -> str:
    """The text changed where it is no code; one beyond the limit stays, and the door refuses it."""
    if len(markdown) > MAX_MATCHED_CHARACTERS:
        return markdown
    parts, end = [], 0
    for code in _CODE.finditer(markdown):
        parts += [change(markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, change(markdown[end:])])
