"""A Report becomes a letter: its subject, its HTML and its text, with a slot where the personal link goes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from newsletter.errors import ConfigError
from newsletter.model import UNSUBSCRIBE_SLOT, Variant
from newsletter.render.charts import text_table, text_trend
from newsletter.render.colours import readable
from newsletter.render.inline import inline
from newsletter.render.prose import mail_html, mail_text
from newsletter.render.text import LinkNotes, facts, heading, one_line, right, rule, wrapped
from newsletter.render.view import letter_view
from newsletter.render.words import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from newsletter.model import Language, Publication, Report
    from newsletter.render.environment import Templates
    from newsletter.render.view import LetterView

REPORT: Final = "email/report"
# The one image that a letter may show: it travels inside the message (deliver/message.py completes the Content-ID).
LOGO: Final = "cid:logo"
# The darkest light ground and the lightest dark ground of the style: accents must be readable on both.
LIGHT_GROUND: Final = "#f3f1ec"
DARK_GROUND: Final = "#24272b"


def render_report(report: Report, publication: Publication, templates: Templates) -> Variant:
    """The letter of ``report``, with ``UNSUBSCRIBE_SLOT`` in the HTML and in the text.

    The same input gives the same characters on every machine. Raises ConfigError, naming file, line and variable,
    when a template of the site is broken, and when it has no place for the unsubscribe link.
    """
    letter = letter_view(report, publication, words(report.language))
    values = _values(letter, publication)
    subject = templates.render(report.language, f"{REPORT}/subject.txt", **values)
    text_tools = _text_tools(letter, publication)
    text = templates.render(report.language, f"{REPORT}/body.txt", **values, **text_tools)
    html = letter_html(report, publication, templates)
    for name, part in (("body.html", html), ("body.txt", text)):
        if UNSUBSCRIBE_SLOT not in part:
            raise ConfigError(f"{REPORT}/{name}: nobody could leave the list: print {{{{ unsubscribe }}}} somewhere")
    return Variant(report=report, subject=one_line(subject), html=inline(html), text=_even(text))


def letter_html(report: Report, publication: Publication, templates: Templates) -> str:
    """The letter's HTML with its styles still in one place: what ``inline`` takes, and must not change the look of."""
    letter = letter_view(report, publication, words(report.language))
    tools = _html_tools(letter, publication)
    page = templates.render(report.language, f"{REPORT}/body.html", **_values(letter, publication), **tools)
    return _lean(page)


def render_notice(
    name: str, language: Language, values: Mapping[str, Any], publication: Publication, templates: Templates
) -> tuple[str, str]:
    """Subject and text of a small mail of ours from ``templates/email/<name>/``.

    ``reminder-draft-ready`` prints ``month`` (Month), ``at`` (the aware datetime of sending), ``days`` (until then)
    ``failures`` (texts) and ``blocking`` (how many findings block); ``reminder-held`` prints ``month``, ``reason``
    ("late", "unapproved", "blocked" or "failed"), ``detail`` (text), ``findings`` (texts) and ``more`` (how many).
    Raises ConfigError like ``render_report``.
    """
    tools = {"publication": publication, "wrap": wrapped}
    subject = templates.render(language, f"email/{name}/subject.txt", **tools, **values)
    text = templates.render(language, f"email/{name}/body.txt", **tools, **values)
    return one_line(subject), _even(text)


# --- what templates may call -----------------------------------------------------------------


def _values(letter: LetterView, publication: Publication) -> dict[str, Any]:
    unsubscribe = publication.url(f"/u/{UNSUBSCRIBE_SLOT}")
    return {"letter": letter, "publication": publication, "unsubscribe": unsubscribe}


def _html_tools(letter: LetterView, publication: Publication) -> dict[str, Any]:
    home = letter.own_url or publication.url("/")

    def prose(markdown: str, *, shift: int, page: str = home) -> str:
        return mail_html(markdown, publication, page=page, heading_shift=shift)

    return {
        "prose": prose,
        "accent": readable(publication.accent, LIGHT_GROUND),
        "accent_dark": readable(publication.accent_dark, DARK_GROUND),
        "logo": LOGO if publication.logo else "",
    }


def _text_tools(letter: LetterView, publication: Publication) -> dict[str, Any]:
    home = letter.own_url or publication.url("/")
    notes = LinkNotes()

    def prose(markdown: str, *, indent: int = 0, page: str = home) -> str:
        return mail_text(markdown, publication, notes, page=page, indent=indent)

    return {
        "prose": prose,
        "notes": notes,
        "wrap": wrapped,
        "heading": heading,
        "rule": rule,
        "right": right,
        "facts": facts,
        "table": text_table,
        "trend": text_trend,
    }


# --- tidying what templates printed -----------------------------------------------------------------


def _even(text: str) -> str:
    """Lines without blanks at their end, at most two empty ones together, one line break at the very end."""
    lines = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{4,}", "\n\n\n", lines).strip("\n") + "\n"


def _lean(html: str) -> str:
    """Without indentation and empty lines, which cost room and say nothing; preformatted text keeps its own."""
    parts = re.split(r"(<pre\b.*?</pre>)", html, flags=re.DOTALL)
    return "".join(part if part.startswith("<pre") else re.sub(r"\n\s*", "\n", part) for part in parts)
