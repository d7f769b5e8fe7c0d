"""Markdown bodies inside a letter: absolute links with visible targets, and words where pictures were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from newsletter.html import to_html
from newsletter.render.addresses import absolute, visible_target
from newsletter.render.markup import Element, parse_fragment, write_fragment
from newsletter.render.text import to_text

if TYPE_CHECKING:
    from newsletter.model import Publication
    from newsletter.render.text import LinkNotes

HOST_CLASS: Final = "host"


def mail_html(markdown: str, publication: Publication, *, page: str, heading_shift: int) -> Markup:
    """Clean HTML for a letter; ``page`` is the archive page that relative links count from."""
    root = _letter_tree(markdown, publication, page=page, heading_shift=heading_shift)
    _show_targets(root)
    for element in root.walk():
        element.attributes.pop("id", None)
    return Markup(write_fragment(root))  # noqa: S704 -- to_html cleaned it, and every text is escaped again


def mail_text(markdown: str, publication: Publication, notes: LinkNotes, *, page: str, indent: int = 0) -> str:
    """The same in plain text, wrapped, its links numbered in ``notes``."""
    root = _letter_tree(markdown, publication, page=page, heading_shift=0)
    return to_text(root, notes, indent=indent)


def _letter_tree(markdown: str, publication: Publication, *, page: str, heading_shift: int) -> Element:
    root = parse_fragment(to_html(markdown, heading_shift=heading_shift))
    for element in root.walk():
        if (href := element.get("href")) and not href.startswith("#"):
            element.attributes["href"] = absolute(href, page=page, publication=publication)
    _adapt(root)
    return root


def _adapt(parent: Element) -> None:
    """No picture enters a letter, its alternative text does; and nothing links to places inside the letter.

    Clients rename or drop ids, so such links (footnotes there and back) are dead in many mailboxes.
    """
    adapted: list[Element | str] = []
    for child in parent.children:
        if isinstance(child, str):
            adapted.append(child)
            continue
        _adapt(child)
        if child.tag == "img":
            adapted += [Element("em", {}, [f"[{alt}]"]) for alt in [child.get("alt")] if alt]
        elif child.tag == "a" and child.get("href")[:1] in ("", "#"):
            adapted += [] if "footnote-backref" in child.get("class") else child.children
        else:
            adapted.append(child)
    parent.children = adapted


def _show_targets(parent: Element) -> None:
    """The host (or mailbox) beside every link whose own words do not show it."""
    shown: list[Element | str] = []
    for child in parent.children:
        shown.append(child)
        if isinstance(child, Element):
            _show_targets(child)
            target = visible_target(child.get("href")) if child.tag == "a" else ""
            if target and target.lower() not in child.text().lower():
                shown += [" ", Element("span", {"class": HOST_CLASS}, [f"({target})"])]
    parent.children = shown
