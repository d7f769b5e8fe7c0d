"""Pages whose tags stand inside each other as chance wants it: parsers make strange trees of them."""

from __future__ import annotations

from random import Random

PROSE = "It was a quiet morning in the control room until the phone rang, and it rang for a very long time. "
NAMES = (
    "p div b i font span br hr h1 h2 h3 table caption tr td th ul ol li a form center pre code blockquote q o:p sup "
    "sub img nav title small big strong em dl dt dd time html body head main article section"
)
TAGS = NAMES.split()
WORDS = (
    "A title of it",
    "by Ada Example",
    "12 March 2006",
    "Mon, 10/08/2008",
    "Home",
    "Back to top",
    "\u00a9 2009 Us",
    "Last modified: 12 May 2009",
    "Posted by admin on 3 May 2004 - 12:30",
    "Untitled Document",
    "- item",
    "&lt;b&gt;",
    "|",
    "\u00a0",
    " ",
    PROSE,
)
ATTRIBUTES = (
    "",
    " class=title",
    " class=menu",
    " class=date",
    " class=MsoListParagraph",
    " style='mso-list:l0'",
    " align=center",
    " size=5",
    " href='x.html'",
    " href='#a'",
    " id=footer",
    " id=content",
    " lang=fr",
    " colspan=3",
    " rowspan=3",
)
MAX_PARTS = 6
MAX_DEPTH = 5


def soup(seed: int) -> str:
    """A page, with a window's title or without."""
    chance = Random(seed)
    body = _inside(chance, 0) + PROSE * chance.randint(0, 1)
    if chance.random() < 0.5:
        return f"<html><head><title>{chance.choice(WORDS)} - Site</title></head><body>{body}</body></html>"
    return body


def _inside(chance: Random, depth: int) -> str:
    parts = []
    for _ in range(chance.randint(1, MAX_PARTS)):
        tag = chance.choice(TAGS)
        opened = f"<{tag}{chance.choice(ATTRIBUTES)}>"
        if chance.random() < 0.4:
            parts.append(chance.choice(WORDS))
        elif depth > MAX_DEPTH or chance.random() < 0.15:
            parts.append(opened)
        else:
            closed = f"</{tag}>" if chance.random() < 0.9 else ""
            parts.append(f"{opened}{_inside(chance, depth + 1)}{closed}")
    return "".join(parts)
