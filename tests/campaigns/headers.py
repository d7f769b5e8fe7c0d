"""Hostile names, subjects and addresses through our header serialiser, judged by parsers that are not ours.

    python -m tests.campaigns.headers --count 100000 --seed 1

Every case is refused with a ValueError, or gives bytes on which the standard library's two parsers, Perl's Email::MIME
with Email::Address::XS (Debian: libemail-mime-perl, libemail-address-xs-perl) and dkimpy agree: exactly the expected
headers, once each; exactly one mailbox, the one that went in; and the text that went in. The rule for white space:
after unfolding (RFC 5322 section 2.2.3) every blank comes back. Local parts are compared without their quotes. Refusing
a text that nothing forbids is a fault too, or a serialiser that refuses everything would do.

Two readers are forgiven one thing each, in names and texts only; all others must agree on it. The standard library's
new parser puts blanks between the encoded-words of a display name and drops those at its ends (RFC 2047 section 6.2:
the former do not count, the latter do), so there white space is not compared; and Perl reads the 66 code points that
are no characters as U+FFFD.

The last line is one JSON object; exit code 1 if anything was at fault, 2 if a package is missing.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from itertools import islice
from typing import Any

from dkim import rfc822_parse

from newsletter.deliver import headers
from newsletter.deliver.letters import address_letter
from newsletter.deliver.message import compile_notice, compile_variant
from newsletter.keys import message_id, unsubscribe_token
from newsletter.model import Address, NoticeText, Variant
from tests.support.ledger import KEYS, person
from tests.support.samples import EN, sample_publication, sample_report

BATCH = 500
MAX_SHOWN = 1_500  # characters of an example
MAX_LINE = 998  # RFC 5322 section 2.1.1
MAX_ENCODED_LINE = 76  # RFC 2047 section 2
MAX_ENCODED_WORD = 75
DATE = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
TOKEN = unsubscribe_token(KEYS, person(1).id)
ID = message_id(KEYS, "2026-10.0", person(1).id, "meridian.example")
REPORT = sample_report()
BODY = b"body\r\n"

OLD, NEW, DKIM, PERL = "email compat32", "email default", "dkimpy", "Email::MIME"
MAILBOXES = ("From", "To", "Reply-To")
FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
ENCODED_WORD = re.compile(rb"=\?[!->@-~]+\?[bBqQ]\?[^?\s]*\?=")

NO_CHARACTER = re.compile("[\ufdd0-\ufdef" + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF)
                                                    for plane in range(17)) + "]")  # fmt: skip

# --- what attackers and ordinary people write -----------------------------------------------------------------

CONTROLS = ("\r", "\n", "\r\n", "\0", "\x85", "\u2028", "\u2029", "\t", "\x0b", "\x0c", "\x1b[31m",
            "\x7f", "\x9f", "\r\nBcc: evil@example.net", "\n\nthe body", "\r\n\r\n", "\n ", "\r\n\t",
            "\x00Bcc: x@y", "\ud800", "\udc0a", "=?utf-8?q?a\nBcc: evil@example.net?=",
            "=?utf-8?q?\r\n?=")  # fmt: skip
SHAPES = ("=?utf-8?q?=0ABcc:_evil@example.net?=", "=?utf-8?b?DQpCY2M6IGV2aWxAZXhhbXBsZS5uZXQNCg==?=",
          "=?", "?=", "=?utf-8?q?", "=?utf-8?q??=", "=?iso-8859-1?q?=22=2C_e=40example.net?=",
          "=?utf-7?q?+ADw-?=", "=0D=0A", "%0d%0a", '"', '""', "\\", '\\"', "\\\\", ",",
          ", evil@example.net", '" <evil@example.net>, "', "<", ">", "<>", "<evil@example.net>",
          "team: a@example.net, b@example.net;", "undisclosed-recipients:;", "(comment)", "(", ")",
          "((", ";", ":", "@", "..", "[", "]", "From: x", "Subject:", "'", "`", "--", "_", "=", "?",
          "=20", "%s", "{}", "<script>", "$(id)")  # fmt: skip
LETTERS = ("é", "Müller", "ё", "日本語", "한국어", "עברית", "العربية", "\u202eevil", "\u2066x\u2069", "🔒",
           "👩\u200d👩\u200d👧\u200d👦", "👨🏽\u200d💻", "🇨🇭", "e\u0301\u0327", "Z\u0351\u036b\u0343\u036a",
           "\ufdfa", "\ufeff", "\u200b", "\u00a0", "\u3000", "\u00ad", "\u2019", "\u1e9e", "\U0010fffd",
           "\uffff", "\ue000")  # fmt: skip
WORDS = ("Meridian", "Laboratory", "O'Brien", "Jr.", "Security", "Report", "October 2026", "a",
         "x" * 40, "y" * 76, "1", "Dr.", "Monthly Security Report: October 2026")  # fmt: skip
BLANKS = (" ", "  ", "   ", " " * 80)
LOCALS = ("reader", "o'brien+news", '"a b"', '"a,b"', '"a@b"', '"<x>"', '"(c)"', '"ab"', "a" * 64,
          "{x}|~", "=?", "=?x", "=?utf-8?q?x?=", "=?utf-8?q?=40evil.net=2C?=",
          "=?utf-8?b?ZXZpbEBleGFtcGxlLm5ldCw=?=", '"=?utf-8?q?x?="', "a..b", ".a", "a.", "", "rené",
          "日本", '"a\\"b"', '"a"b"', "a(c)", "(c)a", "a\r\nBcc:x", '"a\r\n b"', "a\0", "a,b", "a:b",
          "a b", "<a")  # fmt: skip
DOMAINS = ("example.org", "example.org", "xn--exmple-cua.org", "b", "a-1.example", "exämple.org",
           "例え.jp", "[127.0.0.1]", "[IPv6:::1]", "example.org.", "example..org", "-x.org", "x-.org",
           "a_b.org", "", "example.org, evil@example.net", "example.org>", "example.org>,<e@x.net",
           "example.org (c)", "example.org\r\nBcc: x@y", "example.org\n", "x" * 300, "=?utf-8?q?x?=",
           "ex\u2028ample.org", "example.org;", "a.b@c.example", " example.org")  # fmt: skip
PLAIN_LOCALS = frozenset({"reader", "o'brien+news", '"a b"', '"a,b"', '"a@b"', '"ab"', "a" * 64})
PLAIN_DOMAINS = frozenset({"example.org", "xn--exmple-cua.org", "b", "a-1.example"})


def hostile(chance: random.Random) -> str:
    """A name or a subject; a quarter holds what no header may hold."""
    kinds = (SHAPES, SHAPES, LETTERS, WORDS, WORDS, BLANKS)
    pieces = [chance.choice(chance.choice(kinds)) for _ in range(chance.randrange(7))]
    if chance.random() < 0.25:
        pieces.insert(chance.randrange(len(pieces) + 1), chance.choice(CONTROLS))
    if chance.random() < 0.2:
        pieces.append("".join(chr(chance.randrange(0x20, 0x2FF)) for _ in range(chance.randrange(1, 40))))
    if pieces and chance.random() < 0.08:
        where = chance.randrange(len(pieces))
        pieces[where] = (pieces[where] * 1_200)[
            : chance.choice((60, 74, 75, 76, 77, 78, 79, 250, 997, 998, 999, 1_200))
        ]
    return chance.choice(("", "", " ")).join(pieces)


def hostile_address(chance: random.Random) -> str:
    """Like an address, more often than not."""
    if chance.random() < 0.2:
        return f"{chance.choice(sorted(PLAIN_LOCALS))}@{chance.choice(sorted(PLAIN_DOMAINS))}"
    if chance.random() < 0.1:
        return hostile(chance)
    local, domain = chance.choice(LOCALS), chance.choice(DOMAINS)
    if chance.random() < 0.1:
        local = hostile(chance)
    return f"{local}@{domain}"


def is_plain(address: str) -> bool:
    """Whether refusing it would be a fault."""
    local, _, domain = address.rpartition("@")
    return local in PLAIN_LOCALS and domain in PLAIN_DOMAINS


# --- cases ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What goes in, and what every reader must get out of it.

    ``mailboxes`` is address and display name by header, ``texts`` the decoded text by header, ``body`` the length of
    what follows the headers; None is whatever follows the first empty line: the last header is none of a stranger's.
    """

    kind: str
    make: Callable[[], bytes]
    names: tuple[str, ...]
    mailboxes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    body: int | None = len(BODY)
    may_refuse: bool = True


