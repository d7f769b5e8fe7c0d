"""Rules over the HTML of a letter: that it is whole, says its language, and holds only what belongs into mail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from newsletter.checks.headings import heading_faults
from newsletter.checks.tree import VOID, Spot, Words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.checks.house import House
    from newsletter.checks.mails.letter import Letter
    from newsletter.checks.rule import Problem
    from newsletter.checks.tree import Node, Tree

DOCTYPE: Final = "<!DOCTYPE html>"
MAX_QUOTED: Final = 40
RIGHT_TO_LEFT: Final = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)
LAYOUT: Final = frozenset({"presentation", "none"})
DATA: Final = frozenset({"th", "caption", "thead"})
FORBIDDEN: Final = frozenset(
    [
        "script",
        "form",
        "iframe",
        "frame",
        "frameset",
        "svg",
        "math",
        "object",
        "embed",
        "applet",
        "input",
        "button",
        "select",
        "textarea",
        "video",
        "audio",
        "canvas",
        "base",
        "link",
        "template",
        "portal",
        "marquee",
        "blink",
        "noscript",
    ]
)
LOADING: Final = frozenset({"src", "srcset", "background", "poster", "data", "lowsrc", "dynsrc", "longdesc"})
LOADING_AT_RULES: Final = frozenset({"import", "font-face", "namespace"})
LOADING_VALUE: Final = re.compile(r"url\(|image-set\(|expression\(|-moz-binding|behavior:", re.IGNORECASE)
COLOUR_METAS: Final = ("color-scheme", "supported-color-schemes")
REVEALING: Final = ("]><!", "]><!--")  # what follows is for all others: <!--[if !mso]><!-->
END: Final = "<![endif]"
TAG: Final = re.compile(r"<(/?)([a-zA-Z][\w:-]*)[^<>]*?(/?)>")


def broken(letter: Letter, house: House) -> Iterator[Problem]:
    """What a browser would have to repair, every program repairs in its own way."""
    del house
    for page in letter.pages():
        for fault in page.faults:
            yield letter.in_html(fault, fault.text, "mend the template: every tag closed, in its order")
        for tag in ("html", "head", "body"):
            if page.first(tag) is None:
                yield letter.in_html(None, f"the letter has no <{tag}>", "begin it as the packaged layout does")


def doctype(letter: Letter, house: House) -> Iterator[Problem]:
    """In capitals: the inliner drops a lower-case one, and then programs draw the letter in quirks mode."""
    del house
    for page in letter.pages():
        if not letter.html.startswith(DOCTYPE):
            yield letter.in_html(page.doctype, "the letter does not begin with its doctype", f"begin with {DOCTYPE}")


def language(letter: Letter, house: House) -> Iterator[Problem]:
    """Programs drop <html>, so the language stands on an element inside <body> as well, around everything."""
    del house
    for page in letter.pages():
        for node, wanted in _said_on(letter, page):
            value = node.get("lang")
            if LANGUAGE.fullmatch(value or "en") and value.partition("-")[0] != wanted.partition("-")[0]:
                message = f'<{node.tag}> says the language "{value}"' if value else f"<{node.tag}> says no language"
                yield letter.in_html(node, message, f'write lang="{wanted}" on <html> and around all of <body>')
        for node in page.elements:
            if "lang" in node.attributes and not LANGUAGE.fullmatch(node.get("lang")):
                yield letter.in_html(node, f'"{node.get("lang")}" is no language', "write a tag like en or fr-CH")


def direction(letter: Letter, house: House) -> Iterator[Problem]:
    """Likewise: a program that is set to Arabic would lay an English letter out from the right."""
    del house
    for page in letter.pages():
        for node, language in _said_on(letter, page):
            wanted = "rtl" if language.partition("-")[0] in RIGHT_TO_LEFT else "ltr"
            if node.get("dir") != wanted:
                message = f'<{node.tag}> says the direction "{node.get("dir")}" and not "{wanted}"'
                yield letter.in_html(node, message, f'write dir="{wanted}" on <html> and around all of <body>')


def title(letter: Letter, house: House) -> Iterator[Problem]:
    """Screen readers, tabs and prints name the letter by it."""
    del house
    for page in letter.pages():
        node = page.first("title")
        if node is None or not node.text().strip():
            yield letter.in_html(node or page.first("head"), "the letter has no title", "fill <title>")


def charset(letter: Letter, house: House) -> Iterator[Problem]:
    """First in <head>, so that nothing was read yet when it is heard."""
    del house
    for page in letter.pages():
        head = page.first("head")
        first = next((c for c in head.children if not isinstance(c, Words)), None) if head else None
        if first is None or first.tag != "meta" or first.get("charset").lower() != "utf-8":
            yield letter.in_html(first or head, "the head does not begin with the charset", '<meta charset="utf-8">')


def colour_metas(letter: Letter, house: House) -> Iterator[Problem]:
    """Both are needed: without them some programs invert what has a dark theme of its own."""
    del house
    for page in letter.pages():
        for name in COLOUR_METAS:
            metas = [node for node in page.all("meta") if node.get("name").lower() == name]
            if not metas or metas[0].get("content") != "light dark":
                spot = metas[0] if metas else page.first("head")
                fix = f'<meta name="{name}" content="light dark">'
                yield letter.in_html(spot, f'the meta "{name}" does not say that both themes are known', fix)


def viewport(letter: Letter, house: House) -> Iterator[Problem]:
    """Without it telephones show the desktop's layout, small; with a limit nobody can enlarge it."""
    del house
    for page in letter.pages():
        node = next((node for node in page.all("meta") if node.get("name").lower() == "viewport"), None)
        content = node.get("content").replace(" ", "").lower() if node else ""
        fix = '<meta name="viewport" content="width=device-width, initial-scale=1">'
        if "width=device-width" not in content:
            yield letter.in_html(node or page.first("head"), "the viewport is not that of the device", fix)
        elif "user-scalable=no" in content or "maximum-scale" in content:
            yield letter.in_html(node, "readers could not enlarge the letter", fix)


