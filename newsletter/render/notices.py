"""Notices: what an outbox row says becomes a small mail, from ``templates/email/<kind>/``, when it leaves.

Rows hold facts in JSON; ``facts_of`` makes them of a caller's values and ``render_notice`` reads them back: what is
called ``month`` is a Month, what ends in ``at`` or ``until`` an aware moment, everything else is itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from newsletter.model import Month, NoticeText, Tlp, report_path
from newsletter.render.addresses import visible_target
from newsletter.render.colours import readable
from newsletter.render.inline import inline
from newsletter.render.mail import DARK_GROUND, LIGHT_GROUND, even, lean
from newsletter.render.text import one_line, right, rule, wrapped
from newsletter.render.view import Tongue, preferences_url
from newsletter.render.words import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from newsletter.model import Language, Publication
    from newsletter.render.environment import Templates
    from newsletter.render.words import Words

GRANT_PATH: Final = "/l/"
MONTH: Final = "month"
UNTIL: Final = "until"
MOMENTS: Final = ("at", UNTIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    """What the layout and the frame of a notice print, under the name ``letter`` that the report's has there.

    ``label`` is None where the mail holds a link of its reader's own: who may do what they like with a mail may
    forward it, and what is not marked is not shared. ``until`` is empty, and so are the addresses, where there is none.
    """

    subject: str
    label: Tlp | None
    tongue: Tongue
    name: str
    organisation: str
    contact: str
    host: str
    until: str
    report_url: str
    preferences_url: str


def facts_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as an outbox row keeps them."""
    return {
        name: str(value) if name == MONTH else value.isoformat() if _is_moment(name) and value else value
        for name, value in values.items()
    }


def render_notice(
    kind: str,
    language: Language,
    facts: Mapping[str, Any],
    publication: Publication,
    templates: Templates,
    *,
    token: str = "",
) -> NoticeText:
    """Subject, text and (where the kind has a body.html) HTML of a notice; the same arguments give the same bytes.

    Templates print ``link``, the address made of ``token``, ``letter`` (a NoticeView), and the facts by their names:
    see ``docs/templates.md``. Raises ConfigError like ``render_report``.
    """
    values = _values(kind, language, facts, publication, templates, token=token)
    text = templates.render(language, f"email/{kind}/body.txt", wrap=wrapped, rule=rule, right=right, **values)
    html = notice_html(kind, language, facts, publication, templates, token=token)
    return NoticeText(values["letter"].subject, even(text), language, inline(html) if html else "")


def notice_html(
    kind: str,
    language: Language,
    facts: Mapping[str, Any],
    publication: Publication,
    templates: Templates,
    *,
    token: str = "",
) -> str:
    """The HTML with its styles still in one place, as ``letter_html``; empty for a kind that is text alone."""
    name = f"email/{kind}/body.html"
    if not templates.has(language, name):
        return ""
    accents = {
        "accent": readable(publication.accent, LIGHT_GROUND),
        "accent_dark": readable(publication.accent_dark, DARK_GROUND),
    }
    values = _values(kind, language, facts, publication, templates, token=token)
    return lean(templates.render(language, name, **values, **accents))


def _values(
    kind: str,
    language: Language,
    facts: Mapping[str, Any],
    publication: Publication,
    templates: Templates,
    *,
    token: str,
) -> dict[str, Any]:
    """What all templates of a notice may print."""
    values = {name: _value(name, value) for name, value in facts.items()}
    values |= {"publication": publication, "link": publication.url(GRANT_PATH + token), "language": language}
    subject = one_line(templates.render(language, f"email/{kind}/subject.txt", **values))
    return values | {"letter": _view(subject, values, publication, words(language), is_personal=bool(token))}


def _view(
    subject: str, values: Mapping[str, Any], publication: Publication, speech: Words, *, is_personal: bool
) -> NoticeView:
    language, month, until = speech.language, values.get(MONTH), values.get(UNTIL)
    return NoticeView(
        subject=subject,
        label=None if is_personal else Tlp.CLEAR,
        tongue=Tongue(language, speech.locale.text_direction, ""),
        name=publication.name,
        organisation=publication.organisation,
        contact=publication.contact,
        host=visible_target(publication.base_url),
        # A reader far away does not know our zone.
        until=f"{speech.moment(until)} ({until.tzname()})" if until else "",
        report_url=publication.url(report_path(language, month)) if month else "",
        preferences_url=preferences_url(language, publication),
    )


def _value(name: str, value: Any) -> Any:
    if name == MONTH and value:
        return Month.parse(value)
    return datetime.fromisoformat(value) if _is_moment(name) and value else value


def _is_moment(name: str) -> bool:
    return name in MOMENTS or name.endswith(tuple(f"_{moment}" for moment in MOMENTS))
