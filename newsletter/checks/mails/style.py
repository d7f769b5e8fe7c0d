"""Styles of a letter: its sheets and style attributes, parsed by tinycss2, and what they make of each element.

The cascade is that of CSS (importance, style attribute, specificity, order) for the selectors that letters may use:
types, classes, ids, attributes, descendants and children. Others match nothing here, and ``mail-css-unsupported`` tells
of them, since mail programs do not know them either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import tinycss2

from newsletter.checks.tree import Spot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from newsletter.checks.tree import Node, Tree

MAX_RULES: Final = 2_000
CACHED_STYLES: Final = 4_096

COMPOUND: Final = re.compile(
    r"[*\w-]*(?:[.#][\w-]+|\[[\w-]+(?:[~|^$*]?=\"?[^\]\"]*\"?)?\])*(?::{1,2}[\w-]+(?:\([^)]*\))?)*"
)
PIECE: Final = re.compile(r"([.#])([\w-]+)|\[([\w-]+)(?:([~|^$*]?=)\"?([^\]\"]*)\"?)?\]|(:{1,2}[\w-]+(?:\([^)]*\))?)")
TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "": lambda have, want: True,  # noqa: ARG005 -- it is there, whatever it says
    "=": lambda have, want: have == want,
    "~=": lambda have, want: want in have.split(),
    "^=": str.startswith,
    "$=": str.endswith,
    "*=": lambda have, want: want in have,
    "|=": lambda have, want: have == want or have.startswith(f"{want}-"),
}
INHERITED: Final = frozenset(
    {"color", "font-size", "line-height", "font-weight", "visibility", "text-align", "white-space", "font-style"}
)
# What every browser and mail program does without being told; only what the rules look at.
DEFAULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "h1": {"font-size": "2em", "font-weight": "bold"},
    "h2": {"font-size": "1.5em", "font-weight": "bold"},
    "h3": {"font-size": "1.17em", "font-weight": "bold"},
    "h4": {"font-weight": "bold"},
    "h5": {"font-size": "0.83em", "font-weight": "bold"},
    "h6": {"font-size": "0.67em", "font-weight": "bold"},
    "b": {"font-weight": "bold"},
    "strong": {"font-weight": "bold"},
    "th": {"font-weight": "bold"},
    "small": {"font-size": "0.83em"},
    "sub": {"font-size": "0.83em"},
    "sup": {"font-size": "0.83em"},
    "pre": {"font-size": "0.8125em"},
    "code": {"font-size": "0.8125em"},
    "a": {"color": "#0000ee"},
}
ROOT: Final[Mapping[str, str]] = {"font-size": "16px", "line-height": "normal", "color": "#000000"}
FONT_SIZE: Final = 16.0


class Declaration(NamedTuple):
    """``name: value``, at a place of the HTML."""

    name: str
    value: str
    important: bool
    line: int
    column: int


class Compound(NamedTuple):
    """A selector without blanks: td.key; ``child`` says that its parent must match the one before it."""

    tag: str
    tests: tuple[tuple[str, str, str], ...]
    pseudo: tuple[str, ...]
    child: bool


class Selector(NamedTuple):
    """Compounds from the left to the right; ``weight`` is its specificity."""

    text: str
    compounds: tuple[Compound, ...]
    weight: tuple[int, int, int]


class Rule(NamedTuple):
    """Selectors and declarations, the at-rules that they stand in, and where."""

    selectors: tuple[Selector, ...]
    declarations: tuple[Declaration, ...]
    media: tuple[str, ...]
    line: int
    column: int


class AtRule(NamedTuple):
    """An at-rule: its name, what follows it, and where."""

    name: str
    prelude: str
    line: int
    column: int


@dataclass(slots=True)
class Sheet:
    """A style block. ``size`` is its length in bytes."""

    size: int
    line: int
    column: int
    rules: list[Rule] = field(default_factory=list)
    at_rules: list[AtRule] = field(default_factory=list)
    faults: list[Spot] = field(default_factory=list)


class Medium(NamedTuple):
    """What a reader looks at: the width in pixels, and which theme."""

    width: int
    dark: bool = False


DESKTOP: Final = Medium(1024)
DARK: Final = Medium(1024, dark=True)
PHONE: Final = Medium(375)


# --- reading -----------------------------------------------------------------


def parse_sheet(css: str, line: int = 1, column: int = 1) -> Sheet:
    """A style block; ``line`` and ``column`` are where it begins in the page."""
    sheet = Sheet(len(css.encode()), line, column)
    nodes = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    _read(nodes, (), sheet)
    return sheet


def _read(nodes: Iterable[Any], media: tuple[str, ...], sheet: Sheet) -> None:
    for node in nodes:
        line, column = _place(node, sheet.line, sheet.column)
        if len(sheet.rules) + len(sheet.at_rules) >= MAX_RULES:
            sheet.faults.append(Spot(f"more than {MAX_RULES:,} rules", line, column))
            return
        if node.type == "error":
            sheet.faults.append(Spot(node.message, line, column))
        elif node.type == "at-rule":
            sheet.at_rules.append(AtRule(node.lower_at_keyword, _css(node.prelude), line, column))
            if node.content is not None and node.lower_at_keyword in ("media", "supports"):
                inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
                condition = _css(node.prelude) if node.lower_at_keyword == "media" else "unknown"
                _read(inner, (*media, condition), sheet)
        elif node.type == "qualified-rule":
            selectors = tuple(parse_selector(one) for one in _css(node.prelude).split(","))
            declarations = tuple(_declarations(node.content, sheet.line, sheet.column, sheet.faults))
            sheet.rules.append(Rule(selectors, declarations, media, line, column))


def inline_style(node: Node) -> tuple[tuple[Declaration, ...], tuple[Spot, ...]]:
    """The declarations of an element's style attribute, and what cannot be read of it; placed at the element."""
    declarations, faults = _parsed(node.get("style"))
    return (
        tuple(one._replace(line=node.line, column=node.column) for one in declarations),
        tuple(one._replace(line=node.line, column=node.column) for one in faults),
    )


