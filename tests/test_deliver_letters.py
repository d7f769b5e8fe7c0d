"""One person's letter as bytes: as a mail program reads it, as relays treat it, and as its signatures see it."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.deliver import headers
from newsletter.deliver.dispatch import Signing
from newsletter.deliver.dkim import DkimKey, DkimSigner, canonical_body, make_key
from newsletter.deliver.letters import (
    BOUNCES_FOR,
    MAX_LOCAL_PART,
    MAX_RETURN_LOCAL_PART,
    Desk,
    Form,
    Personal,
    Signature,
    letter,
    make_form,
    seal,
    sign,
)
from newsletter.deliver.message import compile_variant
from newsletter.deliver.smime import SmimeSigner, make_self_signed
from newsletter.errors import LinkError
from newsletter.keys import LinkKeys, read_return_token, unsubscribe_token
from newsletter.model import UNSUBSCRIBE_SLOT, Address, CompiledVariant, Format, MailingId, SubscriberId, Variant
from tests.campaigns.signatures import smime_content
from tests.support.ledger import KEYS, person
from tests.support.samples import sample_publication, sample_report

DATE = datetime(2026, 11, 3, 8, 0, tzinfo=UTC)
BASE = "https://security.meridian.example"
LINK = f"{BASE}/u/{UNSUBSCRIBE_SLOT}"
PUBLICATION = sample_publication()
DOMAIN = PUBLICATION.from_address.rpartition("@")[2]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
NAMES = ["To", "Message-ID", "List-Unsubscribe", "Date", "List-Unsubscribe-Post", "From", "Reply-To", "Subject",
         "List-Id", "List-Post", "List-Help", "List-Owner", "List-Archive", "Archived-At", "Feedback-ID", "Precedence",
         "Content-Language"]  # fmt: skip

DKIM = DkimSigner((DkimKey.load(make_key("ed25519"), selector="e", domain=DOMAIN),))
PAIRS = {
    kind: make_self_signed(PUBLICATION.from_address, "Meridian Laboratory", now=datetime.now(UTC), kind=kind)
    for kind in ("rsa", "p256")
}
SMIME = {kind: SmimeSigner.load(certificate, key) for kind, (key, certificate) in PAIRS.items()}
PLAIN = Signing(dkim=DKIM)
BOTH = Signing(dkim=DKIM, smime=SMIME["p256"])
AT = int(DATE.timestamp())

TEXT = "Gr\u00fc\u00dfe\n.a line with a dot\nFrom us to you\n"
HTML = '<p>Gr\u00fc\u00dfe</p>\n<img src="cid:logo" alt="">\n'


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The certificates as files, for openssl."""
    folder = tmp_path_factory.mktemp("certificates")
    for kind, (_, certificate) in PAIRS.items():
        (folder / kind).write_bytes(certificate)
    return {kind: folder / kind for kind in PAIRS}


def compiled(
    text: str = TEXT, html: str = HTML, *, logo: bytes | None = None, subject: str = "October"
) -> CompiledVariant:
    """A variant whose text and html end with the personal link, and go on behind it."""
    variant = Variant(
        report=sample_report(),
        subject=subject,
        text=f"{text}{LINK} to leave\n",
        html=f'{html}<a href="{LINK}">Leave</a>\n',
    )
    return compile_variant(variant, PUBLICATION, archived_at=f"{BASE}/en/reports/2026-10/", logo=logo)


def form_of(made: CompiledVariant | None = None, wanted: Format = Format.HTML, *, smime: bool = False) -> Form:
    return make_form(made or compiled(), wanted, date=DATE, base_url=BASE, smime=smime)


def desk(keys: LinkKeys = KEYS, **changes: object) -> Desk:
    """That of October."""
    values = {"keys": keys, "name": "2026-10.0", "domain": DOMAIN, "base_url": BASE, "date": DATE,
              "return_path": f"bounces@{DOMAIN}"}  # fmt: skip
    return Desk(**(values | changes))


ANNA = desk().personal(person(1))
OCTOBER = form_of()


def signed(form: Form, personal: Personal = ANNA, signing: Signing | None = None) -> bytes:
    """The whole letter with its signatures."""
    signing = signing or (BOTH if form.boundary else PLAIN)
    return letter(form, personal, sign(form, personal, signing, at=AT))


