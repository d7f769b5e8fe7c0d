"""One person's letter out of a compiled variant: tokens are put in, everything else was made before.

A ``Form`` is a variant in one format, cut at its slots and canonicalised once for signing. What costs per letter is a
few header lines, one SHA-256 over the body and the signatures; and these may have been made long before
(``Signature``), so that sending only puts bytes together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from newsletter.deliver import headers
from newsletter.deliver.dkim import LINE_START, canonical_body, canonical_fields
from newsletter.deliver.message import CONTENT_TYPE, SLOT, TOKEN, date_line, text_part
from newsletter.deliver.smime import signature_part
from newsletter.keys import RETURN_TOKEN_LENGTH, message_id, return_token, unsubscribe_token
from newsletter.model import TOKEN_LENGTH, UNSUBSCRIBE_SLOT, Format

if TYPE_CHECKING:
    from datetime import datetime

    from newsletter.deliver.dispatch import Signing
    from newsletter.deliver.dkim import Field
    from newsletter.keys import LinkKeys
    from newsletter.model import CompiledVariant, MailingId, Subscriber, SubscriberId

BOUNCES_FOR: Final = timedelta(days=60)  # since the release: relays give up after days, mailboxes may bounce late
MAX_LOCAL_PART: Final = 64  # RFC 5321 section 4.5.3.1.1
MAX_RETURN_LOCAL_PART: Final = MAX_LOCAL_PART - RETURN_TOKEN_LENGTH - len("+")
SEAL_BYTES: Final = 16
CRLF: Final = b"\r\n"
ONE_CLICK: Final = headers.tokens("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
MIME_VERSION: Final = headers.tokens("MIME-Version", "1.0")
# RFC 9788: the headers inside are those outside, and nothing was hidden.
PROTECTED: Final = b';\r\n hp="clear"\r\n'


@dataclass(frozen=True, slots=True)
class Personal:
    """What is one person's in a letter: ``token`` is of the unsubscribe link, ``message_id`` stands in brackets.

    Each is checked by its maker: the mailbox by ``headers.checked_address``, the others are of ``keys``.
    """

    subscriber: SubscriberId
    mailbox: str
    token: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Signature:
    """What proves one letter: DKIM-Signature header lines, and the DER of the S/MIME signature (empty without)."""

    dkim: bytes = b""
    smime: bytes = b""


@dataclass(frozen=True, slots=True)
class Desk:
    """How the letters of one mailing are addressed: the same for everybody and for every attempt.

    ``name`` is the mailing's in Message-IDs, ``domain`` the one they belong to; ``date`` the moment of the release.
    ``return_path`` is the envelope's sender, ``verp`` whether it tells whose letter came back.
    """

    keys: LinkKeys
    name: str
    domain: str
    base_url: str
    date: datetime
    return_path: str
    verp: bool = True

    def personal(self, subscriber: Subscriber) -> Personal:
        """The person's own parts. ValueError when the address cannot stand in a header."""
        return Personal(
            subscriber.id,
            headers.checked_address(subscriber.address.mailbox),
            unsubscribe_token(self.keys, subscriber.id),
            message_id(self.keys, self.name, subscriber.id, self.domain),
        )

    def sender(self, mailing: MailingId, subscriber: SubscriberId) -> str:
        """The envelope's sender for this letter (VERP): the relay's log and every bounce name the letter by it."""
        if not self.verp:
            return self.return_path
        local, _, domain = self.return_path.rpartition("@")
        last_day = (self.date + BOUNCES_FOR).date()
        return f"{local}+{return_token(self.keys, mailing, subscriber, last_day)}@{domain}"


@dataclass(frozen=True, slots=True)
class Form:
    """A variant in one format, ready for every recipient. ``parts`` is the body, cut where the personal token goes.

    ``shared`` are the header lines that are the same for everybody, without those that describe the content;
    ``content`` the latter. ``head`` and ``fields`` are what the letter begins with after the personal lines, the
    latter canonicalised for DKIM, as ``canonical`` is for the body.
    """

    base_url: str
    shared: bytes
    content: bytes
    head: bytes
    fields: tuple[Field, ...]
    parts: tuple[bytes, ...]
    canonical: tuple[bytes, ...]
    payload_head: bytes
    payload_canonical: bytes
    boundary: bytes
    identity: bytes = field(repr=False)

    def personal_lines(self, personal: Personal) -> bytes:
        """To, Message-ID, List-Unsubscribe."""
        # As ``headers`` would write them (a test compares), without checking again what was checked for each letter.
        link = f"{self.base_url}/u/{personal.token}"
        return (
            f"To: {personal.mailbox}\r\nMessage-ID: {personal.message_id}\r\nList-Unsubscribe: <{link}>\r\n"
        ).encode("ascii")


