"""Rules over the headers and the parts of the message, as RFC 5322, 2045, 2047, 2369, 2919, 3834, 5064 and 8058 say."""

from __future__ import annotations

import re
from email.errors import MessageError
from email.header import decode_header
from email.utils import getaddresses, parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from newsletter.model import TOKEN_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

    from newsletter.checks.house import House
    from newsletter.checks.mails.letter import Letter
    from newsletter.checks.rule import Problem

MAX_LINE: Final = 998
AIM: Final = 78
MAX_ENCODED_WORD: Final = 75
MAX_BODY_LINE: Final = 76  # RFC 2045: of quoted-printable and base64
SUBJECT: Final = range(10, 79)
MAX_BOUNDARY: Final = 70
SEVEN_BIT: Final = 128
SPACE: Final = 0x20
DELETE: Final = 0x7F

ONCE: Final = ("From", "Date", "Subject", "To", "Message-ID", "Reply-To", "MIME-Version", "Content-Type")
AT_MOST_ONCE: Final = (
    "Sender",
    "Cc",
    "Bcc",
    "In-Reply-To",
    "References",
    "Content-Transfer-Encoding",
    "Auto-Submitted",
)
NEVER: Final = ("Bcc", "Return-Path", "Disposition-Notification-To", "Return-Receipt-To", "X-Confirm-Reading-To")
LISTED: Final = ("List-Id", "List-Post", "List-Help", "List-Owner", "List-Archive", "Precedence")
ADDRESSES: Final = ("From", "To", "Reply-To", "Sender")
MACHINES: Final = (
    "From", "To", "Reply-To", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Help", "List-Owner",
    "List-Archive", "Archived-At", "Feedback-ID", "Precedence", "Date",
)  # fmt: skip
ENCODED: Final = re.compile(r"=\?[^?\s]+\?(?:[bB]\?[A-Za-z0-9+/]*={0,2}|[qQ]\?[^?\s]*)\?=")
LOOKS_ENCODED: Final = re.compile(r"=\?[^?]*\?[bq]\?", re.IGNORECASE)
URI: Final = re.compile(r"<((?:https|http|mailto):[!#-;=?-~]+)>")
MESSAGE_ID: Final = re.compile(r"<[\w.+=/$-]+@[A-Za-z0-9.-]+>", re.ASCII)
LIST_ID: Final = re.compile(r"(?:.*\s)?<[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+>", re.ASCII | re.DOTALL)
FEEDBACK: Final = re.compile(r"[\w+.@-]*:[\w+.@-]*:[\w+.@-]*:[A-Za-z0-9]{5,15}", re.ASCII)
PERSONAL: Final = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH},}}|\S+@\S+")
BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
ATTACHED: Final = frozenset({"image/png", "image/jpeg", "image/gif", "application/pkcs7-signature"})


def form(letter: Letter, house: House) -> Iterator[Problem]:
    """CRLF only, ASCII, no line beyond 998, every line a field or the rest of one."""
    del house
    fix = "write headers through newsletter.deliver.headers"
    for number, row in enumerate(letter.raw.split(b"\n"), 1):
        if not row.endswith(b"\r") and not (row == b"" and letter.raw.endswith(b"\n")):
            yield letter.in_head(number, "a line that does not end with CRLF", "write CRLF")
        if b"\r" in row.removesuffix(b"\r"):
            yield letter.in_head(number, "a carriage return inside a line", "write CRLF")
        if len(row.removesuffix(b"\r")) > MAX_LINE:
            yield letter.in_head(number, f"a line of more than {MAX_LINE} bytes", "fold or encode it")
    for number, row in enumerate(letter.rows, 1):
        if any((byte < SPACE and byte != ord("\t")) or byte >= DELETE for byte in row.removesuffix(b"\r")):
            yield letter.in_head(number, "a byte in the headers that is no printable ASCII", fix)
        if not row.strip():
            yield letter.in_head(number, "a line of blanks in the headers", fix)
    for header in letter.headers:
        if not header.name:
            yield letter.in_head(header.line, "a line in the headers that is no field", fix)