def a_subject(chance: random.Random) -> Case:
    value = hostile(chance)
    return Case(kind="subject", make=lambda: _alone(headers.text("Subject", value)), names=("Subject",),
                texts={"Subject": value}, may_refuse=bool(FORBIDDEN.search(value)))  # fmt: skip


def a_name(chance: random.Random) -> Case:
    name, display, address = chance.choice(MAILBOXES), hostile(chance), "reader@example.org"
    return Case(kind="name", make=lambda: _alone(headers.mailbox(name, address, display)), names=(name,),
                mailboxes={name: (address, display)}, may_refuse=bool(FORBIDDEN.search(display)))  # fmt: skip


def an_address(chance: random.Random) -> Case:
    name, address = chance.choice(MAILBOXES), hostile_address(chance)
    display = chance.choice(("", "", "Reader", "Reader, Jr.", "L\u00e9a"))
    return Case(kind="address", make=lambda: _alone(headers.mailbox(name, address, display)), names=(name,),
                mailboxes={name: (address, display)}, may_refuse=not is_plain(address))  # fmt: skip


def a_list(chance: random.Random) -> Case:
    display = hostile(chance)
    identifier = chance.choice(("report.security.example.org", chance.choice(DOMAINS)))
    return Case(kind="list", make=lambda: _alone(headers.list_id("List-Id", identifier, display)), names=("List-Id",),
                texts={"List-Id": _list_text(identifier, display)},
                may_refuse=bool(FORBIDDEN.search(display)) or identifier not in PLAIN_DOMAINS)  # fmt: skip