def read(raw: bytes) -> EmailMessage:
    """As a mail program reads it, without any complaint."""
    message = message_from_bytes(raw, policy=policy.default)
    assert not [defect for part in message.walk() for defect in part.defects]
    return message


def words(message: EmailMessage, kind: str) -> str:
    """The text (``plain``) or the ``html`` that a mail program would show."""
    body = message.get_body((kind,))
    assert body is not None
    return body.get_content()


def as_lines(text: str) -> str:
    """What a text is on its way: lines ended by CRLF, the last one too."""
    return "".join(f"{line}\r\n" for line in re.sub("\r\n?", "\n", text).removesuffix("\n").split("\n"))


# --- for everybody, whatever was written ----------------------------------------------------------------------

texts = st.one_of(
    st.text(max_size=300),
    st.lists(
        st.sampled_from(
            [".", "..", "From ", "From", "\n", "\r", "\r\n", " ", "\t", "=", "=20", "é", "日", "--", "x" * 75]
        ),
        max_size=20,
    ).map("".join),
)
people = st.builds(
    lambda number, secret, who: desk(LinkKeys(number, {number: secret})).personal(person(who)),
    st.integers(0, 255),  # of a key: a token may begin with any character, a hyphen too
    st.binary(min_size=32, max_size=32),
    st.integers(0, 10**9),
)
kinds = st.tuples(st.sampled_from(Format), st.sampled_from([None, PNG]), st.booleans())


@settings(max_examples=300)
@given(texts, texts, people, kinds)
def test_everybody_reads_what_was_written_with_their_own_link(text, html, personal, kind):
    """In each format, with and without a logo, signed or not: text and html come out as they went in."""
    wanted, logo, smime = kind
    message = read(signed(form_of(compiled(text, html, logo=logo), wanted, smime=smime), personal))
    link = f"{BASE}/u/{personal.token}"
    assert words(message, "plain") == as_lines(f"{text}{link} to leave\n")
    if wanted is Format.HTML:
        assert words(message, "html") == as_lines(f'{html}<a href="{link}">Leave</a>\n')
    assert message["List-Unsubscribe"] == f"<{link}>"
    assert message["To"] == personal.mailbox


@settings(max_examples=300)
@given(texts, texts, people, kinds)
def test_no_line_can_be_harmed_on_its_way(text, html, personal, kind):
    """ASCII, CRLF, at most 998 octets (RFC 5322 section 2.1.1); no dot and no 'From ' at the beginning of a line."""
    wanted, logo, smime = kind
    raw = signed(form_of(compiled(text, html, logo=logo), wanted, smime=smime), personal)
    lines = raw.split(b"\r\n")
    assert raw.isascii()
    assert lines.pop() == b""
    assert not [line for line in lines if b"\r" in line or b"\n" in line]
    assert not [line for line in lines if line.startswith((b".", b"From ")) or len(line) > 998]


@settings(max_examples=200)
@given(texts, texts, people, kinds)
def test_the_token_stands_whole_wherever_it_belongs_and_the_slot_nowhere(text, html, personal, kind):
    """List-Unsubscribe (inside once more where S/MIME protects it), text, html: never cut by a soft line break."""
    wanted, logo, smime = kind
    raw = signed(form_of(compiled(text, html, logo=logo), wanted, smime=smime), personal)
    assert raw.count(personal.token.encode()) == 1 + smime + (1 if wanted is Format.TEXT else 2)
    assert UNSUBSCRIBE_SLOT.encode() not in raw


@settings(max_examples=300)
@given(texts, texts, people, kinds)
def test_the_body_hash_put_together_from_pieces_is_that_of_the_letter(text, html, personal, kind):
    """RFC 6376 section 3.7: what was canonicalised beforehand, piece by piece, is the relaxed form of the real body."""
    wanted, logo, smime = kind
    raw = signed(form_of(compiled(text, html, logo=logo), wanted, smime=smime), personal)
    body = raw.partition(b"\r\n\r\n")[2]
    [told] = re.findall(rb"[; ]bh=([^;]+);", raw.replace(b"\r\n ", b" "))
    assert told == b64encode(sha256(canonical_body(body)).digest())


