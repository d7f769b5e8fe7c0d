"""Rules over single pages: that they are whole, say what they are, load nothing from elsewhere, and lead somewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from newsletter.checks.headings import heading_faults
from newsletter.checks.mails.words import LEFTOVER
from newsletter.checks.pages.view import INDEX
from newsletter.model import preferences_path, subscribe_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.pages.view import PageView
    from newsletter.checks.rule import Problem
    from newsletter.checks.tree import Node
    from newsletter.model import Publication

PROSE: Final = "prose"  # the class of what holds a text that editors wrote
DESCRIPTION: Final = range(10, 321)  # characters; search engines show about 160 of them
MAX_QUOTED: Final = 60
LOADING: Final = {
    "img": ("src", "srcset"),
    "script": ("src",),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "input": ("src",),
    "track": ("src",),
}
LOADING_LINKS: Final = frozenset(
    {"stylesheet", "icon", "preload", "modulepreload", "manifest", "prefetch", "preconnect"}
)
SCRIPT: Final = re.compile(r"\s*(?:javascript|vbscript|data):", re.IGNORECASE)
UNSAFE: Final = re.compile(r"'unsafe-[a-z-]+'|\*|https?:|data:|blob:", re.IGNORECASE)
CODE: Final = ("code", "pre", "kbd", "samp")


def broken(page: PageView, house: House) -> Iterator[Problem]:
    """What a browser would have to repair."""
    del house
    for tree in page.trees():
        for fault in tree.faults:
            yield page.at(fault, fault.text, "mend the template: every tag closed, in its order")
        if tree.doctype is None or tree.doctype.text.lower() != "doctype html":
            yield page.at(tree.doctype, "the page does not begin with its doctype", "begin with <!doctype html>")


def title(page: PageView, house: House) -> Iterator[Problem]:
    """Tabs, bookmarks and search engines name the page by it."""
    del house
    for tree in page.trees():
        node = tree.first("title")
        if node is None or not node.text().strip():
            yield page.at(node or tree.first("head"), "the page has no title", "set title in its template")


def description(page: PageView, house: House) -> Iterator[Problem]:
    """What search engines and messengers show below the title."""
    for _ in page.trees() if page.is_html and page.is_indexed else ():
        metas = page.metas("description")
        length = len(" ".join(metas[0].get("content").split())) if metas else 0
        if len(metas) != 1 or length not in DESCRIPTION:
            found = f"of {length} characters" if metas else "missing"
            message = f"the description is {found}; {DESCRIPTION.start} to {DESCRIPTION.stop - 1} are good"
            spot = metas[0] if metas else page.tree.first("head")
            problem = page.at(spot, message, "mend the summary of what it shows")
            yield page.at_source(house, ("summary", "in_brief"), problem)


def headings(page: PageView, house: House) -> Iterator[Problem]:
    """One h1, and no level left out."""
    del house
    for tree in page.trees():
        for fault in heading_faults(tree, "page", _is_editors):
            yield page.at(*fault)


def language(page: PageView, house: House) -> Iterator[Problem]:
    """A language that the site has, so that screen readers speak it."""
    for tree in page.trees():
        node = tree.first("html")
        if node is None or node.get("lang") not in house.publication.languages:
            found = node.get("lang") if node else ""
            yield page.at(node, f'the page says the language "{found}"', "write one of the settings on <html>")


def addresses(page: PageView, house: House) -> Iterator[Problem]:
    """Canonical address and other languages lead to pages that there are, written in full."""
    del house
    for tree in page.trees():
        for node in tree.all("link"):
            if node.get("rel") in ("canonical", "alternate"):
                path, _ = page.site.target(page, node.get("href"))
                if path is None and node.get("rel") == "canonical":
                    continue  # it first appeared elsewhere
                if path not in page.site.pages or (node.get("hreflang") and not _is_full(page, node)):
                    message = f"the {node.get('rel')} address {node.get('href')[:MAX_QUOTED]} is no page of the archive"
                    yield page.at(node, message, "write it with publication.url()")


def inline(page: PageView, house: House) -> Iterator[Problem]:
    """Nothing that the pages' policy would have to make an exception for."""
    del house
    for tree in page.trees():
        for node in tree.elements:
            if node.tag == "style" or (node.tag == "script" and "src" not in node.attributes):
                yield page.at(node, f"<{node.tag}> inside the page", "put it into a file of its own")
            for name, value in node.attributes.items():
                if name == "style" or name.startswith("on") or (name in ("href", "src") and SCRIPT.match(value)):
                    yield page.at(node, f'the attribute "{name}" of <{node.tag}>', "put it into a file of its own")


