"""What stands around an article and is none of it: navigation, menus, what content systems add of their own."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MENU_LINKS: Final = 100
MIN_MENU_LINKS: Final = 2
MAX_TOLD: Final = 60

# How classes begin, in lower case.
NOT_TEXT: Final = (
    "breadcrumb share sharing social related comments sidebar navbar menu cookie pagination skip-link tags"
    # MediaWiki, Plone, TWiki, WordPress, Drupal, SharePoint, Joomla
    " printfooter catlinks mw-editsection editsection toc jump-to-nav documentactions hiddenstructure"
    " patterntop patterninfo patterntopicactions patternleftbar patternbottombar postmetadata link-wrapper"
    " field-name-field-tags ms-globallinks ms-nav ms-leftarea ms-descriptiontext modifydate buttonheading"
)
CLASSES: Final = "footer navigation pagefooter printlink"
# Whole ids only: many tools make those of headings and sections out of their words, like "social-engineering".
IDS: Final = (
    "footer foot nav navigation topnav topmenu top-menu leftnav pagefooter portal-footer bottom sidebar navbar menu"
    " breadcrumb breadcrumbs comments toc catlinks sitesub jump-to-nav"
)


def _lower(name: str) -> str:
    return f"concat(' ',translate({name},'ABCDEFGHIJKLMNOPQRSTUVWXYZ','abcdefghijklmnopqrstuvwxyz'),' ')"


_BEGINS: Final = " or ".join(f"contains({_lower('@class')},' {word}')" for word in NOT_TEXT.split())
_EXACTLY: Final = " or ".join(
    f"contains({_lower(at)},' {word} ')" for at, words in (("@class", CLASSES), ("@id", IDS)) for word in words.split()
)
AROUND: Final = (
    ".//nav|.//aside|.//footer|.//form|.//*[@role='navigation' or @role='banner' or @role='contentinfo'"
    " or @role='complementary' or @role='search' or @aria-hidden='true' or @hidden]"
    f"|.//*[@class or @id][{_BEGINS} or {_EXACTLY}][not(self::h1 or self::h2 or self::h3 or self::h4)]"
)


def drop_around(main: Any) -> tuple[str, ...]:
    """Take away what stands in or beside an article and is none of it; a menu is told, since it only looks like one."""
    for element in main.xpath(AROUND):
        if element.getparent() is not None and element is not main:
            element.drop_tree()
    return _drop_menu(main)


def _drop_menu(main: Any) -> tuple[str, ...]:
    """Links alone, above the first words: the menu of a page that was laid out by hand."""
    links = list(_links_above(main))
    if not MIN_MENU_LINKS <= len(links) <= MAX_MENU_LINKS:
        return ()
    words = " | ".join(" ".join("".join(link.itertext()).split()) for link in links)
    parts: dict[Any, None] = {}
    known: dict[Any, bool] = {}
    for link in links:
        part = link
        while part.getparent() is not main and _is_of_links(part.getparent(), known):
            part = part.getparent()
        parts[part] = None
    for part in parts:
        part.drop_tree()
    return (f"a menu was left out: {words[:MAX_TOLD]}",)


def _links_above(main: Any) -> Iterator[Any]:
    """The links before any other words, and before any heading."""
    last = None
    for text in main.xpath(".//text()[normalize-space()]")[: MAX_MENU_LINKS * 4]:
        holder = text.getparent().getparent() if text.is_tail else text.getparent()
        above = list(takewhile(lambda one: one is not main, (holder, *holder.iterancestors())))
        link = next((one for one in above if one.tag == "a"), None)
        if link is not None and not any(one.tag in ("h1", "h2", "h3") for one in above):
            if link is not last:
                yield link
            last = link
        elif re.search(r"\w", text) and not any(one.tag == "h1" for one in above):
            return


def _is_of_links(element: Any, known: dict[Any, bool]) -> bool:
    """Whether all its words are links; asked once of each."""
    if element not in known:
        stack, is_of_links = [element], not re.search(r"\w", element.text or "")
        while stack and is_of_links:
            for child in stack.pop():
                words = f"{'' if child.tag == 'a' else child.text or ''} {child.tail or ''}"
                is_of_links = is_of_links and not re.search(r"\w", words)
                stack += [child] if child.tag != "a" else []
        known[element] = is_of_links
    return known[element]
