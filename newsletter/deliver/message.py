"""Letters as bytes: a variant is compiled once; ``letters`` makes one person's letter of it.

The compiled letter is ``head`` (header lines that are the same for everybody; Content-Type is the last) and ``body``.
Its digest is the SHA-256 of the two with the personal token zeroed. The Date is no part of it: it is the moment of the
release, which comes after the approval of the digest. ``as_sent`` is the letter without a recipient, for the archive.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from newsletter.deliver import headers, quoted
from newsletter.model import TOKEN_LENGTH, UNSUBSCRIBE_SLOT, CompiledVariant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from newsletter.model import Language, NoticeText, Publication, Report, Variant

SLOT: Final = UNSUBSCRIBE_SLOT.encode()
ZEROS: Final = b"0" * TOKEN_LENGTH
TOKEN: Final = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}", re.ASCII)

LOGO: Final = "cid:logo"  # how a template's img refers to the logo
MAX_LOGO_BYTES: Final = 100_000
LOGO_TYPES: Final = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif"}

MIN_SENDER_ID: Final = 5  # Feedback-ID: Gmail wants 5 to 15 characters
MAX_SENDER_ID: Final = 15

TEXT_TYPE: Final = headers.tokens("Content-Type", "text/plain; charset=utf-8")
HTML_TYPE: Final = headers.tokens("Content-Type", "text/html; charset=utf-8")
QUOTED: Final = headers.tokens("Content-Transfer-Encoding", "quoted-printable")
CONTENT_TYPE: Final = b"\r\nContent-Type: "


def compile_variant(
    variant: Variant, publication: Publication, *, archived_at: str | None, logo: bytes | None = None
) -> CompiledVariant:
    """Everything of the letter that does not depend on who gets it; the same arguments give the same bytes.

    Args:
        variant: what was rendered; its html may show the logo as ``<img src="cid:logo" ...>``.
        publication: whose letter it is.
        archived_at: the permanent address of this edition; None when it has none on the web.
        logo: the bytes of a PNG, JPEG or GIF; left out when the html does not show it.

    Raises:
        ValueError: a text cannot stand in a header, or the logo is too large or no image.
    """
    content, html = variant.text.encode(), variant.html.encode()
    # "=_" occurs in no quoted-printable or base64 text, so a boundary that holds it needs no search (RFC 2045 6.7).
    mark = sha256(content + b"\0" + html + b"\0" + (logo or b"")).hexdigest()[:32]
    text_part = TEXT_TYPE + QUOTED + b"\r\n" + quoted.encode(variant.text)
    html_part = HTML_TYPE + QUOTED + b"\r\n" + quoted.encode(variant.html)
    if logo and LOGO in variant.html:
        html_part = _with_logo(variant.html, logo, _domain(publication), f"=_r{mark}")
    boundary = f"=_a{mark}"
    body = _multipart(boundary, text_part, html_part)
    head = _common(variant, publication, archived_at)
    head += headers.tokens("MIME-Version", "1.0") + _multipart_type("alternative", boundary)
    report = variant.report
    return CompiledVariant(
        audience=report.audience,
        language=report.language,
        tlp=report.tlp,
        subject=variant.subject,
        head=head,
        body=body,
        digest=sha256(_zeroed(head, body)).hexdigest(),
    )


def edition_digest(variants: Iterable[CompiledVariant]) -> str:
    """SHA-256 over the variants' digests, one a line, in the order of audience and language: 64 hex digits."""
    ordered = sorted(variants, key=lambda item: (item.audience, item.language))
    return sha256("".join(f"{item.digest}\n" for item in ordered).encode()).hexdigest()


def as_sent(compiled: CompiledVariant, *, date: datetime) -> bytes:
    """The letter without a recipient, as the archive keeps it: dated (aware), personal tokens are zeros."""
    return date_line(date) + _zeroed(compiled.head, compiled.body)


def compile_notice(
    notice: NoticeText, publication: Publication, *, recipient: str, date: datetime, message_id: str
) -> bytes:
    """A small mail of ours, marked as made by a machine (RFC 3834) so that nobody answers it automatically."""
    lines = (
        headers.mailbox("To", recipient),
        headers.tokens("Message-ID", message_id),
        _from(publication),
        headers.mailbox("Reply-To", publication.reply_to),
        headers.text("Subject", notice.subject),
        date_line(date),
        headers.tokens("Auto-Submitted", "auto-generated"),
        headers.tokens("Content-Language", _checked_language(notice.language)),
        headers.tokens("MIME-Version", "1.0"),
    )
    text_part = TEXT_TYPE + QUOTED + b"\r\n" + quoted.encode(notice.text)
    if not notice.html:
        return b"".join(lines) + text_part
    html_part = HTML_TYPE + QUOTED + b"\r\n" + quoted.encode(notice.html)
    boundary = f"=_a{sha256(text_part + html_part).hexdigest()[:32]}"
    body = _multipart(boundary, text_part, html_part)
    return b"".join(lines) + _multipart_type("alternative", boundary) + b"\r\n" + body


