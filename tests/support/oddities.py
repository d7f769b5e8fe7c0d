"""Odd files for the importer: whatever people, tools and attackers leave in folders, made by a seed."""

# ruff: noqa: E501, ISC004 -- odd files have odd lines

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from random import Random

SECRET = "the secret outside of the folder"
PROSE = "The parcel was in the lift and nobody knew for whom it was, so everybody opened it and was surprised. "
BODY = f"<p>{PROSE}</p><p>{PROSE[::-1]}</p>"


def make(kind: str, folder: Path, count: int, seed: int) -> list[Path]:
    """``count`` odd files of a kind in a folder; ``secret.png`` and ``secret.txt`` lie outside of it."""
    folder.mkdir(parents=True)
    (folder.parent / "secret.txt").write_text(SECRET)
    (folder.parent / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\n" + SECRET.encode())
    chance = Random(seed)
    return [_odd(kind, folder, number, chance) for number in range(count)]


def _odd(kind: str, folder: Path, number: int, chance: Random) -> Path:
    ending, whole = ENDINGS[kind], WHOLE[kind]
    name = chance.choice(
        [f"{number:03d}-odd", f"{number:03d} Ünïcode ß", f"{number:03d}.fr", f"2019-02-30-{number:03d}"]
    )
    path = folder / f"{name}{ending}"
    if chance.random() < 0.03:
        path.symlink_to(folder.parent / "secret.txt")
        return path
    data = whole(chance).encode("utf-8", "surrogatepass")
    for _ in range(chance.choice([0, 0, 1, 2])):
        data = chance.choice(DAMAGES)(data, chance)
    path.write_bytes(data)
    return path


# --- damages ----------------------------------------------------------------------------------------------------

Damage = Callable[[bytes, Random], bytes]

DAMAGES: list[Damage] = [
    lambda data, chance: data[: chance.randrange(len(data) + 1)],
    lambda _data, _chance: b"",
    lambda _data, _chance: b" \n\t\n",
    lambda data, _chance: b"PK\x03\x04" + data,
    lambda data, _chance: gzip.compress(data),
    lambda data, _chance: data.decode("utf-8", "replace").encode("utf-16"),
    lambda data, _chance: data.decode("utf-8", "replace").encode("latin-1", "replace"),
    lambda data, chance: bytes(chance.randrange(256) for _ in range(300)) + data,
    lambda data, chance: data.replace(b"e", bytes([chance.randrange(128, 256)])),
    lambda data, chance: data.replace(b" ", chance.choice([b"\0", b"\x1b[2J", b"\xe2\x80\xae", b"\x0c", b"\xc2\x85"])),
    lambda data, _chance: data.replace(b"\n", b"\r"),
    lambda data, chance: data + b"x" * chance.choice([20_001, 250_000]),
    lambda data, chance: data + b"a " * chance.choice([20_000, 150_000]),
    lambda data, _chance: data + b"\n" + b"> " * 400 + b"deep",
    lambda data, _chance: data + b"\n|" + b"a|" * 300 + b"\n|" + b"-|" * 300 + b"\n",
    lambda data, _chance: data + b"<div>" * 3_000,
    lambda data, _chance: data + b"<b><i>" * 2_000 + b"</b></i>" * 2_000,
    lambda data, _chance: data + b"<table><tr><td>" * 300,
    lambda data, _chance: data + b"[" * 5_000 + b"](" * 5_000,
    lambda data, _chance: data + b"![a](" * 2_000,
    lambda data, _chance: data + b"`" * 3_000 + b"x" + b"*" * 3_000,
    lambda data, chance: chance.choice([b"---\n", b"+++\n", b"<!--", b"<?xml", b"From: x\n", b"{"]) + data,
]

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src='../secret.png' alt='up'>",
    "<img src='/etc/passwd' alt='root'>",
    "<img src='file:///etc/passwd'>",
    "<img src='..%2f..%2fsecret.png' alt='encoded'>",
    "<img src='https://evil.example/x.png' alt='elsewhere'>",
    "<img src='data:image/png;base64,AAAA' alt='inside'>",
    "<img src='http://[::1/x.png' alt='impossible'>",
    "<a href='javascript:alert(1)'>run</a>",
    "<a href='http://[broken'>broken</a>",
    "<iframe src='https://evil.example/'></iframe>",
    "<table><tr><td><table><tr><td><table><tr><td>nested</td></tr></table></td></tr></table></td></tr></table>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<p style='" + "x" * 5_000 + "'>styled</p>",
    "<math><mtext><table><mglyph><style><img src=x onerror=1>",
    "![up](../secret.png) ![down](a/../../secret.png) ![](/../secret.png)",
    "{{< shortcode >}} {% include x %} {{ page.title }}",
    "<pre>```\n</pre><code>`</code>",
    "\u202egnp.exe \u200b\ufeff",
)
TITLES = (
    "An odd title",
    "",
    "x" * 5_000,
    'Quotes " and \\ back: slashes # here',
    "../../etc/passwd",
    "日本語の題",
    "[a](b) *c* <d>",
    "- not a list",
    "null",
    "con",
)
DATES = (
    "2019-05-12",
    "31 February 2019",
    "12/25/2018",
    "soon",
    "",
    "0000-00-00",
    "99999-01-01",
    "le 1er mai 2019",
    "[1, 2]",
)