@lru_cache(maxsize=CACHED_STYLES)
def _parsed(style: str) -> tuple[tuple[Declaration, ...], tuple[Spot, ...]]:
    faults: list[Spot] = []
    nodes = tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True)
    return tuple(_declared(nodes, 1, 1, faults)), tuple(faults)


def _declarations(content: Any, line: int, column: int, faults: list[Spot]) -> Iterator[Declaration]:
    nodes = tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True)
    return _declared(nodes, line, column, faults)


def _declared(nodes: Iterable[Any], line: int, column: int, faults: list[Spot]) -> Iterator[Declaration]:
    for node in nodes:
        at = _place(node, line, column)
        if node.type == "declaration":
            yield Declaration(node.lower_name, _css(node.value), node.important, *at)
        elif node.type == "error":
            faults.append(Spot(node.message, *at))
        else:
            faults.append(Spot("rules inside rules", *at))


def _place(node: Any, line: int, column: int) -> tuple[int, int]:
    first = node.source_line == 1
    return line + node.source_line - 1, node.source_column + (column - 1 if first else 0)


def _css(tokens: Any) -> str:
    return str(tinycss2.serialize(tokens)).strip()


def parse_selector(text: str) -> Selector:
    """A selector without commas. What is not understood is kept as a pseudo-class, which matches nothing."""
    compounds, child, weight = [], False, [0, 0, 0]
    for word in re.sub(r"\s*>\s*", " > ", text.strip()).split():
        if word == ">":
            child = True
            continue
        if not COMPOUND.fullmatch(word):
            compounds.append(Compound("", (), (word,), child))
            continue
        tag = re.match(r"[*\w-]*", word)[0].lower()  # type: ignore[index]  # it matches the empty string too
        tests: list[tuple[str, str, str]] = []
        pseudo: list[str] = []
        for mark, name, attribute, sign, value, colon in PIECE.findall(word[len(tag) :]):
            if colon:
                pseudo.append(colon)
            elif mark:
                tests.append(("class" if mark == "." else "id", "~=" if mark == "." else "=", name))
            else:
                tests.append((attribute.lower(), sign, value))
            weight[0 if mark == "#" else 1] += 1
        weight[2] += tag not in ("", "*")
        compounds.append(Compound("" if tag == "*" else tag, tuple(tests), tuple(pseudo), child))
        child = False
    return Selector(" ".join(text.split()), tuple(compounds), (weight[0], weight[1], weight[2]))


# --- matching ----------------------------------------------------------------


def matches(selector: Selector, node: Node) -> bool:
    """Whether the selector is about this element."""
    return bool(selector.compounds) and _matches(selector.compounds, node)


def _matches(compounds: Sequence[Compound], node: Node) -> bool:
    *before, last = compounds
    if not _is(last, node):
        return False
    if not before:
        return True
    if last.child:
        return node.parent is not None and _matches(before, node.parent)
    return any(_matches(before, above) for above in node.above())


def _is(compound: Compound, node: Node) -> bool:
    if compound.pseudo or (compound.tag and compound.tag != node.tag):
        return False
    return all(_holds(node.attributes.get(name), sign, value) for name, sign, value in compound.tests)


def _holds(have: str | None, sign: str, want: str) -> bool:
    return have is not None and TESTS[sign](have, want)


