"""Notices: what an outbox row says becomes a small mail, from ``templates/email/<kind>/``, when it leaves.

Rows hold facts in JSON; ``facts_of`` makes them of a caller's values and ``render_notice`` reads them back: what is
called ``month`` is a Month, what ends in ``at`` or ``until`` an aware moment, everything else is itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from newsletter.model import Month, NoticeText
from newsletter.render.colours import readable
from newsletter.render.inline import inline
from newsletter.render.mail import DARK_GROUND, LIGHT_GROUND, even, lean
from newsletter.render.text import one_line, wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from newsletter.model import Language, Publication
    from newsletter.render.environment import Templates

GRANT_PATH: Final = "/l/"
MONTH: Final = "month"
MOMENTS: Final = ("at", "until")


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

    Templates print ``link``, the address made of ``token``, and the facts by their names: see ``docs/templates.md``.
    Raises ConfigError like ``render_report``.
    """
    values = {name: _value(name, value) for name, value in facts.items()}
    values |= {"publication": publication, "link": publication.url(GRANT_PATH + token), "language": language}
    subject = one_line(templates.render(language, f"email/{kind}/subject.txt", **values))
    text = templates.render(language, f"email/{kind}/body.txt", wrap=wrapped, **values)
    html = ""
    if templates.has(language, name := f"email/{kind}/body.html"):
        accents = {
            "accent": readable(publication.accent, LIGHT_GROUND),
            "accent_dark": readable(publication.accent_dark, DARK_GROUND),
        }
        html = inline(lean(templates.render(language, name, **values | accents | {"subject": subject})))
    return NoticeText(subject, even(text), html)


def _value(name: str, value: Any) -> Any:
    if name == MONTH and value:
        return Month.parse(value)
    return datetime.fromisoformat(value) if _is_moment(name) and value else value


def _is_moment(name: str) -> bool:
    return name in MOMENTS or name.endswith(tuple(f"_{moment}" for moment in MOMENTS))