# --- headers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", Format)
@pytest.mark.parametrize("smime", [False, True])
def test_the_headers_are_the_same_in_every_format(wanted, smime):
    """Each once; what describes the content comes last."""
    message = read(letter(form_of(wanted=wanted, smime=smime), ANNA, Signature()))
    alone = wanted is Format.TEXT and not smime
    last = ["Content-Type", "Content-Transfer-Encoding"] if alone else ["Content-Type"]
    assert message.keys() == [*NAMES, "MIME-Version", *last]


def test_who_wants_text_alone_gets_the_text_part_alone():
    """Not a multipart with one part."""
    message = read(signed(form_of(compiled(logo=PNG), Format.TEXT)))
    assert message.get_content_type() == "text/plain"
    assert message["Content-Transfer-Encoding"] == "quoted-printable"
    assert message.get_content() == words(read(signed(form_of(compiled(logo=PNG)))), "plain")


@pytest.mark.parametrize("mailbox", ["Anna@Example.org", "o'brien+news@example.org", '"a, b"@example.org'])
def test_to_holds_the_persons_own_address_and_nothing_else(mailbox):
    """Without a name, and nobody sees anybody else."""
    personal = desk().personal(person(1, address=Address(mailbox, mailbox)))
    message = read(signed(form_of(), personal))
    assert [f"{one.username}@{one.domain}" for one in message["To"].addresses] == [mailbox.replace('"', "")]
    assert message["To"].addresses[0].display_name == ""
    assert message.get_all("To") == [message["To"]]
    assert not {"Cc", "Bcc"} & set(message.keys())


@given(
    people, st.sampled_from(["reader@example.org", '"a, b"@example.org', f"{'a' * 64}@{'b' * 63}.{'c' * 63}.example"])
)
def test_the_personal_lines_are_those_that_the_strict_serialiser_writes(personal, mailbox):
    """They are put together anew for each letter, so what is checked once is not checked again."""
    own = replace(personal, mailbox=mailbox)
    assert OCTOBER.personal_lines(own) == (
        headers.mailbox("To", own.mailbox)
        + headers.tokens("Message-ID", own.message_id)
        + headers.url("List-Unsubscribe", f"{BASE}/u/{own.token}")
    )


@pytest.mark.parametrize("mailbox", ["", "nobody", "a@b.org\r\nBcc: x@y.org", "a@b.org, c@d.org", "ren\u00e9@b.org"])
def test_an_address_that_is_none_is_refused_before_anything_is_made(mailbox):
    """And not shown: the reason may stand in a log."""
    with pytest.raises(ValueError, match="cannot stand in a header") as refusal:
        desk().personal(person(1, address=Address(mailbox, mailbox)))
    assert not mailbox or mailbox not in str(refusal.value)


@pytest.mark.parametrize(("base_url", "announced"), [(BASE, True), ("http://127.0.0.1:8000", False)])
@pytest.mark.parametrize("smime", [False, True])
def test_one_click_is_announced_only_over_https(base_url, announced, smime):
    """RFC 8058 section 3.1 demands it; the link itself is there in any case."""
    raw = signed(make_form(compiled(), Format.HTML, date=DATE, base_url=f"{base_url}/", smime=smime))
    assert read(raw)["List-Unsubscribe"] == f"<{base_url}/u/{ANNA.token}>"
    assert raw.count(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n") == announced * (1 + smime)


def test_a_message_id_is_always_the_same_and_nobody_elses():
    """Also after a key was added, so that a repeated letter is known as the same one."""
    more = LinkKeys(2, {**KEYS.secrets, 2: b"n" * 32})
    assert desk().personal(person(1)).message_id == desk(more).personal(person(1)).message_id == ANNA.message_id
    assert re.fullmatch(rf"<2026-10\.0\.[0-9a-f]{{32}}@{re.escape(DOMAIN)}>", ANNA.message_id)
    others = {desk().personal(person(number)).message_id for number in range(500)}
    others |= {desk(name="2026-11.0").personal(person(number)).message_id for number in range(500)}
    assert len(others) == 1_000
    assert "1000001" not in ANNA.message_id


@pytest.mark.parametrize("body", [b".\r\n", b"a\r\n.b\r\n", b"a\r\n..\r\n"])
def test_a_body_with_a_leading_dot_is_refused(body):
    """The relay would take one dot away (RFC 5321 section 4.5.2), and no signature would fit any more."""
    with pytest.raises(ValueError, match="begins with a dot"):
        form_of(replace(compiled(), body=body))


# --- the envelope's sender ------------------------------------------------------------------------------------

LAST_DAY = (DATE + BOUNCES_FOR).date()


def token_of(sender: str) -> str:
    local, _, domain = sender.rpartition("@")
    assert domain == DOMAIN
    assert len(local) <= MAX_LOCAL_PART
    return local.partition("+")[2]


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**63 - 1))
def test_a_bounce_tells_which_letter_came_back(mailing, subscriber):
    """Also when a server wrote the address in capitals, as some do (RFC 5321 section 2.4)."""
    token = token_of(desk().sender(MailingId(mailing), SubscriberId(subscriber)))
    assert read_return_token(KEYS, token, DATE.date()) == (mailing, subscriber)
    assert read_return_token(KEYS, token.upper(), LAST_DAY) == (mailing, subscriber)