def policy(page: PageView, house: House) -> Iterator[Problem]:
    """Each page carries its policy, since any host may serve it, and the policy has no hole."""
    del house
    for tree in page.trees():
        metas = [n for n in tree.all("meta") if n.get("http-equiv").lower() == "content-security-policy"]
        said = metas[0].get("content") if metas else ""
        hole = UNSAFE.search(said)
        if not metas or "default-src 'none'" not in said:
            yield page.at(
                metas[0] if metas else tree.first("head"), "the page has no policy", "print {{ frame.policy }}"
            )
        elif hole:
            yield page.at(metas[0], f"the policy allows {hole[0]}", "allow 'self' at most")


def images(page: PageView, house: House) -> Iterator[Problem]:
    """Words for who cannot see them, and a file that is there."""
    del house
    for tree in page.trees():
        for node in tree.all("img"):
            path, _ = page.site.target(page, node.get("src"))
            if "alt" not in node.attributes:
                yield page.at(node, "an image without words", 'write alt="..."')
            if path is not None and path not in page.site.pages:
                yield page.at(
                    node, f"the image {node.get('src')[:MAX_QUOTED]} is not there", "put it beside the article"
                )


def remote(page: PageView, house: House) -> Iterator[Problem]:
    """Opening a page contacts nobody else."""
    del house
    for tree in page.trees():
        for node in tree.elements:
            names = LOADING.get(node.tag, ())
            if node.tag == "link" and LOADING_LINKS & set(node.get("rel").split()):
                names = ("href",)
            for name in names:
                value = node.get(name)
                if value and page.site.target(page, value.split()[0])[0] is None:
                    yield page.at(node, f"<{node.tag}> would load {value[:MAX_QUOTED]}", "keep a copy in the archive")


def links(page: PageView, house: House) -> Iterator[Problem]:
    """Links into the archive lead to pages, files and places that there are.

    Those in the texts of editors are judged where they were written, by ``link-internal-dead``.
    """
    for tree in page.trees():
        for node in tree.elements:
            href = node.attributes.get("href")
            if node.tag not in ("a", "area", "link") or href is None or node.get("rel") in ("canonical", "alternate"):
                continue
            path, fragment = page.site.target(page, href)
            if path is None or _is_served(path, house.publication) or _is_editors(node):
                continue
            target = page.site.pages.get(path)
            if target is None:
                yield page.at(node, f"the link {href[:MAX_QUOTED]} leads to no page", "mend it")
            elif fragment and path.endswith(".html") and fragment not in target.ids:
                yield page.at(node, f"the link {href[:MAX_QUOTED]} leads to no place of that page", "mend it")


def _is_editors(node: Node) -> bool:
    return any(PROSE in above.get("class").split() for above in node.above())


def placeholders(page: PageView, house: House) -> Iterator[Problem]:
    """Nothing left over from templates; code may show what it likes."""
    for tree in page.trees():
        for words in tree.words:
            match = LEFTOVER.search(words.text)
            if match and not words.parent.is_in(*CODE) and not _is_editors(words.parent) and not house.wrote(match[0]):
                yield page.at(words, f"left over: {match[0]}", "find the template that it comes from")


def _is_full(page: PageView, node: Node) -> bool:
    return node.get("href").startswith(page.site.base)


def _is_served(path: str, publication: Publication) -> bool:
    """Pages that only a running server answers: leaving the list, and joining it where the site has forms."""
    forms = (subscribe_path, preferences_path) if publication.has_forms else ()
    served = {form(language) for form in forms for language in publication.languages}
    return path.startswith("u/") or f"/{path.removesuffix(INDEX)}" in served