def a_url(chance: random.Random) -> Case:
    rest = hostile(chance) if chance.random() < 0.5 else "".join(chance.choices(SHAPES + WORDS, k=2))
    value = chance.choice(("https://example.org/", "mailto:", "http://", "")) + rest
    return Case(kind="url", make=lambda: _alone(headers.url("List-Help", value)), names=("List-Help",),
                texts={"List-Help": f"<{value}>"})  # fmt: skip


def some_tokens(chance: random.Random) -> Case:
    values = [
        chance.choice((hostile(chance), *chance.choices(SHAPES + WORDS, k=3))) for _ in range(chance.randrange(1, 4))
    ]
    return Case(kind="tokens", make=lambda: _alone(headers.tokens("Feedback-ID", *values)), names=("Feedback-ID",),
                texts={"Feedback-ID": " ".join(values)})  # fmt: skip


def a_notice(chance: random.Random) -> Case:
    publication = hostile_publication(chance)
    recipient = chance.choice(("reader@example.org", hostile_address(chance)))
    words = hostile(chance).encode("utf-8", "replace").decode()
    notice = NoticeText(hostile(chance), words, EN)
    return Case(
        kind="notice",
        make=lambda: compile_notice(notice, publication, recipient=recipient, date=DATE, message_id=ID),
        names=("To", "Message-ID", "From", "Reply-To", "Subject", "Date", "Auto-Submitted", "Content-Language",
               "MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
        mailboxes={"To": (recipient, ""), **_from_us(publication)},
        texts={"Subject": notice.subject, "Message-ID": ID},
        body=None,
    )  # fmt: skip


def a_letter(chance: random.Random) -> Case:
    publication = hostile_publication(chance)
    recipient = chance.choice(("reader@example.org", hostile_address(chance)))
    variant = Variant(report=REPORT, subject=hostile(chance), html="<p>words</p>\n", text="words\n")
    subscriber = person(1, address=Address(recipient.lower(), recipient))
    archived_at = f"https://example.org/{chance.choice(('', hostile(chance)))}"

    def make() -> bytes:
        compiled = compile_variant(variant, publication, archived_at=archived_at)
        return address_letter(
            compiled, subscriber, token=TOKEN, message_id=ID, base_url="https://example.org", date=DATE
        )

    identifier = publication.list_id or "newsletter.example.org"
    return Case(
        kind="letter",
        make=make,
        names=("To", "Message-ID", "Date", "List-Unsubscribe", "List-Unsubscribe-Post", "From", "Reply-To", "Subject",
               "List-Id", "List-Post", "List-Help", "List-Owner", "List-Archive", "Archived-At", "Feedback-ID",
               "Precedence", "Content-Language", "MIME-Version", "Content-Type"),
        mailboxes={"To": (recipient, ""), **_from_us(publication)},
        texts={"Subject": variant.subject, "List-Id": _list_text(identifier, publication.name),
               "List-Unsubscribe": f"<https://example.org/u/{TOKEN}>", "Archived-At": f"<{archived_at}>"},
        body=None,
    )  # fmt: skip


def hostile_publication(chance: random.Random) -> Any:
    """One of ours with up to two settings that somebody has tampered with."""
    values = {
        "name": hostile, "organisation": hostile, "from_address": hostile_address, "reply_to": hostile_address,
        "contact": hostile_address, "list_id": lambda chance: chance.choice(DOMAINS),
    }  # fmt: skip
    chosen = chance.sample(sorted(values), chance.randrange(3))
    changes: dict[str, Any] = {name: values[name](chance) for name in chosen}
    return replace(sample_publication(), base_url="https://example.org", **changes)


def _from_us(publication: Any) -> dict[str, tuple[str, str]]:
    name, organisation = publication.name, publication.organisation
    display = name if organisation in name else f"{organisation} {name}"
    return {"From": (publication.from_address, display), "Reply-To": (publication.reply_to, "")}


def _list_text(identifier: str, display: str) -> str:
    return f"{display} <{identifier}>" if display else f"<{identifier}>"


def _alone(raw: bytes) -> bytes:
    return raw + b"\r\n" + BODY


MAKERS = (a_subject, a_subject, a_name, a_name, a_name, an_address, an_address, a_list, a_url, some_tokens)
WHOLE = (a_notice, a_letter)
ONE_WHOLE_IN = 10


def cases(count: int, seed: int) -> Iterator[Case]:
    chance = random.Random(seed)
    for number in range(count):
        yield chance.choice(WHOLE if number % ONE_WHOLE_IN == 0 else MAKERS)(chance)


# --- readers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A message as one parser sees it: names of headers in order, mailboxes as (local part, domain, display name)."""

    reader: str
    names: tuple[str, ...]
    mailboxes: Mapping[str, tuple[tuple[str, str, str], ...]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    body: int = 0  # bytes
    complaints: tuple[str, ...] = ()


def old_view(raw: bytes) -> View:
    """The standard library's old parser; header values unfolded and decoded as its documentation shows."""
    message = BytesHeaderParser(policy=policy.compat32).parsebytes(raw)
    values = {name: re.sub(r"\r?\n(?=[ \t])", "", value).strip() for name, value in message.items()}
    mailboxes = {
        name: tuple((*_parts(address), _decoded(display)) for display, address in getaddresses([values[name]]))
        for name in MAILBOXES
        if name in values
    }
    texts = {name: _decoded(value) for name, value in values.items() if name not in MAILBOXES}
    return View(reader=OLD, names=tuple(message.keys()), mailboxes=mailboxes, texts=texts,
                body=len(str(message.get_payload())), complaints=tuple(map(str, message.defects)))  # fmt: skip


def new_view(raw: bytes) -> View:
    """The standard library's new parser."""
    message = BytesHeaderParser(policy=policy.default).parsebytes(raw)
    complaints = [str(defect) for defect in message.defects]
    mailboxes, texts = {}, {}
    for name, value in message.items():
        if name in MAILBOXES:
            mailboxes[name] = tuple((one.username, one.domain, one.display_name) for one in value.addresses)
            complaints += [f"{name}: a group" for group in value.groups if group.display_name is not None]
        else:
            texts[name] = str(value)
        complaints += [f"{name}: {defect}" for defect in value.defects if name in MAILBOXES]
    return View(reader=NEW, names=tuple(message.keys()), mailboxes=mailboxes, texts=texts,
                body=len(str(message.get_payload())), complaints=tuple(complaints))  # fmt: skip


def dkim_view(raw: bytes) -> View:
    """What a signer and a verifier of DKIM see; it decodes nothing."""
    fields, body = rfc822_parse(raw)
    return View(reader=DKIM, names=tuple(name.decode() for name, _ in fields), body=len(body))


def _parts(address: str) -> tuple[str, str]:
    local, _, domain = address.rpartition("@")
    return local.removeprefix('"').removesuffix('"'), domain


def _decoded(value: str) -> str:
    return str(make_header(decode_header(value)))


PROGRAM = r"""
use strict; use warnings; use Email::MIME; use Email::Address::XS;
$| = 1;
my %is_mailbox = map { $_ => 1 } qw(From To Reply-To);
sub hexed { my $text = shift // ''; utf8::encode($text); return unpack 'H*', $text }
sub view {
    my $mail = Email::MIME->new(shift);
    my @fields = ('B:' . length $mail->body_raw);
    my @pairs = $mail->header_raw_pairs;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        push @fields, "N:$name";
        if ($is_mailbox{$name}) {
            my $list = $mail->header_as_obj($name);
            my @groups = $list->groups;
            while (my ($group, $members) = splice @groups, 0, 2) {
                push @fields, "G:$name" if defined $group;
                for my $one (@$members) {
                    push @fields, "I:$name" unless $one->is_valid;
                    push @fields, join ':', 'M', $name, hexed($one->user), hexed($one->host), hexed($one->phrase);
                }
            }
        } else {
            push @fields, join ':', 'T', $name, hexed(scalar $mail->header_str($name));
        }
    }
    return join "\t", @fields;
}
while (my $count = <STDIN>) {
    my @mails = map { my $line = <STDIN>; chomp $line; pack 'H*', $line } 1 .. $count;
    print view($_), "\n" for @mails;
}
"""


class Perl(AbstractContextManager["Perl"]):
    """Email::MIME in one child process; batches, so that neither side waits for the other with a full pipe."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(["perl", "-e", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __exit__(self, *exc_info: object) -> None:
        self._child.communicate()

    def views(self, messages: list[bytes]) -> list[View]:
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write(
            f"{len(messages)}\n".encode() + b"".join(b"%s\n" % raw.hex().encode() for raw in messages)
        )
        self._child.stdin.flush()
        answers = [self._child.stdout.readline() for _ in messages]
        if not all(answers):
            raise SystemExit("perl died; its words are above")
        return [_perl_view(answer.decode().rstrip("\n").split("\t")) for answer in answers]


def _perl_view(fields: Iterable[str]) -> View:
    names, complaints = [], []
    mailboxes: dict[str, tuple[tuple[str, str, str], ...]] = {}
    texts, body = {}, 0
    for kind, *rest in (item.split(":") for item in fields):
        match kind, rest:
            case "B", [length]:
                body = int(length)
            case "N", [name]:
                names.append(name)
            case "M", [name, *parts]:
                user, host, phrase = (bytes.fromhex(part).decode() for part in parts)
                mailboxes[name] = (*mailboxes.get(name, ()), (user, host, phrase))
            case "T", [name, text]:
                texts[name] = bytes.fromhex(text).decode()
            case _:
                complaints.append(f"{kind} {rest}")
    return View(reader=PERL, names=tuple(names), mailboxes=mailboxes, texts=texts, body=body,
                complaints=tuple(complaints))  # fmt: skip


def has_perl() -> bool:
    """Whether Debian's packages are there."""
    asked = ["perl", "-MEmail::MIME", "-MEmail::Address::XS", "-e", "1"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


# --- judgement ------------------------------------------------------------------------------------------------


def faults_of_bytes(raw: bytes) -> Iterator[str]:
    """What needs no parser: RFC 5322 section 2.1.1 and RFC 2047 section 2."""
    if not raw.isascii() or re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", raw):
        yield "bytes: not printable ASCII"
    if re.search(rb"(?<!\r)\n|\r(?!\n)", raw):
        yield "bytes: a line that does not end in CRLF"
    head, _, _ = raw.partition(b"\r\n\r\n")
    for line in raw.split(b"\r\n"):
        if len(line) > MAX_LINE:
            yield "bytes: a line beyond 998 octets"
    for line in head.split(b"\r\n"):
        if not line.strip():
            yield "bytes: a header line of blanks"
        words = ENCODED_WORD.findall(line)
        if words and len(line) > MAX_ENCODED_LINE:
            yield "bytes: a line with encoded-words beyond 76"
        if any(len(word) > MAX_ENCODED_WORD for word in words):
            yield "bytes: an encoded-word beyond 75"


def faults_of_view(view: View, case: Case, raw: bytes) -> Iterator[str]:
    """Where a reader does not see exactly what was put in."""
    if Counter(view.names) != Counter(case.names):
        yield f"{view.reader}: other headers"
        return
    if view.body != (len(raw.partition(b"\r\n\r\n")[2]) if case.body is None else case.body):
        yield f"{view.reader}: the body begins elsewhere"
    if view.complaints:
        yield f"{view.reader}: complains"
    if view.reader == DKIM:
        return
    yield from (
        f"{view.reader}: {fault}" for fault in (*_faults_of_mailboxes(view, case), *_faults_of_texts(view, case))
    )


def _faults_of_mailboxes(view: View, case: Case) -> Iterator[str]:
    for name, (address, display) in case.mailboxes.items():
        seen = view.mailboxes.get(name, ())
        if len(seen) != 1:
            yield f"{len(seen)} mailboxes"
        elif seen[0][:2] != _parts(address):
            yield "another address"
        elif _as_read(view.reader, seen[0][2], in_name=True) != _as_read(view.reader, display, in_name=True):
            yield "another display name"


def _faults_of_texts(view: View, case: Case) -> Iterator[str]:
    for name, text in case.texts.items():
        phrase, _, identifier = text.rpartition(" ")
        quoted = f'"{phrase}" {identifier}' if name == "List-Id" else text
        if view.texts.get(name) not in (_as_read(view.reader, text), _as_read(view.reader, quoted)):
            yield f"another text in {name}"


def _as_read(reader: str, text: str, *, in_name: bool = False) -> str:
    """The text without what this reader is forgiven."""
    if reader == NEW and in_name:
        return "".join(text.split())
    return NO_CHARACTER.sub("\ufffd", text) if reader == PERL else text


def judge(case: Case, raw: bytes, perl_view: View) -> list[str]:
    """All faults of one case that was accepted."""
    views = [perl_view]
    faults = list(faults_of_bytes(raw))
    for reader in (old_view, new_view, dkim_view):
        try:
            views.append(reader(raw))
        except Exception as error:  # noqa: BLE001  # a parser of others that breaks is a finding, whatever it says
            faults.append(f"{reader.__name__}: breaks with {type(error).__name__}")
    return faults + [fault for view in views for fault in faults_of_view(view, case, raw)]


@dataclass
class Tally:
    """What was tried, by kind."""

    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def blame(self, case: Case, raw: bytes, faults: list[str]) -> None:
        """Count them; the first of each sort is shown."""
        for fault in faults:
            name = f"{case.kind}: {fault}"
            self.faults[name] += 1
            self.examples.setdefault(name, ascii((dict(case.mailboxes), dict(case.texts), raw))[:MAX_SHOWN])


def run(*, count: int, seed: int) -> Tally:
    tally = Tally()
    stream = cases(count, seed)
    with Perl() as perl:
        while batch := list(islice(stream, BATCH)):
            made = []
            for case in batch:
                try:
                    made.append((case, case.make()))
                except ValueError:
                    tally.refused[case.kind] += 1
                    if not case.may_refuse:
                        tally.blame(case, b"", ["refused without need"])
            for (case, raw), view in zip(made, perl.views([raw for _, raw in made]), strict=True):
                tally.accepted[case.kind] += 1
                tally.blame(case, raw, judge(case, raw, view))
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    if not has_perl():
        print("needs Perl's Email::MIME: apt-get install libemail-mime-perl libemail-address-xs-perl", file=sys.stderr)
        return 2
    started = time.monotonic()
    tally = run(count=wanted.count, seed=wanted.seed)
    print(f"{'kind':10}{'accepted':>10}{'refused':>10}")
    for kind in sorted(tally.accepted | tally.refused):
        print(f"{kind:10}{tally.accepted[kind]:>10,}{tally.refused[kind]:>10,}")
    for fault, times in tally.faults.most_common():
        print(f"{times:>8,} x {fault}\n           {tally.examples[fault]}")
    print(json.dumps({
        "seed": wanted.seed, "tried": wanted.count, "accepted": tally.accepted.total(),
        "refused": tally.refused.total(), "faults": tally.faults.total(),
        "seconds": round(time.monotonic() - started, 1),
    }))  # fmt: skip
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