def applies(media: Iterable[str], medium: Medium) -> bool:
    """Whether all these media queries hold for what the reader looks at; one that we do not know never does."""
    return all(any(_query(one, medium) for one in query.split(",")) for query in media)


def _query(query: str, medium: Medium) -> bool:
    return all(_condition(one.strip().lower(), medium) for one in re.split(r"\s+and\s+", query.strip()))


def _condition(condition: str, medium: Medium) -> bool:
    if condition in ("all", "screen", "only screen"):
        return True
    name, _, value = condition.strip("() ").partition(":")
    value = value.strip()
    if name == "prefers-color-scheme":
        return medium.dark == (value == "dark")
    pixels = re.fullmatch(r"(\d+)px", value)
    if pixels and name.startswith(("max-", "min-")) and name.endswith("width"):
        return medium.width <= int(pixels[1]) if name.startswith("max") else medium.width >= int(pixels[1])
    return False


# --- the cascade -------------------------------------------------------------


class Styles:
    """What each element of a page looks like, to the reader of one medium.

    ``outweighed`` are the rules of media queries that an element's own style wins over: the query, and the place.
    """

    def __init__(self, page: Tree, sheets: Iterable[Sheet], medium: Medium) -> None:
        self._by_key: dict[str, list[tuple[int, Selector, Rule]]] = {}
        rules = [rule for sheet in sheets for rule in sheet.rules if applies(rule.media, medium)]
        for order, rule in enumerate(rules):
            for selector in rule.selectors:
                if selector.compounds:
                    self._by_key.setdefault(_key(selector.compounds[-1]), []).append((order, selector, rule))
        self.outweighed: set[tuple[tuple[str, ...], Spot]] = set()
        self._own: dict[Node, dict[str, str]] = {}
        self._computed: dict[Node, dict[str, str]] = {page.root: dict(ROOT)}
        for node in page.elements:  # parents come before their children
            self._compute(node)

    def own(self, node: Node) -> Mapping[str, str]:
        """What was declared for this element itself."""
        return self._own[node]

    def get(self, node: Node, name: str) -> str:
        """A property of this element, inherited where CSS says so; font-size in pixels."""
        return self._computed[node].get(name, "")

    def size(self, node: Node) -> float:
        """Its font size in pixels."""
        return float(self.get(node, "font-size").removesuffix("px"))

    def _declared(self, node: Node) -> dict[str, str]:
        found: list[tuple[tuple[Any, ...], Declaration]] = []
        inline = _parsed(node.get("style"))[0] if "style" in node.attributes else ()
        own = {d.name for d in inline if not d.important}
        keys = {"", node.tag, *(f".{name}" for name in node.get("class").split())}
        for key in keys:
            for order, selector, rule in self._by_key.get(key, ()):
                if matches(selector, node):
                    found += [
                        ((d.important, False, selector.weight, order, n), d) for n, d in enumerate(rule.declarations)
                    ]
                    if rule.media and any(d.name in own and not d.important for d in rule.declarations):
                        self.outweighed.add((rule.media, Spot("", rule.line, rule.column)))
        found += [((d.important, True, (0, 0, 0), 0, n), d) for n, d in enumerate(inline)]
        found.sort(key=lambda one: one[0])
        return dict(DEFAULTS.get(node.tag, {})) | _longhands(d for _, d in found)

    def _compute(self, node: Node) -> None:
        own = self._own[node] = self._declared(node)
        above = self._computed[node.parent] if node.parent in self._computed else dict(ROOT)
        computed = {name: value for name, value in above.items() if name in INHERITED}
        computed |= {n: above.get(n, "") if v == "inherit" else v for n, v in own.items()}
        before = float(above["font-size"].removesuffix("px"))
        size = pixels(own.get("font-size", "1em"), before, before)
        computed["font-size"] = f"{size}px"
        self._computed[node] = computed


def _key(compound: Compound) -> str:
    names = [value for name, sign, value in compound.tests if name == "class" and sign == "~="]
    return f".{names[0]}" if names else compound.tag


def _longhands(declarations: Iterable[Declaration]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in declarations:
        if one.name == "background":
            found["background-color"] = one.value
        else:
            found[one.name] = one.value
    return found


def pixels(value: str, of: float, otherwise: float) -> float:
    """A length in pixels; ``of`` is what em and % are shares of, ``otherwise`` what cannot be told counts as."""
    match = re.fullmatch(r"(-?[\d.]+)(px|em|rem|pt|%)?", value.strip().lower())
    if match is None:
        return otherwise
    try:
        number = float(match[1])
    except ValueError:
        return otherwise
    points = 4 / 3
    return number * {"px": 1.0, "em": of, "rem": FONT_SIZE, "pt": points, "%": of / 100}.get(match[2] or "px", 1.0)
