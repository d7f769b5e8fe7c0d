"""What our forms have in common: they are read whole, checked here and not in the browser, and say all that is wrong.

The page that comes back keeps what was typed, names every problem at its top with a link to the field, and says it
again beside the field (the GOV.UK pattern).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException

from newsletter.errors import LinkError
from newsletter.keys import form_stamp, read_form_stamp
from newsletter.parsing import parse_address
from newsletter.parsing.address import DEVIATIONS
from newsletter.render.words import marked
from newsletter.web.security import BODY

if TYPE_CHECKING:
    from starlette.requests import Request

    from newsletter.app import App
    from newsletter.model import Address

MAX_FIELDS: Final = 20
MAX_TYPED: Final = 320  # characters that a page repeats; no address is longer
STAMP_SECONDS: Final = 86_400
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

ADDRESS: Final = "address"
AUDIENCE: Final = "audience-public"  # the first of the choices: where a problem with them leads
SEND: Final = "send"  # the button: where a problem leads that no field has
STAMP: Final = "stamp"
TRAP: Final = "website"  # people do not see it; programs that fill in every field do

EMPTY: Final = marked("Enter your mail address")
NO_ADDRESS: Final = marked("Enter a mail address like name@example.org")
NOT_YET: Final = marked(
    "We cannot deliver to this address yet: before the @ only unaccented letters, digits and signs like . + - _ work "
    "here. Enter another address"
)
NOT_ASCII: Final = marked("Enter what follows the @ in its ASCII form, which begins with xn--")
NOT_OPEN: Final = marked("This edition is not for addresses like yours. Choose another one, or enter another address")
TOO_FAST: Final = marked("That was faster than we expected of a person. Press the button once more")
TOO_OLD: Final = marked("This page was open for a long time. Press the button once more")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a field; ``message`` is still to be translated."""

    field: str
    message: str


def fields(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; of one that comes twice, the last."""
    try:
        pairs = parse_qsl(
            request.scope[BODY].decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace"
        )
    except ValueError:
        raise HTTPException(400, "this is none of our forms") from None
    return dict(pairs)


def typed_address(sent: dict[str, str]) -> str:
    """What the field of an address holds, as it may be shown again: a control character is no text of a page."""
    return CONTROL.sub("\ufffd", sent.get(ADDRESS, "").strip()[:MAX_TYPED])


def read_address(typed: str, field: str = ADDRESS) -> Address | Problem:
    """The address, or what is wrong with it. Only its form is looked at."""
    try:
        return parse_address(typed)
    except ValueError:
        local, _, domain = typed.rpartition("@")
        if not typed:
            return Problem(field, EMPTY)
        if local and domain and not local.isascii():
            return Problem(field, NOT_YET)
        return Problem(field, NOT_ASCII if DEVIATIONS & set(domain) else NO_ADDRESS)


def new_stamp(app: App) -> str:
    """The moment at which a form is shown, signed."""
    return form_stamp(app.keys, int(app.clock().timestamp()))


def stamp_problem(stamp: str, app: App) -> Problem | None:
    """Whether a form was sent sooner than a person can fill it in, or long after it was shown."""
    try:
        seconds = app.clock().timestamp() - read_form_stamp(app.keys, stamp)
    except LinkError:
        return Problem(SEND, TOO_OLD)
    if seconds > STAMP_SECONDS:
        return Problem(SEND, TOO_OLD)
    return Problem(SEND, TOO_FAST) if seconds < app.settings.subscribers.min_fill_seconds else None
