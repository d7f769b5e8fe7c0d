"""Links between texts that are imported together: where each was, by address and by file, and where it is now."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from newsletter.importing.naming import slug_of
from newsletter.importing.tongue import split_suffix
from newsletter.model import article_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from newsletter.importing.plan import Placed
    from newsletter.model import Language, Publication

ENDINGS: Final = (".md", ".markdown", ".html", ".htm", ".xhtml", ".txt")
INDEXES: Final = frozenset({"index", "_index"})
ROOTS: Final = ("content", "_posts")  # of Hugo, Pelican and Jekyll, which no address names


@dataclass(frozen=True, slots=True)
class Crossings:
    """Old addresses, and places of files below their folder without ending, with what is there now.

    One place holds the versions of all languages; ``names`` are last words of places, None where two have the same.
    """

    addresses: Mapping[str, str]
    places: Mapping[str, Mapping[Language, str]]
    names: Mapping[str, str | None]
    languages: Sequence[Language]

    def now(self, target: str, one: Placed) -> str:
        """Where the link of this text leads now; nothing if it leads to no text that is imported."""
        path = target.partition("#")[0]
        found = self.addresses.get(path) or self.addresses.get(path.rstrip("/")) or self.addresses.get(f"{path}/")
        if found or not path or ":" in path or path.startswith("//"):
            return found or ""
        for place in self._named(unquote(path.partition("?")[0]), one):
            if versions := self.places.get(place):
                return versions.get(one.language) or next(iter(versions.values()))
        return ""

    def _named(self, path: str, one: Placed) -> Iterator[str]:
        """The places that a path may name: from the root, beside the file, or beside its page (``../other/``)."""
        if path.startswith("/"):
            yield _bare(path, self.languages)
            return
        own = one.found.file.shown
        for folder in (posixpath.dirname(own), posixpath.splitext(own)[0]):
            yield _bare(posixpath.join("/", folder, path), self.languages)
        if "/" not in path and (place := self.names.get(_bare(path, self.languages))):
            yield place


def crossings_of(groups: Mapping[str, Sequence[Placed]], publication: Publication) -> Crossings:
    """What links of these texts may have led to."""
    addresses: dict[str, str] = {}
    places: defaultdict[str, dict[Language, str]] = defaultdict(dict)
    for slug, group in groups.items():
        for one in group:
            now = article_path(one.language, slug)
            if address := one.found.address.partition("#")[0]:
                addresses.setdefault(address, now)
                if urlsplit(address).hostname == urlsplit(publication.base_url).hostname:
                    addresses.setdefault(urlsplit(address).path, now)
            for alias in one.found.aliases:
                addresses.setdefault(alias, now)
            for place in _places(one, slug, publication.languages) if not one.found.part else ():
                places[place].setdefault(one.language, now)
    names: dict[str, str | None] = {}
    for place, versions in places.items():
        name = posixpath.basename(place)
        other = names.setdefault(name, place)
        if other is None or places[other] != versions:
            names[name] = None
    return Crossings(addresses, dict(places), names, publication.languages)


def _places(one: Placed, slug: str, languages: Sequence[Language]) -> Iterator[str]:
    """As its file lies, with and without the folder that was given and that of its language, and as blogs date it."""
    file = one.found.file
    place = _bare(file.shown, languages)
    yield place
    yield _bare(f"{file.root.name}/{place}", languages)
    yield "/".join(part for part in place.split("/") if part not in languages)
    yield f"{one.day:%Y/%m/%d}/{slug}"
    yield posixpath.join(posixpath.dirname(place), slug_of(one.found.name) or slug)


def _bare(path: str, languages: Sequence[Language]) -> str:
    """The path without what addresses leave away: roots, endings, a language in the name, index, a last slash."""
    parts = [part for part in posixpath.normpath(f"/{path.lstrip('/')}").split("/") if part]
    if parts and parts[0] in ROOTS:
        parts = parts[1:]
    if parts:
        name = parts.pop()
        ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
        name = split_suffix(name[: len(name) - len(ending)], languages)[0]
        parts += [name] if name not in INDEXES else []
    return "/".join(parts)