def _text(chance: Random) -> str:
    title = chance.choice(TITLES)
    return f"{title}\n\n{chance.choice(DATES)}\n\n{PROSE}{chance.choice(HOSTILE)}\n\nby {chance.choice(TITLES)}\n"


def _page(chance: Random) -> str:
    title, day, odd = chance.choice(TITLES), chance.choice(DATES), chance.choice(HOSTILE)
    meta = chance.choice(
        [
            f'<meta property="article:published_time" content="{day}">',
            f'<script type="application/ld+json">{{"@type": "Article", "datePublished": "{day}", "author": [1, {{}}]}}</script>',
            '<script type="application/ld+json">' + "[" * 3_000 + "</script>",
            '<script type="application/ld+json">[null, 1, "x", {"@graph": 5}]</script>',
            '<link rel="canonical" href="https://bulletin.example/2019/x"><base href="https://evil.example/">',
            '<link rel="canonical" href="https://[broken"><meta charset="no-such-charset">',
        ]
    )
    main = chance.choice(["article", "main", "div", "table", "frameset", "body"])
    heading = chance.choice([f"<h1>{title}</h1>", "", f"<h1><h1>{title}"])
    return f"<!DOCTYPE html><html><head><title>{title}</title>{meta}</head><{main}>{heading}{BODY}{odd}</{main}></html>"


def _markdown(chance: Random) -> str:
    title, day, odd = chance.choice(TITLES), chance.choice(DATES), chance.choice(HOSTILE)
    head = chance.choice(
        [
            f"---\ntitle: {title}\ndate: {day}\n---\n",
            f'---\ntitle: "{title}"\ndate: {day}\ntags: {{a: [b, c]}}\nauthor: [{{name: [x]}}, 5]\n---\n',
            f"---\ntitle: [a, b]\ndate: {day}\n---\n",
            "---\na: &a [x, x]\nb: &b [*a, *a]\ntitle: *b\n---\n",
            f"---\ntitle: x\ntitle: y\ndate: {day}\ntlp: {chance.choice(['RED', 'PURPLE', 'WHITE', 'CLEAR'])}\n---\n",
            f"+++\ntitle = {chance.choice(['5', '[1]', 'true', chr(34) + 'Tomls' + chr(34), '2019-01-01'])}\ndate = 2019-01-01\n+++\n",
            "+++\ntitle = 'no end'\n",
            f"Title: {title}\nDate: {day}\nTags: a, b\n\n",
            f"# {title}\n\n",
            f"---\ntitle: Pictures\ndate: 2019-01-01\nimage: {chance.choice(['../secret.png', '/etc/passwd', 'x'])}\nimage_alt: x\n"
            f"aliases: [{chance.choice(['/a/../../b', '//evil.example/', '/ok/path/', 'javascript:x'])}]\nslug: ../../up\n---\n",
        ]
    )
    return f"{head}{PROSE}\n\n{odd}\n\n{PROSE}\n"


def _feed(chance: Random) -> str:
    title, day, odd = chance.choice(TITLES), chance.choice(DATES), chance.choice(HOSTILE)
    content = f"<![CDATA[{BODY}{odd}]]>"
    if chance.random() < 0.5:
        doctype = chance.choice(["", "", '<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/passwd">]>'])
        return (
            f'<?xml version="1.0"?>{doctype}<rss version="2.0"><channel><title>f</title><item><title><![CDATA[{title}]]></title>'
            f"<link>https://blog.example/{chance.randrange(10**6)}</link><pubDate>{day}</pubDate>"
            f"<description>{content}</description></item></channel></rss>"
        )
    return (
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><entry><title type="html"><![CDATA['
        + title
        + "]]></title>"
        f'<link href="{chance.choice(["https://blog.example/a-b-c", "javascript:x", ""])}"/><published>{day}</published>'
        f'<content type="html">{content}</content></entry></feed>'
    )


def _letter(chance: Random) -> str:
    title, odd = chance.choice(TITLES), chance.choice(HOSTILE)
    kind = chance.choice(
        ["text/html; charset=utf-8", "text/plain; charset=no-such", "multipart/mixed; boundary=b", "image/png"]
    )
    month = chance.choice(
        ["October 2019", "report-2018-02", f"{chance.randrange(2000, 2020)}-{chance.randrange(1, 13):02d}", ""]
    )
    return (
        f"From: a@example.org\nTo: private.person@example.org\nSubject: {title} {month}\n"
        f"Date: {chance.choice(['Tue, 05 Nov 2019 09:00:00 +0100', 'never', ''])}\nMIME-Version: 1.0\n"
        f"Content-Type: {kind}\nContent-Transfer-Encoding: {chance.choice(['8bit', 'base64', 'quoted-printable', 'odd'])}\n\n"
        f"{BODY}{odd}\n"
    )


ENDINGS = {"text": ".txt", "page": ".html", "markdown": ".md", "feed": ".xml", "report": ".eml"}
WHOLE: dict[str, Callable[[Random], str]] = {
    "text": _text,
    "page": _page,
    "markdown": _markdown,
    "feed": _feed,
    "report": _letter,
}
