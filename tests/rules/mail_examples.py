"""For each rule over letters: small changes of a good letter that it must find, in their places, and some it must not.

A place is named by the characters that stand there: ``at="<b>"``. ``also`` names other rules that rightly find the
same change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from newsletter.model import UNSUBSCRIBE_SLOT
from tests.rules.letters import Change, Draft, both, changed

FOOT = '<div class="foot"'
ASK = "Questions, doubts, incidents:\nComputer"
STYLE = "@media (max-width"
LOGO = (
    "Content-Type: image/png\nContent-Transfer-Encoding: base64\nContent-ID: <logo>\nContent-Disposition: inline\n\n"
    "iVBORw0KGgo=\n"
)


@dataclass(frozen=True)
class Bad:
    """A change that the rule finds, at each of ``at`` (characters of the ``part``; none: its first line)."""

    change: Change
    at: tuple[str, ...] = ("",)
    part: str = "html"
    also: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Example:
    """What a rule finds, and what it lets pass."""

    bad: list[Bad]
    good: list[Change] = field(default_factory=list)


def html(old: str, new: str, *at: str, also: str = "") -> Bad:
    """A change of the HTML, found in it; where it begins, unless ``at`` says otherwise."""
    return Bad(changed("html", old, new), at or (new,), "html", frozenset(also.split()))


def put(snippet: str, *at: str, also: str = "") -> Bad:
    """Something more in the HTML, before the foot."""
    return Bad(add(snippet), at or (snippet,), "html", frozenset(also.split()))


def add(snippet: str) -> Change:
    """As ``put``, for a good example."""
    return changed("html", FOOT, f"{snippet}\n{FOOT}")


def css(rule: str, *at: str, also: str = "") -> Bad:
    """Something more in the style block, before the part for telephones."""
    return Bad(changed("html", STYLE, f"{rule}\n{STYLE}"), at or (rule,), "html", frozenset(also.split()))


def text(old: str, new: str, *at: str, also: str = "") -> Bad:
    """A change of the text, found in it."""
    return Bad(changed("text", old, new), at or (new,), "txt", frozenset(also.split()))


def told(line: str, *at: str, also: str = "") -> Bad:
    """One more line in the text, before the last questions."""
    return Bad(say(line), at or (line,), "txt", frozenset(also.split()))


def say(line: str) -> Change:
    """As ``told``, for a good example."""
    return changed("text", ASK, f"{line}\n\n{ASK}")


def head(old: str, new: str, *at: str, also: str = "") -> Bad:
    """A change of the headers, found there; ``new`` may be empty, then ``at`` says where."""
    return Bad(changed("head", old, new), at or (new,), "eml", frozenset(also.split()))


def bytes_of(old: bytes, new: bytes, *at: str, also: str = "") -> Bad:
    """A change of the message as sent."""
    return Bad(spoilt(old, new), at, "eml", frozenset(also.split()))


def spoilt(old: bytes, new: bytes) -> Change:
    """As ``bytes_of``, without a place."""

    def change(draft: Draft) -> Draft:
        assert old in draft.raw()
        return replace(draft, spoil=lambda raw: raw.replace(old, new, 1))

    return change


def with_logo(change: Change) -> Change:
    """The same in a letter that carries a logo."""
    return both(lambda draft: replace(draft, more=LOGO), change)


def logo(image: str, *at: str) -> Bad:
    """An image in a letter that carries a logo."""
    return Bad(with_logo(add(image)), at or (image,))


LINK = '<a href="{0}" style="color:#1f4e79">{1}</a>'


def linked(href: str, words: str = "read more", *, also: str = "") -> Bad:
    """A link in both parts, found in the HTML."""
    return Bad(link(href, words), (f'<a href="{href}"',), "html", frozenset(also.split()))


def link(href: str, words: str = "read more") -> Change:
    """As ``linked``, for a good example."""
    return both(add(f"<p>{LINK.format(href, words)}</p>"), say(href.removeprefix("mailto:")))


def lines(count: int) -> str:
    """Some HTML of ``count`` bytes."""
    row = f"<p>{'many words ' * 9}</p>\n"
    return row * (count // len(row) + 1)


WEAK = ".weak { font-size: 20px }"
P = '<p style="color:#1f1d1a;background-color:#ffffff">'
IN_DARK = "@media (prefers-color-scheme: dark) {"


def _unstyled(page: str) -> str:
    """Without any style attribute."""
    return re.sub(r""" style=("[^"]*"|'[^']*')""", "", page)


