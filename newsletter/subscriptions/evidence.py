"""How people came to agree: kept in English, whoever they are, and read to them in their own language."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from newsletter.render.words import marked

if TYPE_CHECKING:
    from collections.abc import Callable

    from newsletter.render.words import Words

# What is kept as ``Consent.how``.
ADDED: Final = marked("added by an operator")
ADDED_AGAIN: Final = marked("added again by an operator")
IMPORTED: Final = marked("imported by an operator")
NAMED: Final = marked("named by a directory")
MOVED: Final = marked("moved to another address, confirmed by both")
UNDONE: Final = marked("took the leaving back by its link")
# How a confirmation was asked for; behind PORTALS stands the name of the portal.
FORM: Final = "form"
INVITED: Final = "invited by an operator"
PORTALS: Final = "portal "

CONFIRMED: Final = "confirmed by mailed link ({})"
ASKED: Final = "asked for at {:%Y-%m-%d %H:%M} UTC"
_PORTAL: Final = re.compile(re.escape(CONFIRMED.format(PORTALS)).removesuffix(r"\)") + r"(?P<name>.+)\)")
_ASKED: Final = re.compile(r"asked for at (\d{4}-\d\d-\d\d \d\d:\d\d) UTC", re.ASCII)
_SAID: Final = {
    CONFIRMED.format(FORM): marked("confirmed by the mailed link (form)"),
    CONFIRMED.format(INVITED): marked("confirmed by the mailed link (invitation)"),
}


def told(how: str, note: str, speech: Words, local: Callable[[datetime], datetime]) -> str:
    """Evidence as its owner reads it. What operators wrote as a note is theirs, and stays as it stands."""
    portal = _PORTAL.fullmatch(how)
    said = (
        speech.gettext("confirmed by the mailed link (portal %(name)s)") % portal.groupdict()
        if portal
        else speech.gettext(_SAID.get(how, how))
    )
    if asked := _ASKED.fullmatch(note):
        at = datetime.strptime(asked[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        note = speech.gettext("asked for on %(moment)s") % {"moment": speech.moment(local(at))}
    return f"{said}, {note}" if note else said