def date_line(date: datetime) -> bytes:
    """The Date header of an aware moment."""
    return headers.tokens("Date", _date(date))


def text_part(body: bytes) -> tuple[bytes, bytes]:
    """The text part of a compiled body: its header lines, and what follows the empty line."""
    boundary, _, rest = body.partition(b"\r\n")
    lines, _, content = rest.partition(b"\r\n" + boundary)[0].partition(b"\r\n\r\n")
    return lines + b"\r\n", content


# --- headers --------------------------------------------------------------------------------------------------


def _common(variant: Variant, publication: Publication, archived_at: str | None) -> bytes:
    report = variant.report
    contact = "mailto:" + quote(headers.checked_address(publication.contact), safe="@")
    lines = [
        _from(publication),
        headers.mailbox("Reply-To", publication.reply_to),
        headers.text("Subject", variant.subject),
        headers.list_id("List-Id", _list_id(publication), publication.name),
        headers.tokens("List-Post", "NO"),
        headers.url("List-Help", contact),
        headers.url("List-Owner", contact),
        headers.url("List-Archive", publication.url(f"/{report.language}/")),
        headers.url("Archived-At", archived_at) if archived_at else b"",
        headers.tokens("Feedback-ID", _feedback_id(report, publication)),
        headers.tokens("Precedence", "bulk"),
        headers.tokens("Content-Language", _checked_language(report.language)),
    ]
    return b"".join(lines)


def _from(publication: Publication) -> bytes:
    """Organisation and name, so that a reader knows at a glance from whom; the name alone when it says both."""
    name, organisation = publication.name, publication.organisation
    display = name if organisation in name else f"{organisation} {name}"
    return headers.mailbox("From", publication.from_address, display)


def _date(date: datetime) -> str:
    if date.tzinfo is None:
        raise ValueError(f"Date: {date} has no time zone")
    return format_datetime(date)


def _domain(publication: Publication) -> str:
    return publication.from_address.rpartition("@")[2]


def _list_id(publication: Publication) -> str:
    return publication.list_id or f"newsletter.{urlsplit(publication.base_url).hostname}"


def _feedback_id(report: Report, publication: Publication) -> str:
    """Campaign, variant, kind, sender: what a receiver may group complaints by; never one person."""
    letters = re.sub(r"[^a-z0-9]", "", _domain(publication).lower())
    sender = letters[:MAX_SENDER_ID].ljust(MIN_SENDER_ID, "0")
    return f"{report.month}:{report.audience}-{report.language}:report:{sender}"


def _checked_language(language: Language) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*", language, re.ASCII):
        raise ValueError(f"Content-Language: {language!r} is no language tag; write it like en")
    return language


# --- parts ----------------------------------------------------------------------------------------------------


def _multipart_type(subtype: str, boundary: str, *more: str) -> bytes:
    return headers.tokens("Content-Type", f"multipart/{subtype};", *more, f'boundary="{boundary}"')


def _multipart(boundary: str, *parts: bytes) -> bytes:
    """The parts between boundaries. The line break before a boundary belongs to it (RFC 2046 section 5.1.1)."""
    line = boundary.encode()
    return b"".join(b"--" + line + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + line + b"--\r\n"


def _with_logo(html: str, logo: bytes, domain: str, boundary: str) -> bytes:
    """The html and the image that it shows, as one part (RFC 2387)."""
    kind = next((kind for start, kind in LOGO_TYPES.items() if logo.startswith(start)), None)
    if kind is None or len(logo) > MAX_LOGO_BYTES:
        raise ValueError(f"the logo must be a PNG, JPEG or GIF of at most {MAX_LOGO_BYTES:,} bytes")
    identifier = f"logo@{domain}"
    shown = quoted.encode(html.replace(f'"{LOGO}"', f'"cid:{identifier}"'))
    image = (
        headers.tokens("Content-Type", f"image/{kind}")
        + headers.tokens("Content-Transfer-Encoding", "base64")
        + headers.tokens("Content-ID", f"<{identifier}>")
        + headers.tokens("Content-Disposition", f'inline; filename="logo.{kind}"')
        + b"\r\n"
        + encodebytes(logo).replace(b"\n", b"\r\n")
    )
    parts = _multipart(boundary, HTML_TYPE + QUOTED + b"\r\n" + shown, image)
    return _multipart_type("related", boundary, 'type="text/html";') + b"\r\n" + parts


def _zeroed(head: bytes, body: bytes) -> bytes:
    return head + b"\r\n" + body.replace(SLOT, ZEROS)