def _marked(draft: Draft) -> Draft:
    """The same letter, marked TLP:GREEN as a whole."""
    return replace(
        draft,
        head=draft.head.replace("TLP:CLEAR", "TLP:GREEN"),
        text=draft.text.replace("TLP:CLEAR", "TLP:GREEN"),
        html=draft.html.replace("TLP:CLEAR", "TLP:GREEN"),
    )


EXAMPLES: dict[str, Example] = {
    "mail-markup": Example(
        [
            put("<p>open</p></i>", "</i>"),
            put("<em>never closed", "<em>never"),
            put("<b><i>x</b>", "<i>x"),
            put('<p id="one">1</p><p id="one">2</p>', '<p id="one">2'),
            put("<p>a<div>b</div></p>", "<div>b"),
            put('<p class="a" class="b">x</p>'),
            put("<![CDATA[ x ]]>"),
            put("<a href='mailto:Computer.Security@meridian.example'>a <a href='#x'>b</a></a>", "<a href='#x'"),
        ],
        [add("<p>fine &amp; closed<br>even so</p>"), add('<p id="alone">1</p>')],
    ),
    "mail-doctype": Example([html("<!DOCTYPE html>", "<!doctype html>")]),
    "mail-language": Example(
        [
            html(
                'aria-label="TLP:CLEAR Monthly Security Report, October 2026: A voice is a credential too" lang="en"',
                'aria-label="Report"',
                '<div class="page"',
            ),
            html('<html lang="en"', '<html lang="fr"'),
            put('<p lang="not a language">x</p>'),
        ],
        [add('<p lang="fr-CH">Bonjour</p>')],
    ),
    "mail-direction": Example([html('<html lang="en" dir="ltr">', '<html lang="en">')]),
    "mail-title": Example(
        [
            Bad(
                lambda d: replace(
                    d, html=d.html.replace(d.html.partition("<title>")[2].partition("</title>")[0], "", 1)
                ),
                ("<title>",),
            )
        ]
    ),
    "mail-charset": Example([html('<meta charset="utf-8">', '<meta name="x" content="y"><meta charset="utf-8">')]),
    "mail-color-scheme": Example(
        [
            html('<meta name="supported-color-schemes" content="light dark">\n', "", "<head>"),
            html('<meta name="color-scheme" content="light dark">', '<meta name="color-scheme" content="light">'),
        ]
    ),
    "mail-viewport": Example(
        [
            html('content="width=device-width, initial-scale=1"', 'content="width=600"', '<meta name="viewport"'),
            html("initial-scale=1", "initial-scale=1, user-scalable=no", '<meta name="viewport"'),
        ]
    ),
    "mail-table-role": Example(
        [
            put("<table><tr><td>x</td></tr></table>"),
            put('<table role="presentation"><tr><th scope="col">x</th></tr></table>'),
        ],
        [add('<table role="none"><tr><td>x</td></tr></table>')],
    ),
    "mail-table-head": Example(
        [put("<table><tr><th>x</th></tr></table>", "<th>")],
        [add('<table><tr><th scope="row">x</th><td>1</td></tr></table>')],
    ),
    "mail-image": Example(
        [
            logo('<img src="cid:logo" height="48">'),
            logo('<img src="cid:logo" alt="Us">'),
            logo('<img src="cid:logo" alt="Us" width="50%">'),
        ],
        [with_logo(add('<img src="cid:logo" alt="Us" height="48">'))],
    ),
    "mail-image-foreign": Example(
        [
            put('<img src="https://example.org/p.gif" alt="" height="1">', also="mail-remote"),
            put('<img src="cid:nothing" alt="Us" height="48">'),
            logo('<img src="cid:logo" alt="Us" height="48"><img alt="" src="cid:logo" height="9">', '<img alt=""'),
        ],
        [with_logo(add('<img src="cid:logo" alt="Us" height="48">'))],
    ),
    "mail-heading": Example(
        [
            Bad(both(add("<h1>Report</h1>"), say("Report")), ("<h1>Report",)),
            Bad(both(add("<h4>Digits</h4>"), say("Digits")), ("<h4>Digits",)),
            put("<h3></h3>"),
        ],
        [both(add("<h3>Digits</h3>"), say("Digits"))],
    ),
    "mail-forbidden": Example(
        [
            put("<form></form>"),
            put("<script></script>"),
            put("<svg></svg>"),
            put('<input name="x">'),
            put('<meta http-equiv="refresh" content="1">'),
            put("<iframe></iframe>"),
        ],
    ),
    "mail-handler": Example(
        [put('<p onclick="x()">x</p>'), put('<p title="javascript:x()">x</p>')], [add('<p title="one">x</p>')]
    ),
    "mail-remote": Example(
        [
            put('<p background="https://example.org/a.png">x</p>'),
            put("<p style=\"background-color:url('https://example.org/a')\">x</p>"),
            css("@import 'https://example.org/a.css';", also="mail-css-unsupported"),
            css("i.x { color: url(//example.org/a) }", "color: url("),
        ]
    ),
    "mail-conditional": Example(
        [
            html(
                "<!--[if mso]></td></tr></table><![endif]-->",
                "<!--[if mso]></td></tr><![endif]-->",
                '<!--[if mso]><table role="presentation" align',
            ),
            html("<!--[if mso]></td></tr></table><![endif]-->", "<!--[if mso]></td></tr></table>-->"),
            html("<!--[if mso]></td></tr></table><![endif]-->", "<!--[if mso]></td></tr></table>", also="mail-markup"),
            put("<!--<![endif]-->"),
            put("<!--[if !mso]><!--><p>x</p>"),
            put("<!--[if mso]></b><![endif]-->"),
        ],
        [add("<!--[if !mso]><!--><p>x</p><!--<![endif]-->"), add("<!--[if mso]><br><![endif]-->")],
    ),
    "mail-hidden": Example(
        [
            put('<p style="display:none">secret</p>', also="mail-css-unsupported"),
            put('<p style="color:#ffffff;background-color:#ffffff">secret</p>', also="mail-contrast-dark"),
            put('<p style="font-size:0">secret</p>', also="mail-body-small"),
            put('<p style="opacity:0">secret</p>', also="mail-css-unsupported"),
            put('<p style="max-height:0;overflow:hidden">secret</p>', also="mail-css-unsupported"),
            put('<p style="text-indent:-9999px">secret</p>'),
            put('<div style="display:none"><p>secret</p></div>', also="mail-css-unsupported"),
            put('<p style="display:none;color:#777777">secret</p>', also="mail-css-unsupported"),
        ],
        [add('<p style="display:block">open</p>')],
    ),
    "mail-text-small": Example(
        [
            put('<span style="font-size:12px">small</span>'),
            Bad(
                both(
                    changed(
                        "html", STYLE, "@media (max-width: 400px) { .tiny { font-size: 9px !important } }\n" + STYLE
                    ),
                    add('<span class="tiny">small</span>'),
                ),
                ('<span class="tiny"',),
            ),
        ],
        [add('<span style="font-size:13px">small</span>'), add('<span style="font-size:1em">as it is</span>')],
    ),
    "mail-body-small": Example(
        [put('<p style="font-size:15px">small</p>'), put('<ul style="font-size:80%"><li>small</li></ul>', "<li>small")],
        [add('<p style="font-size:12pt">good</p>')],
    ),
    "mail-line-height": Example(
        [
            put(f'<p style="line-height:1.2">{"close lines " * 5}</p>'),
            put(f'<p style="font-size:20px;line-height:22px">{"close lines " * 5}</p>'),
        ],
        [add('<p style="line-height:1.2">short</p>'), add(f'<p style="line-height:150%">{"good lines " * 5}</p>')],
    ),
    "mail-contrast-light": Example(
        [
            put('<p class="quiet" style="color:#999999">grey</p>', also="mail-contrast-inverted"),
            put('<p class="quiet" style="color:#7f7f7f">grey</p>', also="mail-contrast-inverted"),
        ],
        [
            add('<p class="quiet" style="color:#767676">grey</p>'),
            add('<p class="quiet" style="color:#808080;font-size:24px">large</p>'),
            add('<p class="quiet" style="color:#808080;font-size:19px;font-weight:bold">large</p>'),
        ],
    ),
    "mail-contrast-dark": Example(
        [
            put('<p style="color:#1f1d1a">ink, in the dark too</p>'),
            Bad(
                both(
                    changed("html", IN_DARK, f"{IN_DARK} .dim {{ color: #555555 !important }}"),
                    add('<p class="dim">dim</p>'),
                ),
                ('<p class="dim"',),
            ),
        ],
        [add(f"{P}ink on its own paper</p>")],
    ),
    "mail-contrast-inverted": Example(
        [
            put('<p style="color:#ffffff;background-color:#767676">on grey</p>'),
            put('<p style="color:#ffffff;background-color:#757575">on grey</p>'),
        ],
        [add('<p style="color:#ffffff;background-color:#1f4e79">on blue</p>')],
    ),
    "mail-link-scheme": Example(
        [
            linked("http://example.org/a"),
            put('<a href="tel:123">call</a>', also="mail-link-parity"),
            linked("https://us@example.org/a"),
            put('<a href="/en/">here</a>', also="mail-link-parity"),
        ],
        [link("https://example.org/a"), link("mailto:someone@example.org", "someone@example.org")],
    ),
    "mail-link-differs": Example(
        [
            linked("https://example.org/a", "https://example.com/a"),
            linked("https://example.org/a", "www.example.com"),
            linked("https://example.org/a", "example.com"),
            linked("mailto:one@example.org", "two@example.org"),
            linked("https://example.org/a", "sign in at https://example.com now"),
            linked("https://example.org.evil.test/", "https://example.org"),
            linked("https://example.org/a", "https://example.org/b"),
            linked("mailto:one@example.org", "ask two@example.org"),
        ],
        [
            link("https://example.org/a", "example.org"),
            link("https://example.org/a", "https://example.org/a"),
            link("https://example.org/a", "the file report.pdf"),
            link("https://example.org/a", "How example.com was copied"),
        ],
    ),
    "mail-link-tracked": Example(
        [
            linked("https://example.org/a?utm_source=x"),
            linked("https://bit.ly/x"),
            linked("https://x.list-manage.com/a"),
            linked("https://example.org/out?url=https://example.com/"),
            linked("https://example.org/?mc_cid=1"),
            linked("https://click.example.org/ls/click?upn=u001"),
        ],
        [link("https://example.org/a?page=2")],
    ),
    "mail-link-wordless": Example([linked("https://example.org/a", "")], [link("https://example.org/a", "words")]),
    "mail-link-parity": Example(
        [put(LINK.format("https://example.org/a", "more")), told("https://example.org/only-text")],
        [link("https://example.org/a/"), say("(https://www.meridian.example/security)")],
    ),
    "mail-css-unreadable": Example([css("p { color red }", " }\n@media (max-width"), put('<p style="color">x</p>')]),
    "mail-css-unsupported": Example(
        [
            css("p { position: absolute }", "position"),
            css("p { dislpay: block }", "dislpay"),
            css("p:first-child { color: #000000 }"),
            css("@supports (x) { p { margin: 0 } }"),
            css("p { width: calc(1px + 2px) }", "width: calc"),
            css("td > em { margin: 0 }"),
            css("p { display: flex }", "display: flex"),
            put('<p style="filter:none">x</p>'),
            css("p + em { margin: 0 }"),
            css("p { width: 4vw }", "width: 4vw"),
        ],
        [changed("html", STYLE, f"p.a {{ margin: 0; hyphens: auto }} td em {{ margin: 0 }}\n{STYLE}")],
    ),
    "mail-css-inline": Example(
        [Bad(lambda d: replace(d, html=_unstyled(d.html)), ("<style>",), "html", frozenset({"mail-hidden"}))]
    ),
    "mail-css-outweighed": Example(
        [
            Bad(
                both(
                    changed("html", STYLE, f"@media (max-width: 400px) {{ i.a {{ color: red }} {WEAK} }}\n{STYLE}"),
                    add(f'{P}<span class="weak" style="font-size:17px">x</span></p>'),
                ),
                (WEAK,),
            )
        ],
        [
            changed("html", STYLE, f"@media (max-width: 400px) {{ .nobody {{ margin: 0 }} }}\n{STYLE}"),
            changed("html", STYLE, f"@media (max-width: 400px) {{ h1 {{ padding: 0 !important }} }}\n{STYLE}"),
        ],
    ),
    "mail-clipped": Example([put(lines(50_000), "<!DOCTYPE")]),
    "mail-large": Example([put(lines(15_000), "<!DOCTYPE")]),
    "mail-css-dropped": Example([css("i.a { margin: 0 }\n" * 600, "<style>", also="mail-large")]),
    "mail-css-large": Example([css("i.a { margin: 0 }\n" * 100, "<style>")]),
    "mail-heavy": Example(
        [Bad(lambda d: replace(d, more=LOGO + "iVBORw0KGgo=\n" * 20_000), part="eml")],
        [lambda d: replace(d, more=LOGO + "iVBORw0KGgo=\n" * 200)],
    ),
    "mail-placeholder": Example(
        [
            put("<p>Dear {{ name }}</p>", "{{ name"),
            told("Dear *|FNAME|*", "*|FNAME"),
            put("<td>None</td>", "None</td>", also="mail-markup"),
            put('<p title="%%x%%">x</p>'),
            told("{% if x %}"),
            told("${name}"),
            told("Lorem ipsum".lower()),
            head("Report, October 2026", "Report, {{ month }}", "Subject:"),
        ],
        [add("<p>None of us</p>"), say("100 % of {braces}")],
    ),
    "mail-unsubscribe-link": Example(
        [
            html(
                "https://security.meridian.example/u/000",
                "https://security.meridian.example/u/0 0",
                '<a href="https://security.meridian.example/u/',
                also="mail-link-parity",
            ),
            html(
                "0" * 34,
                UNSUBSCRIBE_SLOT,
                '<a href="https://security.meridian.example/u/',
                also="mail-placeholder mail-link-parity",
            ),
        ]
    ),
    "mail-invisible": Example(
        [
            put("<p>a\u200bb</p>", "\u200bb"),
            told("soft\u00adhyphen", "\u00adhyphen"),
            told("turn \u202eround", "\u202e"),
            told("padded\u200c\u200c", "\u200c\u200c", "\u200c\n"),
        ],
        [say("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"), say("no\u00a0break")],
    ),
    "mail-tlp": Example(
        [
            Bad(lambda d: replace(d, text=d.text.replace("TLP:CLEAR", "         ", 1)), part="txt"),
            head("Subject: TLP:CLEAR", "Subject: TLP:GREEN"),
            Bad(lambda d: replace(_marked(d), text=d.text), part="txt"),
            Bad(lambda d: replace(_marked(d), head=d.head.replace("TLP:CLEAR ", "")), ("Subject:",), "eml"),
        ],
        [_marked, changed("head", "TLP:CLEAR ", "")],
    ),
    "mail-tlp-part": Example(
        [put("<p>TLP:AMBER+STRICT</p>", "TLP:AMBER"), told("TLP:GREEN")],
        [say("We tell TLP:RED only in person."), say("TLP:CLEAR")],
    ),
    "mail-text-missing": Example(
        [
            Bad(
                lambda d: replace(d, text="Dear\n"),
                part="txt",
                also=frozenset(
                    ["mail-link-parity", "mail-tlp", "mail-heading-parity", "mail-word-parity", "mail-unsubscribe-link"]
                ),
            )
        ]
    ),
    "mail-text-wide": Example(
        [told("many words " * 8)],
        [say("See " + "x" * 74), link("https://www.meridian.example/security/" + "x" * 60)],
    ),
    "mail-text-markup": Example(
        [
            told("a <b>bold</b> word", "<b>"),
            told("fish &amp; chips", "&amp;"),
            told("**bold** words"),
            told("## Heads"),
            told("| --- | --- |"),
        ],
        [say("2 * 3 * 4 < 5 & 6"), say("- an item"), say("snake_case_name")],
    ),
    "mail-heading-parity": Example([put("<h3>Nowhere else</h3>")], [add("<h3>ARTICLES</h3>")]),
    "mail-word-parity": Example(
        [
            Bad(say("\n".join(f"word{n}x" for n in range(300))), ("<!DOCTYPE",)),
            Bad(add("<p>" + " ".join(f"word{n}x" for n in range(300)) + "</p>"), part="txt"),
        ],
        [say("a few more words than there")],
    ),
    "mail-header-form": Example(
        [
            bytes_of(b"Precedence: bulk\r\n", b"Precedence: bulk\n", "Precedence"),
            bytes_of(
                b"List-Post: NO\r\n",
                b"List-Post: NO\r\nnonsense\r\n",
                "nonsense",
                also="mail-parts mail-tlp mail-text-markup",
            ),
            bytes_of(b"Precedence", b"X-Name: caf\xe9\r\nPrecedence", "X-Name"),
            bytes_of(b"Precedence", b"X-Long: " + b"x" * 999 + b"\r\nPrecedence", "X-Long"),
        ]
    ),
    "mail-header-once": Example(
        [
            head("Precedence: bulk\n", "Precedence: bulk\nSubject: another one\n", "Subject: another"),
            head("Reply-To: Computer.Security@meridian.example\n", "", "To: "),
            head("Precedence", "Bcc: a@example.org\nPrecedence"),
            head("Precedence: bulk\n", "Precedence: bulk\nFROM: x@example.org\n", "FROM"),
        ]
    ),
    "mail-header-people": Example(
        [
            head("To: Computer.Security@meridian.example", "To: a@example.org, b@example.org"),
            head("<Computer.Security@meridian.example>", "<other@meridian.example>", "From:"),
        ],
        [changed("head", "To: Computer.Security@meridian.example", "To: Somebody <a@example.org>")],
    ),
    "mail-header-moment": Example(
        [
            head("Date: Tue, 03 Nov", "Date: 3.11."),
            head(" +0100\n", "\n", "Date:"),
            head("Message-ID: <", "Message-ID: "),
        ]
    ),
    "mail-header-long": Example([head("Precedence", f"X-Words: {'word ' * 18}x\nPrecedence")]),
    "mail-encoded-word": Example(
        [
            head("Precedence", f"X-Name: =?utf-8?q?{'a' * 70}?=\nPrecedence"),
            head("Precedence", "X-Name: =?utf-8?b?%%?=\nPrecedence"),
            head("Precedence", "X-Name: =?no-such?q?a?=\nPrecedence"),
            head(
                "From: Meridian",
                "From: =?utf-8?q?M?= <=?utf-8?q?a?=@b.example>\nX-From: Meridian",
                "From: =",
                also="mail-header-people",
            ),
        ],
        [changed("head", "From: Meridian", "From: =?utf-8?q?M=C3=A9ridian?=")],
    ),
    "mail-unsubscribe": Example(
        [
            head("List-Unsubscribe-Post: List-Unsubscribe=One-Click\n", "", "List-Unsubscribe: "),
            head("List-Unsubscribe=One-Click", "one-click", "List-Unsubscribe-Post"),
            head("List-Unsubscribe: <https:", "List-Unsubscribe: <https://example.org/a>,\n <https:"),
            head("List-Unsubscribe: <https", "List-Unsubscribe: https"),
            Bad(
                both(
                    changed("head", "List-Unsubscribe-Post: List-Unsubscribe=One-Click\n", ""),
                    changed("head", "List-Unsubscribe: <https:", "List-Unsubscribe: <http:"),
                ),
                ("List-Unsubscribe: ", "List-Unsubscribe: "),
                "eml",
            ),
            head("/u/0000", "/u/", "List-Unsubscribe: "),
        ],
        [changed("head", "List-Unsubscribe: <", "List-Unsubscribe: <mailto:leave@example.org>,\n <")],
    ),
    "mail-list": Example(
        [
            head("List-Post: NO", "List-Post: <mailto:a@example.org>"),
            head("Precedence: bulk\n", "", "To: "),
            head("List-Help: <mailto:Computer.Security@meridian.example>", "List-Help: mailto:a@example.org"),
            head("<monthly-report.security.meridian.example>", "<another.meridian.example>", "List-Id"),
        ]
    ),
    "mail-archived": Example(
        [
            head("Archived-At: <https://security.meridian.example", "Archived-At: <https://example.org"),
            Bad(
                lambda d: replace(
                    d,
                    head="".join(
                        line for line in d.head.splitlines(keepends=True) if not line.startswith("Archived-At")
                    ),
                ),
                part="eml",
            ),
        ]
    ),
    "mail-feedback": Example(
        [
            head("Feedback-ID: 2026-10:public-en:report:meridianexample", "Feedback-ID: meridian"),
            head(":public-en:", f":{'a1' * 20}:", "Feedback-ID"),
        ]
    ),
    "mail-parts": Example(
        [
            Bad(
                lambda d: replace(d, more="Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\nAAAA\n"),
                ("Content-Type: application/pdf",),
                "eml",
            ),
            bytes_of(b"text/plain; charset=utf-8", b"text/plain; charset=latin1", "Content-Type: text/plain"),
            bytes_of(
                b"Content-Transfer-Encoding: quoted-printable",
                b"Content-Transfer-Encoding: 8bit",
                "Content-Type: text/plain",
                also="mail-link-parity mail-heading-parity",
            ),
        ],
        [lambda d: replace(d, more=LOGO)],
    ),
    "mail-body-lines": Example(
        [
            bytes_of(b"\r\nhand, or call us.", b"\r\nhand, or c\xe9ll us.", "hand, or c", also="mail-parts"),
            bytes_of(b"\r\nhand, or call us.", b"\r\n.hand, or call us.", ".hand"),
            bytes_of(b"\r\nhand, or call us.", b"\r\n" + b"hand" * 20, "handhand", also="mail-text-wide"),
        ]
    ),
    "mail-subject": Example(
        [
            head(
                ": A voice is a\n credential too",
                f": {'a longer title ' * 3}"[:-1],
                "Subject:",
                also="mail-header-long",
            ),
            head("Subject: TLP:CLEAR Monthly", "Subject: RE: Monthly"),
            head(" Monthly Security Report, October 2026: A voice is a\n credential too", "", "Subject:"),
            head("Subject: TLP:CLEAR Monthly", "Subject: =?utf-8?q?a=E2=80=8Bb?=\n Monthly", "Subject:"),
        ]
    ),
}
