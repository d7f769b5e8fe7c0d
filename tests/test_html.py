"""Markdown becomes clean HTML, whatever it holds; what would cost minutes is refused before anything parses it."""

from __future__ import annotations

import re
import time
import unicodedata
from html.parser import HTMLParser
from importlib.metadata import packages_distributions

import comrak
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import html
from newsletter.html import clean_html, heading_ids, markdown_faults, markdown_links, plain_text, to_html

SECONDS = 5.0  # of CPU, under coverage too; the worst of these texts took minutes without limits

ALLOWED = {
    **{tag: {"id"} for tag in ("h2", "h3", "h4", "h5", "h6", "li")},
    **{tag: set() for tag in ("p", "ul", "blockquote", "pre", "code", "em", "strong", "del", "hr", "br")},
    **{tag: set() for tag in ("table", "thead", "tbody", "tr")},
    "a": {"href", "title", "id", "aria-label", "class"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    "sup": {"class"},
    "section": {"class"},
    "th": {"align", "scope"},
    "td": {"align"},
}

PROBES = [
    "<script>alert(1)</script>",
    "a <script>alert(1)</script> b",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<object data=data:text/html,x></object>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<link rel=stylesheet href=https://evil.example>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<form action=https://evil.example><input name=password></form>",
    "<p style='position:fixed' onclick=alert(1)>x</p>",
    "<a href='javascript:alert(1)'>x</a>",
    "<!--><script>alert(1)</script>-->",
    "<!-- a secret -->",
    "<?php evil() ?>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#x0A;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](<java\tscript:alert(1)>)",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example/)",
    r"[x](\\evil.example\share)",
    "[x](/\\evil.example)",
    "[x]\n\n[x]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "![x](//evil.example/pixel.png)",
    "![x](data:image/svg+xml,<svg/onload=alert(1)>)",
    "![x](file:///etc/passwd)",
    '![x" onerror="alert(1)](x.png)',
    '[x](https://a.example "t\\" onmouseover=\\"alert(1)")',
    '```"><script>alert(1)</script>\ncode\n```',
    '# x" onclick="alert(1)\n\n[a](#x" onclick="alert(1))',
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "x[^1]\n\n[^1]: <script>alert(1)</script>",
    'x[^"><script>]\n\n[^"><script>]: y',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<table><td background=javascript:alert(1)>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
]


class _Judge(HTMLParser):
    """Reads HTML back and notes everything that should not be in it."""

    def __init__(self, allowed: dict[str, set[str]]) -> None:
        super().__init__()
        self.allowed = allowed
        self.wrong: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name not in self.allowed.get(tag, set()):
                self.wrong.append(f"{tag} {name}")
            if name == "href" and not re.match(
                r"https?:|mailto:|#|(?![/\\]{2})[^:]*(?:[/?#]|$)", value or "", re.IGNORECASE
            ):
                self.wrong.append(f"href={value}")
            if name == "src" and re.match(r"[^/?#]*:|[/\\]{2}", value or ""):
                self.wrong.append(f"src={value}")
        if tag not in self.allowed:
            self.wrong.append(tag)

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"<!--{data}")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(f"<!{decl}")

    def handle_pi(self, data: str) -> None:
        self.wrong.append(f"<?{data}")


def judged(output: str, allowed: dict[str, set[str]] = ALLOWED) -> _Judge:
    judge = _Judge(allowed)
    judge.feed(output)
    judge.close()
    return judge


