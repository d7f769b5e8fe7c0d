"""The archive as the rules look at it: its files by path, each parsed when a rule first asks, and where links lead."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

from newsletter.checks.rule import Problem
from newsletter.checks.tree import Spot, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from newsletter.checks.house import House
    from newsletter.checks.tree import Node, Tree, Words
    from newsletter.model import Article, EditorNote
    from newsletter.render.site import Page

# What was mailed is kept as it was, with the styles on its elements: the rules over letters judged it.
AS_SENT: Final = "/as-sent."
INDEX: Final = "index.html"


@dataclass(frozen=True)
class PageView:
    """One file of the archive. ``site`` has the others."""

    path: str
    content: bytes
    site: SiteView = field(repr=False, compare=False)

    @cached_property
    def text(self) -> str:
        """Its content; bytes that are no UTF-8 are shown as such."""
        return self.content.decode("utf-8", "replace")

    @cached_property
    def tree(self) -> Tree:
        """Its HTML as a tree."""
        return parse(self.text)

    @cached_property
    def ids(self) -> frozenset[str]:
        """What links into it may name."""
        return frozenset(node.get("id") for node in self.tree.elements if "id" in node.attributes)

    @cached_property
    def headline(self) -> tuple[str, str, Spot] | None:
        """The language of a page of ours, its title, and where that stands."""
        for tree in self.trees():
            node, html = tree.first("title"), tree.first("html")
            if node and html:
                return html.get("lang"), " ".join(node.text().split()), Spot("title", node.line, node.column)
        return None

    def forget(self) -> None:
        """Keep what the rules over all pages ask for, and let the tree go: thousands of them fill the memory."""
        if self.is_html:
            _ = (self.ids, self.is_indexed, self.canonical, self.headline)
            for name in ("tree", "text"):
                self.__dict__.pop(name, None)

    @property
    def is_html(self) -> bool:
        """Whether it is a page of ours, and no letter as it was sent."""
        return self.path.endswith(".html") and AS_SENT not in self.path

    @cached_property
    def is_indexed(self) -> bool:
        """Whether search engines may show it: no redirect, and no page that says that there is none."""
        metas = self.metas("robots")
        return not metas or "noindex" not in metas[0].get("content")

    @property
    def address(self) -> str:
        """Its absolute address."""
        return self.site.base + self.path.removesuffix(INDEX)

    @cached_property
    def canonical(self) -> str:
        """The address that it says it is to be found at; its own when it says none."""
        links = [node for node in self.tree.all("link") if node.get("rel") == "canonical"]
        return links[0].get("href") if links else self.address

    def metas(self, name: str) -> list[Node]:
        """Its meta elements of this name."""
        return [node for node in self.tree.all("meta") if node.get("name") == name]

    def trees(self) -> Iterator[Tree]:
        """Its tree, if it is a page of ours."""
        if self.is_html:
            yield self.tree

    def at(self, spot: Node | Words | Spot | None, message: str, fix: str) -> Problem:
        """A problem at a place of the page; without one, at its beginning."""
        line, column = (spot.line, spot.column) if spot is not None else (1, 1)
        return Problem(self.path, line, message, fix, column)

    def source(self, house: House) -> Article | EditorNote | None:
        """The file that it shows, if it shows one."""
        return house.sources.get("/" + self.path.removesuffix(INDEX))

    def at_source(self, house: House, fields: Collection[str], problem: Problem) -> Problem:
        """The problem at the first of these fields of the file that the page shows; as it is where there is none."""
        item = self.source(house)
        if item is None:
            return problem
        name = next((name for name in fields if name in item.lines), "")
        line, column = item.lines.get(name, 1), item.lines.get(f"{name}:column", 0)
        return problem._replace(path=item.path, line=line, column=column)


class SiteView:
    """All files of the archive."""

    def __init__(self, pages: Iterable[Page], base_url: str) -> None:
        self.base = base_url.rstrip("/") + "/"
        parts = urlsplit(self.base)
        self.host = f"{parts.scheme}://{parts.netloc}"
        self.pages: Mapping[str, PageView] = {page.path: PageView(page.path, page.content, self) for page in pages}
        self._targets: dict[tuple[str, str], tuple[str | None, str]] = {}

    def __iter__(self) -> Iterator[PageView]:
        return iter(self.pages.values())

    def target(self, page: PageView, href: str) -> tuple[str | None, str]:
        """The path of the file that a link of this page leads to, and its fragment; None when it leads elsewhere."""
        key = ("" if href.startswith(("/", "http")) else page.path, href)
        if key not in self._targets:
            self._targets[key] = self._target(page, href)
        return self._targets[key]

    def _target(self, page: PageView, href: str) -> tuple[str | None, str]:
        try:
            parts = urlsplit(urljoin(page.address, href))
        except ValueError:
            return "", ""  # leads nowhere
        if f"{parts.scheme}://{parts.netloc}" != self.host:
            return None, ""
        path = unquote(parts.path)
        prefix = urlsplit(self.base).path
        if not path.startswith(prefix):
            return None, ""  # the host may have other pages
        path = path.removeprefix(prefix)
        return (path + INDEX if not path or path.endswith("/") else path), unquote(parts.fragment)
