"""Premailer behind one door: the settings that were measured to change nothing (references/email.md section 3).

Its defaults break phone layouts and dark mode, and some input breaks it silently; what it cannot do is refused
here, and what it did is checked: every address comes out as it went in.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Final

import cssutils
from premailer import Premailer

from newsletter.errors import ConfigError
from newsletter.render.addresses import ascii_host
from newsletter.render.markup import parse_fragment

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCTYPE: Final = "<!DOCTYPE html>"

# What premailer, cssutils or a reader's client does wrong, and why we refuse it.
TRAPS: Final = {
    re.compile(r"\[[^\]{}]*,[^\]{}]*\]"): "a comma inside an attribute selector crashes premailer",
    re.compile(r":not\(|:nth-child\("): "premailer does not inline :not() and :nth-child(); use a class",
    re.compile(r"rgba?\([^)]*/"): "cssutils drops colours with a slash; write them as #rrggbb",
    re.compile(r"@import|@font-face|url\(", re.IGNORECASE): "a letter loads nothing from elsewhere",
}
# Presentation attributes that premailer would derive from styles: some of them (align on a table, calc() as a
# width) change the layout, all of them are obsolete, and every client that needs them is served by the styles.
UNWANTED_ATTRIBUTES: Final = ["align", "bgcolor", "height", "valign", "width"]

_silence = Lock()


def inline(html: str) -> str:
    """The page with its own styles on every element as well, and its style blocks as they were.

    ``html`` begins with ``<!DOCTYPE html>``. ConfigError says which rule of the page's style cannot be used, or
    which address would not have survived.
    """
    source = _ascii_hosts(html.strip())
    _refuse_traps(source)
    if not source.startswith(DOCTYPE):
        raise ConfigError(f"a letter begins with {DOCTYPE} in capitals; without it clients draw it in quirks mode")
    with _quiet_cssutils():
        result: str = Premailer(
            source,
            keep_style_tags=True,
            strip_important=False,
            allow_network=False,
            disable_validation=True,
            align_floating_images=False,
            remove_unset_properties=False,
            disable_basic_attributes=UNWANTED_ATTRIBUTES,
            disable_link_rewrites=True,
            cache_css_parsing=True,  # the style sheet is the same each time, and only read
        ).transform(pretty_print=False)
    _same_addresses(source, result)
    return re.sub(r'(?<=\sstyle=")[^"]*', lambda match: match[0].replace("; ", ";"), result)


def _ascii_hosts(html: str) -> str:
    return re.sub(r'(?<=\shref=")[^"]*', lambda match: ascii_host(match[0]), html)


def _refuse_traps(html: str) -> None:
    for style in re.findall(r"<style[^>]*>(.*?)</style>", html, re.DOTALL):
        for trap, reason in TRAPS.items():
            if found := trap.search(style):
                raise ConfigError(f"style of the letter: {found[0]!r}: {reason}")


def _same_addresses(before: str, after: str) -> None:
    """Premailer writes through lxml, which rewrites addresses with blanks or foreign letters: dead links."""
    pairs = zip(_addresses(before), _addresses(after), strict=True)
    changed = next((one for one, other in pairs if one != other), None)
    if changed is not None:
        raise ConfigError(f"link {changed!r}: write it in ASCII and without blanks, else it would be changed")


def _addresses(html: str) -> list[str]:
    return [element.get("href") for element in parse_fragment(html).walk() if element.get("href")]


@contextmanager
def _quiet_cssutils() -> Iterator[None]:
    """Its log is one for the whole process and reports every property newer than CSS 2; silent while we work."""
    with _silence:
        before = cssutils.log.enabled
        cssutils.log.enabled = False
        try:
            yield
        finally:
            cssutils.log.enabled = before
