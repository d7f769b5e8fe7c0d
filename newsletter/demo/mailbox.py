"""The demo's mailbox in the browser: every mail of a Maildir, as HTML in a locked-down frame, as text, as source.

For the demo alone: whoever reaches these pages reads everybody's mail.
"""

from __future__ import annotations

import base64
import mailbox
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from newsletter.web.security import MAIL_POLICY, PAGE_POLICY, PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from starlette.requests import Request

    from newsletter.web.pages import Pages

# maildir(5): time.unique.host, of which mailbox escapes what could leave the folder.
MAIL_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=,-]{0,199}", re.ASCII)
MAX_MAILS: Final = 1_000
MAX_MAIL_BYTES: Final = 5_000_000
MAX_HEAD_BYTES: Final = 64_000
VIEWS: Final = ("", "text", "source")

FRAME_POLICY: Final = f"{PAGE_POLICY}; frame-src 'self'"
# A click in the mail opens a new tab, which is no longer locked; nothing else gets out of the frame.
SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"
LETTER_POLICY: Final = MAIL_POLICY.replace("sandbox;", f"sandbox {SANDBOX};", 1)


@dataclass(frozen=True, slots=True)
class Mail:
    """The envelope of a mail as a list shows it."""

    id: str
    sender: str
    to: str
    subject: str
    date: datetime


def routes(maildir: Path, pages: Pages) -> list[Route]:
    """``/mailbox/`` and everything below it."""

    def index(_request: Request) -> Response:
        mails = sorted(_mails(maildir), key=lambda mail: (mail.date, mail.to), reverse=True)
        return pages.page("mailbox/list.html", mails=mails[:MAX_MAILS], total=len(mails))

    def show(request: Request) -> Response:
        message_id, view = request.path_params["id"], request.path_params.get("view", "")
        if view not in VIEWS:
            raise HTTPException(404)
        source = _read(maildir, message_id)
        return pages.page(
            "mailbox/mail.html",
            policy=FRAME_POLICY,
            mail=_envelope(message_id, source),
            view=view,
            sandbox=SANDBOX,
            content=_text(source) if view == "text" else source.decode("utf-8", errors="replace"),
        )

    def letter(request: Request) -> Response:
        html = _html(_parsed(_read(maildir, request.path_params["id"])))
        headers = {**PRIVATE, "Content-Security-Policy": LETTER_POLICY}
        return Response(html, headers=headers, media_type="text/html")

    def at_door(_request: Request) -> Response:
        return Response(status_code=301, headers={"Location": pages.url("/mailbox/")})

    return [
        Route("/mailbox", at_door, methods=["GET"]),
        Route("/mailbox/", index, methods=["GET"]),
        Route("/mailbox/{id}/letter", letter, methods=["GET"]),
        Route("/mailbox/{id}/", show, methods=["GET"]),
        Route("/mailbox/{id}/{view}", show, methods=["GET"]),
    ]


def _mails(maildir: Path) -> Iterator[Mail]:
    box = _open(maildir)
    for message_id in box.iterkeys():
        if MAIL_ID.fullmatch(message_id):
            with box.get_file(message_id) as file:
                yield _envelope(message_id, file.read(MAX_HEAD_BYTES))


def _read(maildir: Path, message_id: str) -> bytes:
    """The bytes of a mail; 404 for every name that is none in this Maildir."""
    if MAIL_ID.fullmatch(message_id):
        try:
            with _open(maildir).get_file(message_id) as file:
                return bytes(file.read(MAX_MAIL_BYTES))
        except KeyError:
            pass
    raise HTTPException(404)


def _open(maildir: Path) -> mailbox.Maildir:
    try:
        return mailbox.Maildir(maildir, create=False)
    except mailbox.NoSuchMailboxError:
        raise HTTPException(404) from None


def _parsed(source: bytes) -> EmailMessage:
    return BytesParser(policy=policy.default).parsebytes(source)


def _envelope(message_id: str, source: bytes) -> Mail:
    head = BytesParser(policy=policy.default).parsebytes(source, headersonly=True)
    try:
        date = parsedate_to_datetime(str(head["Date"]))
    except ValueError:
        date = datetime.fromtimestamp(0, UTC)
    sender, to, subject = (str(head[name] or "") for name in ("From", "To", "Subject"))
    return Mail(message_id, sender, to, subject, date if date.tzinfo else date.replace(tzinfo=UTC))


def _text(source: bytes) -> str:
    body = _parsed(source).get_body(("plain",))
    return str(body.get_content()) if body else ""


def _html(message: EmailMessage) -> str:
    """The HTML part with its embedded images inside, and links that leave the frame."""
    body = message.get_body(("html",))
    if body is None:
        raise HTTPException(404)
    html = str(body.get_content())
    for part in message.walk():
        if (name := part["Content-ID"]) and part.get_content_maintype() == "image":
            data = base64.b64encode(part.get_content()).decode()
            html = html.replace(f"cid:{str(name).strip('<>')}", f"data:{part.get_content_type()};base64,{data}")
    return re.sub(r"(<head\b[^>]*>)", r'\1<base target="_blank">', html, count=1, flags=re.IGNORECASE)
