"""Rules over the styles of a letter: only what mail programs know, by the data of caniemail.com, and what can be read.

``ENHANCEMENTS`` are what the house uses although some programs do not know it: each may be missing without harm.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from newsletter.checks.mails.style import DARK, PHONE, inline_style
from newsletter.checks.tree import Spot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from newsletter.checks.house import House
    from newsletter.checks.mails.letter import Letter
    from newsletter.checks.mails.style import Declaration, Selector
    from newsletter.checks.rule import Problem

# The programs that decide; the data has more, of which some forget all styles.
PROGRAMS: Final = ("apple-mail.", "gmail.", "outlook.", "samsung-email.", "thunderbird.", "yahoo.")
GONE: Final = frozenset({"outlook.windows-mail"})  # Microsoft ended it in 2024
ENHANCEMENTS: Final = {
    "@media": "telephones get narrower margins; without it the one column still fits",
    "@media (prefers-color-scheme)": "where it is unknown, the light theme stands, or is inverted",
    "overflow-wrap": "long addresses break; elsewhere they are cut or scroll",
    "hyphens": "narrow tables on telephones; else words wrap whole",
    "table-layout": "columns keep their widths; else the words decide",
    "border-spacing": "nothing but 0, which border-collapse says already",
    "height": "of the logo, which says it in an attribute too",
    "white-space": "a date stays in one line; else it wraps",
    "descendant selector": "styles stand on the elements as well",
}
# What every program knows, and caniemail therefore has no page about.
KNOWN: Final = frozenset(
    [
        "color",
        "font-family",
        "font-style",
        "border-color",
        "border-style",
        "border-width",
        "border-top",
        "border-right",
        "border-bottom",
        "border-left",
        "border-top-color",
        "border-right-color",
        "border-bottom-color",
        "border-left-color",
        "border-top-width",
        "border-bottom-width",
        "border-left-width",
        "border-right-width",
        "border-top-style",
        "border-bottom-style",
        "border-left-style",
        "border-right-style",
        "margin-top",
        "margin-right",
        "margin-bottom",
        "margin-left",
        "padding-top",
        "padding-right",
        "padding-bottom",
        "padding-left",
        "list-style-type",
    ]
)
# Old names of the same thing, for a family of programs that ignores what it does not know.
PREFIXED: Final = ("mso-", "-webkit-text-size-adjust", "-ms-text-size-adjust")
UNIT: Final = re.compile(r"(?<![\w#-])[\d.]+([a-z]+)\b", re.IGNORECASE)
FUNCTION: Final = re.compile(r"([a-z-]+)\(", re.IGNORECASE)
MEDIA_FEATURE: Final = re.compile(r"\(\s*([a-z-]+)", re.IGNORECASE)
WIDTHS: Final = frozenset({"max-width", "min-width", "width", "max-device-width", "min-device-width"})
MAX_NAMED: Final = 3


def unreadable(letter: Letter, house: House) -> Iterator[Problem]:
    """From a mistake on, programs skip as much as they like."""
    del house
    fix = "mend the style; a mistake takes its neighbours along"
    for sheet in letter.sheets:
        for fault in sheet.faults:
            yield letter.in_html(fault, f"style: {fault.text}", fix)
    for page in letter.pages():
        for node in page.elements:
            if "style" in node.attributes:
                for fault in inline_style(node)[1]:
                    yield letter.in_html(fault, f"style of <{node.tag}>: {fault.text}", fix)


def unsupported(letter: Letter, house: House) -> Iterator[Problem]:
    """What a reader's program does not know is missing for that reader; what matters must not be."""
    del house
    for spot, feature, programs in _used(letter):
        if feature not in ENHANCEMENTS:
            message = f"{feature} is not known to {_names(programs)}" if programs else f"nobody knows {feature}"
            yield letter.in_html(spot, message, "leave it out; the letter must not depend on it")


def unsaid(letter: Letter, house: House) -> Iterator[Problem]:
    """Where style blocks are dropped (Gmail's app with other accounts), only styles on the elements remain."""
    del house
    for page in letter.pages():
        styled = any("style" in node.attributes for node in page.elements)
        if letter.sheets and not styled:
            yield letter.in_html(page.first("style"), "the styles stand in a block only", "inline them as well")


