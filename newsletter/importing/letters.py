"""Reports that were sent before this tool was there: letters (.eml) and pages become past editions of the archive."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.errors import MessageError
from typing import TYPE_CHECKING, Final

from newsletter.importing.convert import MAX_TITLE_CHARACTERS
from newsletter.importing.dates import read_moment
from newsletter.importing.nouns import Found, RefusedSource
from newsletter.importing.pages import page_found
from newsletter.importing.texts import as_markdown

if TYPE_CHECKING:
    from email.message import EmailMessage

    from newsletter.importing.nouns import File

MAX_PARTS: Final = 100


def read_letter(file: File, data: bytes) -> Found:
    """The report of a letter: its HTML part, else its text. Attachments, addresses and all other headers are left."""
    try:
        message = message_from_bytes(data, policy=policy.default)
        return _letter(file, message)
    except (
        MessageError,
        LookupError,
        ValueError,
        AttributeError,
        TypeError,
        IndexError,
        KeyError,
        AssertionError,
        RecursionError,
    ) as error:
        # The standard library's parser of mail has no one exception for hostile letters, and enters parts by recursion.
        raise RefusedSource(f"this letter cannot be read ({type(error).__name__}); save its text as HTML") from None


def _letter(file: File, message: EmailMessage) -> Found:
    if sum(1 for _ in message.walk()) > MAX_PARTS:
        raise RefusedSource(f"the letter has more than {MAX_PARTS} parts")
    subject = " ".join(str(message.get("subject", "")).split())[:MAX_TITLE_CHARACTERS]
    if not subject:
        raise RefusedSource("the letter has no subject, which would be its title")
    sent = read_moment(str(message.get("date", "")))
    html, text = (message.get_body((kind,)) for kind in ("html", "plain"))
    if html is not None:
        page = page_found(file, f"<title>report</title>{html.get_content()}")
        found = replace(page, guessed=(), address="", others=(), authors=())
    elif text is not None and (body := as_markdown(text.get_content().replace("\r\n", "\n"))):
        found = Found(file=file, name=file.path.stem, title=subject, body=body)
    else:
        raise RefusedSource("the letter has no text")
    return replace(found, title=subject, sent=sent, day=sent.date() if sent else None)
