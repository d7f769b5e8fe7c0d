"""What Hugo, Jekyll and Pelican add to Markdown and Markdown can say too: pictures, code, links to files."""

from __future__ import annotations

import re
from typing import Final

from newsletter.checks.texts.wording import SHORTCODE
from newsletter.importing.pictures import outside_code

MAX_NAMED: Final = 5
MAX_SHOWN: Final = 40
MAX_HIGHLIGHTS: Final = 200  # of one text: each may look for its end through all of it

# All bounded, since what begins and never ends would be looked for from every beginning through the whole text.
_CODE: Final = (
    re.compile(
        r"\{%-?\s{0,9}highlight\s{1,9}(?P<language>[\w+#-]{1,30})[^%\n]{0,200}%\}\n?(?P<code>.*?)\n?"
        r"\{%-?\s{0,9}endhighlight\s{0,9}-?%\}",
        re.DOTALL,
    ),
    re.compile(
        r"\{\{[<%]\s{0,9}highlight\s{1,9}\"?(?P<language>[\w+#-]{1,30})[^%>\n]{0,200}[%>]\}\}\n?(?P<code>.*?)\n?"
        r"\{\{[<%]\s{0,9}/\s{0,9}highlight\s{0,9}[%>]\}\}",
        re.DOTALL,
    ),
)
_FIGURE = re.compile(r"\{\{[<%]\s{0,9}figure\s(?P<said>.{0,1000}?)/?\s{0,9}[%>]\}\}", re.DOTALL)
_SAID = re.compile(r"(?P<name>\w{1,30})\s{0,9}=\s{0,9}\"(?P<value>[^\"\n]*)\"")
# Each is the address or the name of a file, with something around it.
_NAMES: Final = (
    re.compile(r"\{\{[<%]\s{0,9}(?:rel)?ref\s{1,9}\"?(?P<name>[^\"\s]{1,300}?)\"?\s{0,9}[%>]\}\}"),
    re.compile(r"\{%-?\s{0,9}(?:post_url|link)\s{1,9}(?P<name>[^\s%]{1,300})\s{0,9}-?%\}"),
    re.compile(
        r"\{\{-?\s{0,9}[\"'](?P<name>[^\"'\n]{0,300})[\"']\s{0,9}\|\s{0,9}(?:relative_url|absolute_url)\s{0,9}-?\}\}"
    ),
    re.compile(r"\{\{-?\s{0,9}site\.(?:baseurl|url)\s{0,9}-?\}\}(?P<name>)"),
    re.compile(r"(?<=\()\s{0,9}[{|](?:filename|static|attach|author|category|index)[}|](?P<name>)"),
)
# Attributes of kramdown and Pandoc: of a block, of a list of contents, of what stands before them.
_CONTENTS = re.compile(r"^[ \t]*(?:[-*+]|1\.)[ \t].*\n[ \t]*\{:\s*toc\b.*\}[ \t]*\n?", re.MULTILINE)
_BLOCK = re.compile(r"^[ \t]*\{:.*\}[ \t]*\n?", re.MULTILINE)
_AFTER = re.compile(
    r"(?<=\))\{(?:[.#:]|\w{1,30}=)[^{}\n]{0,300}\}|(?<=\S)[ \t]{0,9}\{(?::[^{}\n]{0,300}\}|#[\w-]{1,100}\}[ \t]*+$)",
    re.MULTILINE,
)


def in_markdown(body: str) -> str:
    """The text with what Markdown can say in Markdown; the other shortcodes stay, to be told."""
    for pattern in _CODE if 0 < body.count("highlight") <= MAX_HIGHLIGHTS * 2 else ():
        body = outside_code(body, lambda text, pattern=pattern: pattern.sub(_fence, text))  # type: ignore[misc]
    return outside_code(body, _said)


def left_over(body: str) -> tuple[str, ...]:
    """What only the old tool understood, outside of code: the beginnings of the first few kinds."""
    found: dict[str, None] = {}

    def kept(text: str) -> str:
        found.update(dict.fromkeys(" ".join(one.split())[:MAX_SHOWN] for one in SHORTCODE.findall(text)))
        return text

    outside_code(body, kept)
    return tuple(found)[:MAX_NAMED]


def _fence(found: re.Match[str]) -> str:
    return f"```{found['language']}\n{found['code']}\n```"


def _said(text: str) -> str:
    text = _FIGURE.sub(_figure, text)
    for pattern in _NAMES:
        text = pattern.sub(lambda found: found["name"], text)
    return _AFTER.sub("", _BLOCK.sub("", _CONTENTS.sub("", text)))


def _figure(found: re.Match[str]) -> str:
    """A picture with its words, and its caption below it."""
    said = {one["name"]: one["value"] for one in _SAID.finditer(found["said"])}
    if not said.get("src"):
        return found[0]
    caption = said.get("caption") or said.get("title") or ""
    alt = said.get("alt") or ""
    picture = f"![{re.sub(r'[][]', '', alt)}](<{said['src']}>)"
    return f"{picture}\n\n{caption}" if caption and caption != alt else picture