def once(letter: Letter, house: House) -> Iterator[Problem]:
    """Of two, programs show one and filters judge the other."""
    del house
    for name in ONCE:
        found = letter.named(name)
        if not found:
            yield letter.in_head(1, f"{name} is missing", "every letter has one")
        elif not found[0].value.strip():
            yield letter.in_head(found[0].line, f"{name} is empty", "every letter has one")
    for name in (
        *ONCE,
        *AT_MOST_ONCE,
        *LISTED,
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "Archived-At",
        "Feedback-ID",
    ):
        for header in letter.named(name)[1:]:
            yield letter.in_head(header.line, f"{name} stands a second time", "leave one of them")
    for header in letter.headers:
        if header.name.lower() in {name.lower() for name in NEVER}:
            yield letter.in_head(header.line, f"{header.name} does not belong into a letter", "leave it out")


def people(letter: Letter, house: House) -> Iterator[Problem]:
    """One author, one reader; From and Reply-To are those of the settings."""
    wanted = {"From": house.publication.from_address, "Reply-To": house.publication.reply_to}
    for name in ADDRESSES:
        for header in letter.named(name)[:1]:
            found = getaddresses([header.value])
            if len(found) != 1 or found[0][1].count("@") != 1:
                yield letter.in_head(header.line, f"{name} has not exactly one mailbox", "one address, one letter")
            elif name in wanted and found[0][1].lower() != wanted[name].lower():
                yield letter.in_head(header.line, f"{name} is not that of the settings", f"write {wanted[name]}")


def moment(letter: Letter, house: House) -> Iterator[Problem]:
    """A Date with its zone, and a Message-ID of the form that every program threads by."""
    del house
    for header in letter.named("Date")[:1]:
        try:
            if parsedate_to_datetime(header.value).tzinfo is None:
                yield letter.in_head(header.line, "Date says no zone", "write it like Tue, 03 Nov 2026 09:00:00 +0100")
        except (ValueError, TypeError, IndexError):
            yield letter.in_head(header.line, "Date is no date", "write it like Tue, 03 Nov 2026 09:00:00 +0100")
    for header in letter.named("Message-ID")[:1]:
        if not MESSAGE_ID.fullmatch(header.value.strip()):
            yield letter.in_head(header.line, "Message-ID is not like <name@domain>", "make it with keys.message_id")


def long_lines(letter: Letter, house: House) -> Iterator[Problem]:
    """RFC 5322 aims at 78; only an address may be longer, since it cannot be folded."""
    del house
    for number, row in enumerate(letter.rows, 1):
        line = row.removesuffix(b"\r")
        if len(line) > AIM and not re.search(rb"[^\s]{60,}$", line):
            yield letter.in_head(number, f"a header line of {len(line)} characters; aim at {AIM}", "fold it at a blank")


def encoded_words(letter: Letter, house: House) -> Iterator[Problem]:
    """At most 75 characters, whole, and never in an address or a URL, where nobody decodes them."""
    del house
    for header in letter.headers:
        for match in LOOKS_ENCODED.finditer(header.value):
            word = ENCODED.match(header.value, match.start())
            if word is None or not _decodes(word[0]):
                yield letter.in_head(header.line, f"{header.name} has a broken encoded-word", "encode it again")
            elif len(word[0]) > MAX_ENCODED_WORD:
                yield letter.in_head(header.line, f"{header.name} has an encoded-word of {len(word[0])}", "cut it")
        bracketed = "".join(re.findall(r"<[^>]*>|\"[^\"]*\"", header.value))
        bare = header.name in MACHINES and "<" not in header.value
        if LOOKS_ENCODED.search(header.value if bare else bracketed):
            yield letter.in_head(header.line, f"{header.name} has an encoded-word in an address", "write it in ASCII")