def filled(unit: str, size: int = 199_000) -> str:
    return (unit * (size // len(unit) + 1))[:size]


# --- what articles need -----------------------------------------------------------------------


def test_articles_get_tables_footnotes_and_strikethrough():
    """CommonMark and three extensions, in the markup that templates style."""
    output = to_html("| a | b |\n|:-:|--:|\n| 1 | ~~2~~ |\n\nx[^n]\n\n[^n]: Note.\n")
    assert '<td align="center">1</td>' in output
    assert "<del>2</del>" in output
    assert '<sup class="footnote-ref"><a href="#fn-n" id="fnref-n">1</a></sup>' in output
    assert '<section class="footnotes">' in output
    assert '<li id="fn-n">' in output
    assert 'class="footnote-backref" aria-label="Back to reference 1"' in output


@pytest.mark.parametrize(
    ("source", "shift", "expected"),
    [
        ("# A", 0, '<h2 id="a">A</h2>'),
        ("## A", 0, '<h2 id="a">A</h2>'),
        ("## A", 1, '<h3 id="a">A</h3>'),
        ("# A", 2, '<h3 id="a">A</h3>'),
        ("###### A", 3, '<h6 id="a">A</h6>'),
    ],
)
def test_headings_stay_below_the_title_of_the_page(source: str, shift: int, expected: str):
    """The page has its own h1, so a text has h2 to h6."""
    assert to_html(source, heading_shift=shift).strip() == expected


def test_two_texts_on_one_page_keep_their_ids_apart():
    """Every id, and every link to one, gets the prefix; what only looks like one stays."""
    source = '## A id="b"\n\n[up](#a) x[^1] `id="c" href="#d"`\n\n[^1]: y'
    output = to_html(source, id_prefix="first-")
    ids = re.findall(r'<[^>]* id="([^"]*)"', output)
    assert ids
    assert all(name.startswith("first-") for name in ids)
    assert all(target.startswith("first-") for target in re.findall(r'<[^>]* href="#([^"]*)"', output))
    assert '<code>id="c" href="#d"</code>' in output


def test_links_and_images_of_the_site_stay():
    """Web, mail and relative targets, and pictures beside the article."""
    source = "[a](https://a.example/?x=1&y=2) [b](mailto:b@b.example) [c](/en/articles/c/) [d](../d/) ![e](e.png)"
    output = to_html(source)
    for target in ("https://a.example/?x=1&amp;y=2", "mailto:b@b.example", "/en/articles/c/", "../d/"):
        assert f'href="{target}"' in output
    assert '<img src="e.png" alt="e">' in output


def test_what_is_code_stays_as_it_was_written():
    """Examples of markup are what security articles are full of."""
    assert to_html("`<script>` & `a`") == "<p><code>&lt;script&gt;</code> &amp; <code>a</code></p>\n"


def test_line_ends_of_any_system_make_the_same_page():
    """CRLF and CR come from other systems."""
    unix = "# A\n\n- b\n- c\n"
    assert to_html(unix.replace("\n", "\r\n")) == to_html(unix.replace("\n", "\r")) == to_html(unix)


# --- what nobody needs ------------------------------------------------------------------------


@pytest.mark.parametrize("probe", PROBES)
def test_nothing_active_survives(probe: str):
    """Whatever comes in, only harmless tags, attributes and targets go out."""
    for source in (probe, f"Some text {probe} more text", f"> - {probe}", f"## {probe}"):
        assert judged(to_html(source)).wrong == []


@given(st.text(st.sampled_from("<>!-?/[]()`*_~#|^:=\"'&;\\ \n\tajsx:1.")))
def test_no_text_becomes_anything_active(text: str):
    """What passes the limits comes out clean; what is free of faults loses nothing to the safe mode."""
    faults = markdown_faults(text)
    assert judged(to_html(text)).wrong == []
    options = comrak.ExtensionOptions()
    options.table = options.footnotes = options.strikethrough = True
    assert bool(faults) == ("<!-- raw HTML omitted -->" in comrak.render_markdown(text, options))


@given(st.text())
def test_any_text_is_judged_without_an_exception(text: str):
    """Lone surrogates included: files cannot hold them, callers can."""
    if not re.search("[\ud800-\udfff]", text):
        assert markdown_faults(text) or to_html(text) is not None


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("Fine.\n\n<div>\nno\n</div>\n", [3, 5]),
        ("a\nb <b>c</b>\n\nd <i>e</i>", [2, 4]),
        ("- a\n- b\n\n  <br>\n", [4]),
        ("| a |\n|---|\n| <br> |", [3]),
        ("x <!-- todo --> y", [1]),
        ("`<b>`\n\n```\n<i>\n```\n\n    <u>\n\n<s>", [9]),
        ("`` a ` <b> `` and\n<em>x</em>", [2]),
        ("<script>\n\nalert(1)\n</script>\n\nx", [1, 4]),
        ("x[^1]\n\n[^1]: a <kbd>b</kbd>", [3]),
    ],
)
def test_raw_html_is_refused_with_its_line(source: str, lines: list[int]):
    """Every line that holds some, and no line of code."""
    faults = markdown_faults(source)
    assert [fault.line for fault in faults] == lines
    assert all("raw HTML" in fault.message and fault.fix for fault in faults)


def test_a_text_full_of_html_is_told_of_some_of_it():
    """Twenty lines are enough to see that it is another kind of text."""
    assert [fault.line for fault in markdown_faults("a <b>b</b>\n" * 100)] == list(range(1, 21))