def test_every_letter_has_a_return_path_of_its_own_and_always_the_same():
    """By person and by mailing; a second attempt is told by the same one."""
    pairs = [(MailingId(m), SubscriberId(s)) for m in range(1, 4) for s in range(1, 200)]
    senders = [desk().sender(*pair) for pair in pairs]
    assert len(set(senders)) == len(pairs)
    assert senders == [desk().sender(*pair) for pair in pairs]


def test_a_return_path_is_good_for_sixty_days_after_the_release():
    """So that an old mailbox dump makes nobody bounce."""
    token = token_of(desk().sender(MailingId(7), SubscriberId(8)))
    assert LAST_DAY - DATE.date() == timedelta(days=60)
    assert read_return_token(KEYS, token, LAST_DAY) == (7, 8)
    with pytest.raises(LinkError, match="expired"):
        read_return_token(KEYS, token, LAST_DAY + timedelta(days=1))


def test_a_return_path_fits_even_with_the_longest_local_part_that_settings_allow():
    """RFC 5321 section 4.5.3.1.1: 64 octets."""
    longest = f"{'b' * MAX_RETURN_LOCAL_PART}@{DOMAIN}"
    local = desk(return_path=longest).sender(MailingId(2**32 - 1), SubscriberId(2**63 - 1)).rpartition("@")[0]
    assert len(local) == MAX_LOCAL_PART == 64


def test_where_the_relay_knows_no_plus_addresses_everybody_has_the_same_return_path():
    assert desk(verp=False).sender(MailingId(7), SubscriberId(8)) == f"bounces@{DOMAIN}"


# --- whether a stored signature still fits --------------------------------------------------------------------

SIGNERS = sha256(b"our keys").digest()
SEALED = {
    "as it was": (form_of(), ANNA, SIGNERS),
    "another address": (form_of(), replace(ANNA, mailbox="other@example.org"), SIGNERS),
    "another token": (form_of(), replace(ANNA, token=unsubscribe_token(KEYS, person(2).id)), SIGNERS),
    "another Message-ID": (form_of(), replace(ANNA, message_id=f"<other@{DOMAIN}>"), SIGNERS),
    "other keys": (form_of(), ANNA, sha256(b"other keys").digest()),
    "another text": (form_of(compiled("Other\n")), ANNA, SIGNERS),
    "another html": (form_of(compiled(html="<p>Other</p>")), ANNA, SIGNERS),
    "another subject": (form_of(compiled(subject="Other")), ANNA, SIGNERS),
    "another logo": (form_of(compiled(logo=PNG)), ANNA, SIGNERS),
    "another format": (form_of(wanted=Format.TEXT), ANNA, SIGNERS),
    "another date": (
        make_form(compiled(), Format.HTML, date=DATE + timedelta(seconds=1), base_url=BASE),
        ANNA,
        SIGNERS,
    ),
    "another site": (make_form(compiled(), Format.HTML, date=DATE, base_url="https://new.example"), ANNA, SIGNERS),
    "no https": (make_form(compiled(), Format.HTML, date=DATE, base_url=BASE.replace("https", "http")), ANNA, SIGNERS),
}


@pytest.mark.parametrize("pair", list(combinations(SEALED, 2)), ids=" and ".join)
def test_everything_that_a_signature_covers_changes_the_seal(pair):
    """Of no two of these letters does a signature fit the other one."""
    first, second = (SEALED[name] for name in pair)
    assert seal(*first) != seal(*second)