def table_roles(letter: Letter, house: House) -> Iterator[Problem]:
    """A table that only lays out says so, or screen readers count its rows and columns aloud."""
    del house
    for page in letter.pages():
        for table in page.all("table"):
            heads = [node for node in _own(table) if node.tag in DATA]
            if table.get("role") in LAYOUT and heads:
                message = f"a table of data (it has <{heads[0].tag}>) is marked as layout"
                yield letter.in_html(table, message, "take its role away, or make its heads ordinary cells")
            elif table.get("role") not in LAYOUT and not heads and not _hidden(table):
                message = "a table without heads does not say that it only lays out"
                yield letter.in_html(table, message, 'write role="presentation", or head its columns with <th scope>')


def table_heads(letter: Letter, house: House) -> Iterator[Problem]:
    """Heads say what they are the head of."""
    del house
    for page in letter.pages():
        for node in page.all("th"):
            if node.get("scope") not in ("col", "row", "colgroup", "rowgroup"):
                yield letter.in_html(node, "a head of a table does not say of what", 'write scope="col" or "row"')


def images(letter: Letter, house: House) -> Iterator[Problem]:
    """Words for who cannot see it, and a size as attribute: Outlook knows no other. One side tells the other."""
    del house
    for page in letter.pages():
        for node in page.all("img"):
            sizes = [node.get(name) for name in ("width", "height") if name in node.attributes]
            if "alt" not in node.attributes:
                yield letter.in_html(node, "an image without words", 'write alt="..."')
            if not sizes or not all(size.isdecimal() for size in sizes):
                yield letter.in_html(node, "an image without width or height", 'write height="48", a number of pixels')


def images_ours(letter: Letter, house: House) -> Iterator[Problem]:
    """One logo that travels inside the message; nothing else."""
    del house
    carried = {(part.get("Content-ID") or "").strip().strip("<>") for part in letter.parts}
    for page in letter.pages():
        for number, node in enumerate(page.all("img")):
            source = node.get("src")
            if not source.startswith("cid:"):
                yield letter.in_html(node, f"an image from elsewhere: {source[:MAX_QUOTED]}", "leave it out")
            elif source.removeprefix("cid:") not in carried:
                yield letter.in_html(node, f"the message does not carry {source[:MAX_QUOTED]}", "attach it inline")
            elif number:
                yield letter.in_html(node, "a second image", "a letter shows its logo, and nothing else")


def headings(letter: Letter, house: House) -> Iterator[Problem]:
    """One h1, and no level left out."""
    for page in letter.pages():
        for fault in heading_faults(page, "letter", lambda node: house.wrote(node.text())):
            yield letter.in_html(*fault)