def unsubscribe(letter: Letter, house: House) -> Iterator[Problem]:
    """RFC 8058: one https address that works by itself, and the word that says so; a mailto may stand beside it."""
    if letter.is_notice:
        return
    line = letter.line_of("List-Unsubscribe")
    value = letter.value("List-Unsubscribe")
    uris = URI.findall(value)
    if not value:
        yield letter.in_head(1, "List-Unsubscribe is missing", "letters are made by deliver.letters")
        return
    web = [uri for uri in uris if uri.startswith("http")]
    if len(web) != 1 or re.sub(r"[,\s]", "", URI.sub("", value)):
        yield letter.in_head(line, "List-Unsubscribe has not exactly one web address in <>", "write <https://...>")
    elif not re.fullmatch(re.escape(house.publication.url("/u/")) + rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}", web[0]):
        yield letter.in_head(line, "List-Unsubscribe is not the personal link", "write <base_url/u/TOKEN>")
    elif not web[0].startswith("https://") and letter.value("List-Unsubscribe-Post"):
        yield letter.in_head(line, "one-click unsubscribing needs https", "let base_url be https")
    post = letter.value("List-Unsubscribe-Post")
    secure = [*web, house.publication.base_url]  # a link that lost its s is a fault of its own
    if post != "List-Unsubscribe=One-Click" and (post or any(uri.startswith("https://") for uri in secure)):
        place = letter.line_of("List-Unsubscribe-Post") if post else line
        fix = "write List-Unsubscribe-Post: List-Unsubscribe=One-Click"
        yield letter.in_head(place, "List-Unsubscribe-Post does not announce one click", fix)


def listed(letter: Letter, house: House) -> Iterator[Problem]:
    """RFC 2369 and 2919: each header once, with its URL in angle brackets; a stable List-Id under our own domain."""
    if letter.is_notice:
        return
    for name in LISTED:
        if not letter.value(name):
            yield letter.in_head(1, f"{name} is missing", "every letter of a list has one")
    for name in ("List-Help", "List-Owner", "List-Archive"):
        value = letter.value(name)
        if value and not URI.fullmatch(value):
            yield letter.in_head(letter.line_of(name), f"{name} is no URL in angle brackets", "write <https://...>")
    wanted = f"<{house.publication.list_id or 'newsletter.' + (urlsplit(house.publication.base_url).hostname or '')}>"
    for name, good, fix in (
        ("List-Post", "NO", "write NO: nobody posts to this list"),
        ("Precedence", "bulk", "write bulk, so that no machine answers"),
    ):
        if letter.value(name) not in ("", good):
            yield letter.in_head(letter.line_of(name), f"{name} is not {good}", fix)
    value = letter.value("List-Id")
    if value and not (LIST_ID.fullmatch(value) and value.endswith(wanted)):
        yield letter.in_head(letter.line_of("List-Id"), "List-Id is not that of the settings", f"end it with {wanted}")


def archived(letter: Letter, house: House) -> Iterator[Problem]:
    """RFC 5064: the permanent address, under our own base; a letter that is not for all has none."""
    header = next(iter(letter.named("Archived-At")), None)
    is_public = ".public." in f".{letter.name}."
    if letter.is_notice:
        return
    if header is None:
        if is_public:
            yield letter.in_head(1, "Archived-At is missing", "a public letter says where it stays")
        return
    match = URI.fullmatch(header.value)
    if not match or not match[1].startswith(house.publication.url("/")):
        yield letter.in_head(header.line, "Archived-At is no address of the archive in <>", "write <https://...>")


def feedback(letter: Letter, house: House) -> Iterator[Problem]:
    """Gmail's form: three groups and a sender of 5 to 15 characters; never one person."""
    del house
    if letter.is_notice:
        return
    value = letter.value("Feedback-ID")
    line = letter.line_of("Feedback-ID")
    if not FEEDBACK.fullmatch(value):
        yield letter.in_head(line, "Feedback-ID is not of the form campaign:variant:kind:sender", "see deliver.message")
    elif PERSONAL.search(value):
        yield letter.in_head(line, "Feedback-ID names one person", "it is for groups of letters")