def test_nothing_else_changes_the_seal():
    """A form that was made again, an address of the site with a slash behind it; and then a signature does fit."""
    again = make_form(compiled(), Format.HTML, date=DATE, base_url=f"{BASE}/")
    assert seal(again, desk().personal(person(1)), SIGNERS) == seal(*SEALED["as it was"])
    assert signed(again) == signed(form_of())


# --- S/MIME ---------------------------------------------------------------------------------------------------

SHAPES = {
    "multipart": (Format.HTML, ["multipart/alternative", "text/plain", "text/html"]),
    "with a logo": (
        Format.HTML,
        ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"],
    ),
    "text alone": (Format.TEXT, ["text/plain"]),
}


def shaped(shape: str) -> Form:
    logo = PNG if shape == "with a logo" else None
    return form_of(compiled(logo=logo), SHAPES[shape][0], smime=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_signed_letter_is_the_content_and_its_signature(shape):
    """RFC 8551 section 3.5.3: multipart/signed, and in it first what is signed, then the signature."""
    message = read(signed(shaped(shape)))
    assert message.get_content_type() == "multipart/signed"
    assert message.get_param("protocol") == "application/pkcs7-signature"
    assert message.get_param("micalg") == "sha-256"
    content, signature = message.iter_parts()
    assert [part.get_content_type() for part in content.walk()] == SHAPES[shape][1]
    assert signature.get_content_type() == "application/pkcs7-signature"
    assert signature.get_filename() == "smime.p7s"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_headers_inside_are_those_outside(shape):
    """RFC 9788: every one, with the same value, in the same order; hp="clear" stands on Content-Type alone."""
    message = message_from_bytes(signed(shaped(shape)), policy=policy.compat32)
    content = message.get_payload(0)
    inner = [item for item in content.items() if item[0] in NAMES]
    assert inner == [item for item in message.items() if item[0] in NAMES]
    assert [name for name, _ in inner] == NAMES
    alone = shape == "text alone"
    about = content.items()[len(NAMES) :]
    assert [name for name, _ in about] == ["Content-Type", *(["Content-Transfer-Encoding"] if alone else [])]
    assert content.get_param("hp") == "clear"
    assert [value for name, value in about[1:]] == (["quoted-printable"] if alone else [])
    assert content.get_param("charset" if alone else "boundary")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", SMIME)
def test_openssl_verifies_the_letter_also_after_python_has_read_and_written_it(shape, kind, roots: dict[str, Path]):
    """Byte for byte from the first header inside; and nobody else's certificate will do."""
    raw = signed(shaped(shape), signing=Signing(smime=SMIME[kind], dkim=DKIM))
    content = smime_content(raw, roots[kind])
    assert content is not None
    assert content.startswith(b"To: " + ANNA.mailbox.encode() + b"\r\n")
    assert content in raw
    again = message_from_bytes(raw, policy=policy.SMTP).as_bytes()
    assert smime_content(again, roots[kind]) == content
    other = "p256" if kind == "rsa" else "rsa"
    assert smime_content(raw, roots[other]) is None


@pytest.mark.parametrize("shape", SHAPES)
def test_a_changed_header_inside_or_a_changed_word_breaks_the_smime_signature(shape, roots: dict[str, Path]):
    """Subject, recipient, link, text: what the reader sees is what was signed."""
    raw = signed(shaped(shape))
    outside, _, inside = raw.partition(b"\r\n\r\n")
    for old in (b"Subject: October", ANNA.mailbox.encode(), ANNA.token.encode(), b"Gr=C3=BC"):
        assert old in inside
        changed = inside.replace(old, old[:-1] + b"x", 1)
        assert smime_content(outside + b"\r\n\r\n" + changed, roots["p256"]) is None


def test_a_letter_that_only_smime_signs_has_no_dkim_header(roots: dict[str, Path]):
    """And the other way round: each stands alone."""
    form = shaped("multipart")
    raw = signed(form, signing=Signing(smime=SMIME["rsa"]))
    assert raw.startswith(b"To: ")
    assert smime_content(raw, roots["rsa"]) is not None
    assert sign(form_of(), ANNA, PLAIN, at=AT).smime == b""