def make_form(compiled: CompiledVariant, wanted: Format, *, date: datetime, base_url: str, smime: bool = False) -> Form:
    """Everything that a letter of this variant and format has in common with all others.

    ``date`` is aware, and the same for everybody and for every attempt: the moment of the release. One-click
    unsubscribing (RFC 8058) is announced only where ``base_url`` is https, which it demands. ``smime``: letters are
    multipart/signed (RFC 8551), with the headers inside as well (RFC 9788).

    Raises:
        ValueError: the address of the site cannot stand in a header, or a line of the body begins with a dot, which
            only the relay may put there (RFC 5321 section 4.5.2).
    """
    base_url = base_url.rstrip("/")
    headers.url("List-Unsubscribe", f"{base_url}/u/{UNSUBSCRIBE_SLOT}")
    shared = date_line(date) + (ONE_CLICK if urlsplit(base_url).scheme == "https" else b"")
    content_start = compiled.head.rindex(CONTENT_TYPE) + len(CRLF)
    common, content, body = compiled.head[:content_start], compiled.head[content_start:], compiled.body
    if wanted is Format.TEXT:
        content, body = text_part(compiled.body)
    if body.startswith(b".") or b"\r\n." in body:
        raise ValueError("a line of the letter begins with a dot")
    shared += common.removesuffix(MIME_VERSION)
    seen = (compiled.digest.encode(), wanted.value.encode(), base_url.encode(), shared, content)
    identity = sha256(b"\0".join(seen)).digest()
    boundary = b"=_s" + identity.hex()[:32].encode()
    outer = _signed_type(boundary) if smime else content
    inner = shared + _protected(content) if smime else b""
    return Form(
        base_url=base_url,
        shared=shared,
        content=content,
        head=shared + MIME_VERSION + outer,
        fields=canonical_fields(shared + MIME_VERSION + outer),
        parts=tuple(body.split(SLOT)),
        canonical=tuple((_lines(body) if smime else canonical_body(body)).split(SLOT)),
        payload_head=inner,
        payload_canonical=_lines(inner),
        boundary=boundary if smime else b"",
        identity=identity,
    )


def seal(form: Form, personal: Personal, signers: bytes) -> bytes:
    """A digest of everything that a signature of this letter covers: when it differs, the signature is of no use.

    ``signers`` tells by whom it is signed.
    """
    seen = f"{personal.mailbox}\0{personal.token}\0{personal.message_id}"
    return sha256(form.identity + signers + seen.encode()).digest()[:SEAL_BYTES]


def sign(form: Form, personal: Personal, signing: Signing, *, at: int) -> Signature:
    """Make the signatures of one letter. ``at``: seconds since 1970, for ``t=``."""
    token = personal.token.encode()
    lines = form.personal_lines(personal)
    der = b""
    if signing.smime is not None and form.boundary:
        der = signing.smime.sign(_payload(form, lines, token))
    if not signing.dkim.keys:
        return Signature(b"", der)
    fields = canonical_fields(lines) + form.fields
    return Signature(signing.dkim.sign(fields, _body_hash(form, lines, token, der), at), der)


def letter(form: Form, personal: Personal, signature: Signature) -> bytes:
    """The whole letter, as it goes over the wire before the final dot: no line begins with a dot."""
    token = personal.token.encode()
    lines = form.personal_lines(personal)
    if form.boundary:
        edge, payload = b"--" + form.boundary, _payload(form, lines, token)
        signed = (edge, CRLF, payload, CRLF, edge, CRLF, signature_part(signature.smime), edge, b"--\r\n")
        return b"".join((signature.dkim, lines, form.head, CRLF, *signed))
    return b"".join((signature.dkim, lines, form.head, CRLF, token.join(form.parts)))


def address_letter(
    compiled: CompiledVariant, subscriber: Subscriber, *, token: str, message_id: str, base_url: str, date: datetime
) -> bytes:
    """One unsigned letter for one person, for drafts and tests; arguments as of ``make_form`` and ``Personal``.

    Raises:
        ValueError: the token does not fit its slot, or the address, the Message-ID or the URL cannot stand in a header.
    """
    if not TOKEN.fullmatch(token):
        raise ValueError(f"the personal token must be {TOKEN_LENGTH} characters of A-Z, a-z, 0-9, - and _")
    mailbox = headers.checked_address(subscriber.address.mailbox)
    headers.tokens("Message-ID", message_id)
    form = make_form(compiled, subscriber.format, date=date, base_url=base_url)
    return letter(form, Personal(subscriber.id, mailbox, token, message_id), Signature())


# --- how ------------------------------------------------------------------------------------------------------


def _signed_type(boundary: bytes) -> bytes:
    return headers.tokens(
        "Content-Type",
        "multipart/signed;",
        'protocol="application/pkcs7-signature";',
        "micalg=sha-256;",
        f'boundary="{boundary.decode()}"',
    )


def _protected(content: bytes) -> bytes:
    """The lines about the content, of which Content-Type is the first, with what marks them as protected."""
    return LINE_START.sub(PROTECTED, content, count=1)


def _payload(form: Form, lines: bytes, token: bytes) -> bytes:
    """What S/MIME signs: the headers once more, and the content."""
    return b"".join((lines, form.payload_head, CRLF, token.join(form.parts)))


def _lines(lines: bytes) -> bytes:
    """Whole lines of a body, canonical for DKIM; unlike ``canonical_body``, empty ones at the end stay."""
    guard = b"x\r\n"
    return canonical_body(lines + guard).removesuffix(guard)


def _body_hash(form: Form, lines: bytes, token: bytes, der: bytes) -> bytes:
    """SHA-256 of the canonical body, put together from canonical pieces."""
    hashed = sha256()
    if form.boundary:
        edge = b"--" + form.boundary
        hashed.update(edge + CRLF + _lines(lines) + form.payload_canonical + CRLF)
    hashed.update(token.join(form.canonical))
    if form.boundary:
        hashed.update(CRLF + edge + CRLF + _lines(signature_part(der)) + edge + b"--\r\n")
    return hashed.digest()