def forbidden(letter: Letter, house: House) -> Iterator[Problem]:
    """What mail programs take away, or what only an attacker would send."""
    del house
    for page in letter.pages():
        for node in page.elements:
            refresh = node.tag == "meta" and node.get("http-equiv").lower() in ("refresh", "set-cookie")
            if node.tag in FORBIDDEN or refresh:
                yield letter.in_html(node, f"<{node.tag}> does not belong into mail", "leave it out")


def handlers(letter: Letter, house: House) -> Iterator[Problem]:
    """Nothing runs in a letter."""
    del house
    for page in letter.pages():
        for node in page.elements:
            for name, value in node.attributes.items():
                if name.startswith("on") or re.match(r"\s*(?:java|vb)script:|\s*data:text", value, re.IGNORECASE):
                    yield letter.in_html(node, f'the attribute "{name}" of <{node.tag}> would run', "leave it out")


def remote(letter: Letter, house: House) -> Iterator[Problem]:
    """Opening a letter contacts nobody: no image, style, typeface or pixel from elsewhere."""
    del house
    for page in letter.pages():
        for node in page.elements:
            for name in LOADING & node.attributes.keys():
                if not node.get(name).startswith("cid:"):
                    yield letter.in_html(node, f'"{name}" of <{node.tag}> would be loaded', "leave it out")
            if "style" in node.attributes and LOADING_VALUE.search(node.get("style")):
                yield letter.in_html(node, f"the style of <{node.tag}> would load something", "leave it out")
    for sheet in letter.sheets:
        loading = [(f"@{one.name}", one.line, one.column) for one in sheet.at_rules if one.name in LOADING_AT_RULES]
        declarations = (one for rule in sheet.rules for one in rule.declarations)
        loading += [(f'"{one.name}"', one.line, one.column) for one in declarations if LOADING_VALUE.search(one.value)]
        for what, line, column in loading:
            yield letter.in_html(Spot("", line, column), f"{what} would load something", "leave it out")


def conditionals(letter: Letter, house: House) -> Iterator[Problem]:
    """Comments for classic Outlook are closed, and what they open for it they close for it (ghost tables)."""
    del house
    for page in letter.pages():
        opened: list[tuple[str, Spot]] = []
        revealed: list[Spot] = []
        for comment in page.comments:
            if comment.text.startswith("[if") and comment.text.endswith(REVEALING):
                revealed.append(comment)
            elif comment.text.startswith("[if"):
                if comment.text.endswith(END):
                    yield from _ghosts(letter, comment, opened)
                    continue
                yield letter.in_html(comment, "a condition for Outlook is not closed", "end it with <![endif]-->")
                opened.clear()  # where it ends is not known, and so neither is what it closes
            elif "[endif]" in comment.text and not revealed:
                yield letter.in_html(comment, "<![endif] without its condition", "begin it with <!--[if ...]>")
            elif "[endif]" in comment.text:
                revealed.pop()
        for spot in revealed:
            yield letter.in_html(spot, "a condition for Outlook is not closed", "end it with <!--<![endif]-->")
        for tag, spot in opened:
            yield letter.in_html(spot, f"<{tag}> for Outlook is never closed", "close it in a later condition")


def _ghosts(letter: Letter, comment: Spot, opened: list[tuple[str, Spot]]) -> Iterator[Problem]:
    for closing, name, slash in TAG.findall(comment.text):
        tag = name.lower()
        if closing:
            if opened and opened[-1][0] == tag:
                opened.pop()
            else:
                yield letter.in_html(comment, f"</{tag}> for Outlook closes nothing", "open it in an earlier condition")
        elif not slash and tag not in VOID:
            opened.append((tag, comment))


def _said_on(letter: Letter, page: Tree) -> Iterator[tuple[Node, str]]:
    """The elements that must say language and direction: <html>, and what stands in <body> (one around everything)."""
    for node in page.elements:
        if node.tag == "html" or (node.parent is not None and node.parent.tag == "body"):
            yield node, letter.language


def _own(table: Node) -> Iterator[Node]:
    """What belongs to a table, not to tables inside it."""
    for node in table.walk():
        if node is not table and next(one for one in node.above() if one.tag == "table") is table:
            yield node


def _hidden(node: Node) -> bool:
    return any(one.get("aria-hidden") == "true" for one in (node, *node.above()))