@pytest.mark.parametrize(
    "source",
    [
        "See <https://advisories.example.org/2026> or write to <csirt@meridian.example>.",
        "Use `<div>` and ``<!-- x -->``.",
        "```html\n<script>alert(1)</script>\n```",
        "    <script>indented code</script>",
        r"Escaped \<b> is text.",
        "a < b, c <3, x < y > z is math: 1 <2> 3",
        "&lt;b&gt;",
        "[angle](<a b.png>)",
    ],
)
def test_what_only_looks_like_html_is_taken(source: str):
    """Autolinks, code and mathematics are Markdown."""
    assert markdown_faults(source) == ()


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "line", "word"),
    [
        ("a " * 100_001, 1, "bytes"),
        ("x\n" + "a" * (html.MAX_LINE_CHARACTERS + 1), 2, "characters"),
        ("x\n\n|" + "a|" * 101 + "\n|" + "-|" * 101, 3, "columns"),
        ("|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + "a\n" * 100, 1, "cells"),
        ("x\n\n" + "|a|b|\n|-|-|\n|1|2|\n\n" * 1_700, 4 * 1_666 + 3, "cells"),
        ("x\n" + "> " * 51 + "a", 2, "inside"),
        (">" * 51 + "a", 1, "inside"),
        ("\n" * 4 + "- " * 51 + "a", 5, "inside"),
        ("".join("  " * n + "- a\n" for n in range(60)), 51, "inside"),
        ("\t" * 26 + "- a", 1, "inside"),
        ("> [^1]: " + "> " * 51 + "a", 1, "inside"),
        ("# a\n" * 1_001, 1_001, "headings"),
        ("a\n-\n" * 1_001, 2_002, "headings"),
        ("> - # a\n" * 1_001, 1_001, "headings"),
        ("[^1] " * 1_001, 1, "footnote"),
        ("*a " * 400 + "a* " * 400, 1, "levels deep"),
    ],
)
def test_each_limit_is_told_with_its_line(source: str, line: int, word: str):
    """The first thing beyond a limit, where it stands, and what to do."""
    fault = markdown_faults(source)[0]
    assert (fault.line, word in fault.message) == (line, True), fault
    assert fault.fix


@pytest.mark.parametrize(
    "source",
    [
        "|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + "a\n" * 90,
        "> " * 30 + "a",
        "- - - - - " * 20,
        "-" * 5_000,
        "    " + " " * 60 + "aligned = code",
        "# a\n" * 1_000,
        "*a* **b** _c_ " * 300,
        "word " * 3_999,
    ],
)
def test_what_is_within_the_limits_is_taken(source: str):
    """The limits are far beyond what anybody writes."""
    assert markdown_faults(source) == ()
    assert to_html(source)


PATHOLOGICAL = {
    "quotes": filled(">"),
    "spaced quotes": filled("> "),
    "bullets": filled("- "),
    "numbers": filled("1. "),
    "deep lists": "".join(" " * (2 * depth) + "- a\n" for depth in range(440)),
    "table bomb": "|" + "a|" * 2_000 + "\n|" + "-|" * 2_000 + "\n" + "a\n" * 2_000,
    "long table": "|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + "a\n" * 95_000,
    "delimiter rows": filled("-|-\n"),
    "equal headings": filled("# a\n"),
    "underlined headings": filled("a\n=\n"),
    "dashes": filled("-" * 19_000 + "x\n"),
    "one footnote, many marks": filled("[^1] ") + "\n\n[^1]: x",
    "brackets": filled("["),
    "images": filled("!["),
    "nested emphasis": filled("*a "),
    "closed emphasis": "*a " * 30_000 + "a* " * 30_000,
    "mixed emphasis": filled("*_"),
    "backticks": "".join("e" + "`" * n for n in range(1, 600)),
    "tags": filled("<a "),
    "tags in code": filled("`<a `\n"),
    "one long line": filled("a"),
    "entities": filled("&amp;"),
    "link definitions": "[a]: /" + "x" * 19_000 + "\n\n" + "[a] " * 30_000,
}


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_texts_made_to_be_slow_are_quick(name: str):
    """As they are, and cut into lines that pass the limit of length: refused at once, or harmless."""
    text = PATHOLOGICAL[name]
    cut = "\n".join(text[start : start + 19_000] for start in range(0, len(text), 19_000))
    start = time.process_time()
    sources = (text, cut[:199_000], cut.replace(" ", "\n")[:199_000])
    outputs = [to_html(source) for source in sources if not markdown_faults(source)]
    assert time.process_time() - start < SECONDS
    assert all(judged(output).wrong == [] for output in outputs)


def test_a_text_that_came_round_the_door_is_refused():
    """Whoever renders what was never judged has a mistake to mend."""
    with pytest.raises(ValueError, match=r"line 2: this line stands inside .*; begin the line"):
        to_html("a\n" + ">" * 60)