def outweighed(letter: Letter, house: House) -> Iterator[Problem]:
    """What a block says for the dark or for telephones wins over the elements' own styles, or nothing changes there.

    Inliners take ``!important`` away unless they are told not to. Once for each query: where one is lost, all are.
    """
    del house
    lost = {rule for medium in (PHONE, DARK) for styles in letter.looks(medium) for rule in styles.outweighed}
    first: dict[tuple[str, ...], Spot] = {}
    for media, spot in sorted(lost, key=lambda one: (one[1].line, one[1].column)):
        first.setdefault(media, spot)
    for media, spot in first.items():
        message = f"the elements' own styles win over what @media {media[-1]} says"
        yield letter.in_html(spot, message, "write !important in it")


# --- how ------------------------------------------------------------------------------------------------------


@cache
def _data() -> dict[str, dict[str, Any]]:
    path = files("newsletter.checks.mails") / "data" / "caniemail.json"
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _used(letter: Letter) -> Iterator[tuple[Spot, str, list[str]]]:
    """Every use of something that some program does not know, once for each place."""
    for sheet in letter.sheets:
        for at_rule in sheet.at_rules:
            spot = Spot("", at_rule.line, at_rule.column)
            yield from _at_rule(spot, at_rule.name, at_rule.prelude)
        for rule in sheet.rules:
            for selector in rule.selectors:
                yield from ((Spot("", rule.line, rule.column), *found) for found in _selector(selector))
            yield from _declared(rule.declarations)
    for page in letter.pages():
        seen: set[str] = set()  # the inliner repeats itself: the first element of each style will do
        for node in page.elements:
            style = node.get("style")
            if style and style not in seen:
                seen.add(style)
                yield from _declared(inline_style(node)[0])


def _declared(declarations: Iterable[Declaration]) -> Iterator[tuple[Spot, str, list[str]]]:
    for one in declarations:
        for found in _declaration(one.name, one.value, important=one.important):
            yield (Spot("", one.line, one.column), *found)


@cache
def _declaration(name: str, value: str, *, important: bool) -> tuple[tuple[str, list[str]], ...]:
    found: list[tuple[str, list[str]]] = []
    if not name.startswith(PREFIXED) and name not in KNOWN:
        found += _lacking("properties", name, name)
    found += _lacking("values", f"{name}:{value.lower()}", f"{name}: {value.lower()}", known=True)
    for unit in UNIT.findall(value):
        found += _lacking("units", unit.lower(), unit.lower(), known=True)
    for function in FUNCTION.findall(value):
        found += _lacking("functions", function.lower(), f"{function.lower()}()", known=True)
    if important:
        found += _lacking("keywords", "important", "!important", known=True)
    return tuple(found)


def _at_rule(spot: Spot, name: str, prelude: str) -> Iterator[tuple[Spot, str, list[str]]]:
    yield from ((spot, *found) for found in _lacking("at-rules", name, f"@{name}"))
    for feature in MEDIA_FEATURE.findall(prelude) if name == "media" else ():
        if feature not in WIDTHS:
            yield from ((spot, *found) for found in _lacking("media", feature, f"@media ({feature})"))


def _selector(selector: Selector) -> Iterator[tuple[str, list[str]]]:
    compounds = selector.compounds
    for pseudo in (one for compound in compounds for one in compound.pseudo):
        name = ":" + pseudo.partition("(")[0].lstrip(":")
        yield from _lacking("pseudo", name, name if name != f":{pseudo}" else f"the selector {pseudo}")
    if any(compound.child for compound in compounds):
        yield from _lacking("selectors", ">", "child selector")
    if any(not compound.child for compound in compounds[1:]):
        yield from _lacking("selectors", " ", "descendant selector")
    tests = [test for compound in compounds for test in compound.tests]
    if any(name not in ("class", "id") for name, _, _ in tests):
        yield from _lacking("selectors", "[]", "attribute selector")
    if any(len(compound.tests) > 1 for compound in compounds):
        yield from _lacking("selectors", ".a.b", "selector of two classes")
    if any(not compound.tag and not compound.tests and not compound.pseudo for compound in compounds):
        yield from _lacking("selectors", "*", "selector of everything")


def _lacking(kind: str, name: str, shown: str, *, known: bool = False) -> list[tuple[str, list[str]]]:
    """(feature, programs without it); ``known``: that the data does not have it means that all programs do."""
    data = _data().get(kind, {})
    if name not in data:
        return [] if known else [(shown, [])]
    programs = [
        program for program in data[name].split() if program.startswith(PROGRAMS) and program != "outlook.windows-mail"
    ]
    return [(shown, programs)] if programs else []


def _names(programs: list[str]) -> str:
    more = f" and {len(programs) - MAX_NAMED} more" if len(programs) > MAX_NAMED else ""
    return ", ".join(programs[:MAX_NAMED]) + more
