"""For each rule over pages: small changes of a good archive that it must find, in their places, and some it must not.

A change is of one page, unless ``path`` names another; a place is named by the characters that stand there.
"""

# ruff: noqa: RUF001 -- titles have en dashes, as good typography wants

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

PAGE = "en/articles/the-sign-in-you-did-not-start/index.html"
OTHER = "en/articles/usb-stick-found/index.html"
FEED = "en/feed.xml"
MAP = "sitemap.xml"
BASE = "https://security.meridian.example"
FOOT = "<footer"

Pages = dict[str, str]


@dataclass(frozen=True)
class Bad:
    """A change of one file, and the characters at which the rule finds it there (none: at its beginning)."""

    old: str
    new: str
    at: str | None = None
    path: str = PAGE
    also: frozenset[str] = frozenset()

    def change(self, pages: Pages) -> Pages:
        """The archive with this change."""
        assert self.old in pages[self.path], f"{self.old!r} is not in {self.path}"
        return pages | {self.path: pages[self.path].replace(self.old, self.new, 1)}


@dataclass(frozen=True)
class Example:
    """What a rule finds, and what it lets pass; ``gone`` are files whose loss it finds in ``lost_at``."""

    bad: list[Bad]
    good: list[Callable[[Pages], Pages]] = field(default_factory=list)


def put(snippet: str, at: str | None = None, also: str = "") -> Bad:
    """Something more on the page, before its foot."""
    return Bad(FOOT, f"{snippet}\n{FOOT}", at or snippet, also=frozenset(also.split()))


def add(snippet: str) -> Callable[[Pages], Pages]:
    """As ``put``, for a good example."""
    return put(snippet).change


def xml(path: str, old: str, new: str, at: str | None = None, also: str = "") -> Bad:
    """A change of the feed or the sitemap."""
    return Bad(old, new, at, path, frozenset(also.split()))


EXAMPLES: dict[str, Example] = {
    "page-markup": Example(
        [
            put("<b>never closed", "<b>never"),
            put("<p>x</p></i>", "</i>"),
            put('<i id="page-content">x</i>'),
            Bad("<!doctype html>", "<!doctype html5>", "<!doctype"),
        ],
        [add('<svg viewBox="0 0 1 1"><rect width="1" height="1"/></svg>')],
    ),
    "page-title": Example(
        [Bad("<title>The sign-in you did not start – Monthly Security Report", "<title>", "<title>")]
    ),
    "page-description": Example(
        [
            Bad(
                '<meta name="description" content="',
                '<meta name="description" content="" data-was="',
                '<meta name="desc',
            ),
            Bad(
                '<meta name="description" content="',
                f'<meta name="description" content="{"long " * 70}',
                '<meta name="desc',
            ),
            Bad('<meta name="description"', '<meta name="description2"', "<head>"),
        ]
    ),
    "page-heading": Example(
        [put("<h1>x</h1>"), put("<h4>x</h4>"), put("<h2> </h2>")], [add("<h2>x</h2><h3>y</h3><h2>z</h2>")]
    ),
    "page-language": Example([Bad('<html lang="en">', '<html lang="de">'), Bad('<html lang="en">', "<html>")]),
    "page-address": Example(
        [
            Bad(
                f'<link rel="canonical" href="{BASE}/en/articles/the-sign-in',
                f'<link rel="canonical" href="{BASE}/en/articles/a',
                '<link rel="canonical"',
            ),
            Bad(
                f'hreflang="fr" href="{BASE}/fr/',
                'hreflang="fr" href="/fr/',
                '<link rel="alternate" hreflang="fr"',
                "en/index.html",
            ),
        ],
        [put('<a hreflang="fr" href="/fr/">x</a>').change],
    ),
    "page-inline": Example(
        [
            put("<script>x</script>"),
            put("<style>p { margin: 0 }</style>"),
            put('<p style="margin:0">x</p>'),
            put('<p onclick="x()">x</p>'),
            put('<a href="javascript:x()">x</a>'),
        ]
    ),
    "page-policy": Example(
        [
            Bad("style-src &#39;self&#39;", "style-src &#39;unsafe-inline&#39;", '<meta http-equiv="Content'),
            Bad('http-equiv="Content-Security-Policy"', 'http-equiv="x"', "<head>"),
        ]
    ),
    "page-image": Example(
        [put('<img src="/icon.svg" alt="x">'), put(f'<img src="/{FEED}">')], [add(f'<img src="/{FEED}" alt="x">')]
    ),
    "page-remote": Example(
        [
            put('<img src="https://example.org/a.png" alt="">'),
            put('<script src="https://example.org/a.js"></script>'),
            Bad("<title>", '<link rel="stylesheet" href="//example.org/a.css"><title>', '<link rel="stylesheet"'),
        ],
        [add('<a href="https://example.org/a">x</a>')],
    ),
    "page-link-dead": Example(
        [
            put('<a href="/en/nowhere/">x</a>'),
            put('<a href="#nowhere">x</a>'),
            put('<a href="../nothing/">x</a>'),
            put(f'<a href="{BASE}/en/nowhere/">x</a>'),
            put('<a href="/en/#nowhere">x</a>'),
        ],
        [
            add('<a href="../usb-stick-found/">x</a>'),
            add('<a href="/en/#page-content">x</a>'),
            add('<a href="/u/token">x</a>'),
            add('<a href="mailto:a@example.org">x</a>'),
            add('<div class="prose body"><p><a href="/en/nowhere/">x</a></p></div>'),
        ],
    ),
    "page-placeholder": Example(
        [put("<p>Dear {{ name }}</p>", "Dear {{")], [add("<p><code>{{ name }}</code></p>"), add("<p>100 % {x}</p>")]
    ),
    "page-title-twice": Example(
        [Bad("<title>The sign-in you did not start", "<title>Social media: your voice, our name", "<title>")],
    ),
    "page-feed": Example(
        [
            xml(FEED, "<feed ", "<feeds "),
            xml(FEED, "  <subtitle>", "  <id>https://example.org/</id>\n  <subtitle>", "<feed"),
            xml(FEED, "</updated>", "+x</updated>", "<updated>"),
            xml(FEED, 'rel="self"', 'rel="related"', "<feed"),
            xml(FEED, "    <id>", "    <id>urn:x</id>\n    <id>", "<entry"),
        ]
    ),
    "page-sitemap": Example(
        [
            xml(MAP, "</urlset>", f"<url><loc>{BASE}/en/nowhere/</loc></url>\n</urlset>", f"{BASE}/en/nowhere"),
            xml(
                MAP,
                "</urlset>",
                f"<url><loc>{BASE}/en/</loc></url>\n</urlset>",
                f"<url><loc>{BASE}/en/</loc></url>\n</urlset",
            ),
            xml(MAP, f"<loc>{BASE}/en/articles/the-sign-in-you-did-not-start/</loc>", "<x></x>"),
            xml(MAP, "<urlset", "<urlset<"),
        ]
    ),
}