def test_comrak_is_comrak():
    """A fork, comrak-ext, installs into the same package and would overwrite it without a word."""
    assert packages_distributions()["comrak"] == ["comrak"]
    assert comrak.__name__ == "comrak"


# --- links ------------------------------------------------------------------------------------


def test_links_are_found_with_their_lines():
    """Inline, by reference, automatic, in lists and tables; footnotes are no links of the author's."""
    source = (
        "[a](/a/)\n\n- b\n- [c][ref] and\n  ![d](d.png)\n\n| t |\n|---|\n| <https://e.example/?x=1&y=2> |\n\n"
        "f[^1] `[no](/code/)`\n\n[^1]: [g](#g)\n\n[ref]: /c/\n"
    )
    found = sorted(markdown_links(source), key=lambda link: link.line)
    assert [(link.line, link.target, link.image) for link in found] == [
        (1, "/a/", False),
        (4, "/c/", False),
        (5, "d.png", True),
        (9, "https://e.example/?x=1&y=2", False),
        (13, "#g", False),
    ]


@pytest.mark.parametrize("probe", [*PROBES, "[a](ftp://a.example)", "[a](tel:+41)", "[a](/b/)", "![a](b.png)", "[a]()"])
def test_what_a_link_says_of_itself_is_what_happens(probe: str):
    """``is_kept`` agrees with the cleaner about every target."""
    for link in markdown_links(probe):
        attribute = "src" if link.image else "href"
        assert link.is_kept == (f' {attribute}="' in to_html(probe)), link


def test_headings_can_be_pointed_at():
    """The ids are those that the page will have."""
    assert heading_ids("# Été à l'été\n\n## A\n\n## A\n\n`# no`") == {"été-à-lété", "a", "a-1"}


# --- foreign HTML -----------------------------------------------------------------------------

FOREIGN = {
    **{tag: set() for tag in ("p", "br", "em", "strong", "i", "b", "code", "pre", "blockquote", "ul", "ol", "li")},
    "a": {"href", "rel"},
}


@pytest.mark.parametrize("probe", [*PROBES, '<a href="/relative">x</a>', '<a href="mailto:a@a.example">x</a>'])
def test_foreign_html_keeps_a_few_harmless_tags(probe: str):
    """Links absolute and to the web only, nothing remote, nothing active."""
    output = clean_html(f"<p>before {probe} after")
    assert judged(output, FOREIGN).wrong == []
    assert not re.search(r'href="(?!https?://)', output)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Caf\u00e9 &amp; <b>bar</b>", "Café & bar"),
        ("<p>one</p><p>two<br>three</p>", "one two three"),
        ("a\r\nb\tc\u00a0d\u2028e", "a b c d e"),
        ("<script>alert(1)</script>safe<style>x</style>", "safe"),
        ("1 < 2 and 3 <4", "1 < 2 and 3 <4"),
        ("evil\u202egpj.exe\u2066x\u2069", "evilgpj.exex"),
        ("zero\u200bwidth\ufeff and \x00\x1bcontrol", "zerowidth and control"),
        (
            "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("&lt;b&gt; is a tag", "<b> is a tag"),
        ("&#x202e;hidden&#0;", "hidden\ufffd"),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ("", ""),
    ],
)
def test_foreign_html_becomes_one_line_of_text(source: str, expected: str):
    """Titles and summaries of feeds: readable, one line, nothing invisible."""
    assert plain_text(source) == expected


@given(st.text() | st.text(st.sampled_from("<>&;#x0\u202e\n\x00ab/!-")))
def test_plain_text_is_always_one_clean_line(source: str):
    """Whatever a feed says."""
    output = plain_text(source)
    assert output == " ".join(output.split())
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in output)
    assert not set(output) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


@pytest.mark.parametrize(
    "hostile",
    [
        "".join(f"<b a{n}=1><p>" for n in range(14_000)),
        "<div>" * 40_000,
        "<table>x" * 25_000,
        "<b><i><u><code><p>" * 10_000,
        '<p style="' + "a:b;" * 16_000 + '">x',
        "&" * 200_000,
        "<" * 200_000,
        "<svg><desc>" * 20_000,
    ],
)
def test_foreign_html_made_to_be_slow_is_quick(hostile: str):
    """14,000 misnested tags took four minutes and 700 MB without the bounds."""
    start = time.process_time()
    assert len(clean_html(hostile)) < 10_000_000
    assert len(plain_text(hostile)) <= html.MAX_FOREIGN_CHARACTERS
    assert time.process_time() - start < SECONDS