def parts(letter: Letter, house: House) -> Iterator[Problem]:
    """From the plainest to the richest, in UTF-8, 7 bits clean, nothing attached but a logo and a signature."""
    del house
    for defect in letter.message.defects:
        yield letter.in_head(
            letter.line_of("Content-Type"), f"the message is broken: {type(defect).__name__}", "mend it"
        )
    kinds = [part.get_content_type() for part in letter.parts]
    if letter.message.is_multipart():
        ordered = [kind for kind in kinds if kind.startswith("text/")]
        if ordered != ["text/plain", "text/html"]:
            message = f"the parts are {', '.join(ordered) or 'none'}"
            yield letter.in_head(letter.line_of("Content-Type"), message, "first text/plain, then text/html")
    for part in letter.parts:
        yield from _part(letter, part)
    for node in letter.message.walk():
        boundary = node.get_boundary() if node.is_multipart() else None
        if boundary is not None and (len(boundary) > MAX_BOUNDARY or not BOUNDARY.fullmatch(boundary)):
            yield letter.in_head(letter.part_line(node), "a boundary that RFC 2046 does not allow", "make it shorter")


def body_lines(letter: Letter, house: House) -> Iterator[Problem]:
    """7-bit bytes and lines of at most 76: what no relay changes, so that signatures stay good."""
    del house
    start = letter.head.count(b"\n") + 1
    in_head = False  # of a part: addresses there cannot be folded either
    for number, row in enumerate(letter.raw[len(letter.head) :].split(b"\n"), start):
        line = row.removesuffix(b"\r")
        in_head = line.startswith(b"--") or (in_head and line != b"")
        if any(byte >= SEVEN_BIT or byte == 0 for byte in line):
            yield letter.in_head(number, "bytes above 127 in the message", "encode the part as quoted-printable")
        elif len(line) > MAX_BODY_LINE and not in_head:
            yield letter.in_head(number, f"a line of {len(line)} in the message", "encode the part: 76 are the most")
        elif line.startswith((b".", b"From ")):
            yield letter.in_head(number, "a line that relays change (a dot, or From)", "encode its first character")


def subject(letter: Letter, house: House) -> Iterator[Problem]:
    """Short enough to be seen, long enough to say something."""
    del house
    for header in letter.named("Subject")[:1]:
        words = letter.subject
        if len(words) not in SUBJECT:
            message = f"the subject has {len(words)} characters; {SUBJECT.start} to {SUBJECT.stop - 1} are seen whole"
            yield letter.in_head(header.line, message, "give the month a title of another length")
        if re.match(r"(?:re|fwd?|aw|tr)\s*:", words, re.IGNORECASE):
            yield letter.in_head(header.line, "the subject pretends to be an answer", "leave that out")
        if re.search(r"[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", words):
            yield letter.in_head(header.line, "an invisible character in the subject", "take it out of the title")


# --- how ------------------------------------------------------------------------------------------------------


def _part(letter: Letter, part: Message) -> Iterator[Problem]:
    kind, line = part.get_content_type(), letter.part_line(part)
    encoding = str(part.get("Content-Transfer-Encoding", "")).lower()
    if encoding not in ("quoted-printable", "base64"):
        yield letter.in_head(line, f"a part is sent as {encoding or '7bit'}", "encode it as quoted-printable or base64")
    if part.defects:
        yield letter.in_head(line, f"a part is broken: {type(part.defects[0]).__name__}", "encode it again")
    if not kind.startswith("text/"):
        if kind not in ATTACHED:
            yield letter.in_head(line, f"{kind} is attached", "letters carry a logo and a signature, nothing else")
        return
    if str(part.get_param("charset", "")).lower() != "utf-8":
        yield letter.in_head(line, "a text that does not say charset=utf-8", "say so in its Content-Type")
    data = part.get_payload(decode=True)
    if isinstance(data, bytes) and "\ufffd" in data.decode("utf-8", "replace"):
        yield letter.in_head(line, "a text that is no UTF-8", "encode it again")


def _decodes(word: str) -> bool:
    try:
        return all(
            isinstance(data, str) or data.decode(charset or "ascii") is not None
            for data, charset in decode_header(word)
        )
    except (ValueError, LookupError, MessageError):
        return False
