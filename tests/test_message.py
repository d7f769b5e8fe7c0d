"""The letter as a mail program reads it, and as a checksum sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email import message_from_bytes, policy
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.deliver.letters import address_letter
from newsletter.deliver.message import (
    MAX_LOGO_BYTES,
    as_sent,
    compile_notice,
    compile_variant,
    edition_digest,
)
from newsletter.keys import message_id, unsubscribe_token
from newsletter.model import TOKEN_LENGTH, UNSUBSCRIBE_SLOT, Address, Format, NoticeText, Variant
from tests.support.ledger import KEYS, compiled, person
from tests.support.samples import EN, FR, sample_publication, sample_report

DATE = datetime(2026, 11, 3, 9, 0, tzinfo=timezone(timedelta(hours=1)))
BASE = "https://security.meridian.example"
LINK = f"{BASE}/u/{UNSUBSCRIBE_SLOT}"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
TOKEN = unsubscribe_token(KEYS, person(1).id)
ID = message_id(KEYS, "2026-10.0", person(1).id, "meridian.example")

VARIANT = Variant(
    report=sample_report(),
    subject="Monthly Security Report: October 2026",
    html=f'<!DOCTYPE html>\n<p>Gr\u00fc\u00dfe</p>\n<img src="cid:logo" alt="">\n<a href="{LINK}">Unsubscribe</a>\n',
    text=f"Gr\u00fc\u00dfe\n.a line with a dot\nFrom us to you\n\nUnsubscribe: {LINK}\n",
)


PUBLICATION = replace(sample_publication(), name="Security Report")


def letter(variant=VARIANT, subscriber=None, base_url=BASE, publication=PUBLICATION, **options):
    """The whole way: compile, then address."""
    date = options.pop("date", DATE)
    values = {"archived_at": f"{BASE}/en/reports/2026-10/"} | options
    made = compile_variant(variant, publication, **values)
    return address_letter(made, subscriber or person(1), token=TOKEN, message_id=ID, base_url=base_url, date=date)


def compiled_variant(**options):
    """VARIANT, compiled."""
    values = {"archived_at": f"{BASE}/en/reports/2026-10/"} | options
    return compile_variant(VARIANT, PUBLICATION, **values)


def read(raw):
    """As a mail program reads it."""
    message = message_from_bytes(raw, policy=policy.default)
    assert not message.defects
    assert not any(part.defects for part in message.walk())
    return message


def words(part):
    """The text of a part, with line ends as templates write them."""
    return part.get_content().replace("\r\n", "\n")


# --- what readers get -----------------------------------------------------------------------------------------


def test_the_letter_holds_text_and_html_from_plainest_to_richest():
    """multipart/alternative; both parts come out as they went in, with the personal link."""
    message = read(letter())
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert words(text) == VARIANT.text.replace(UNSUBSCRIBE_SLOT, TOKEN)
    assert words(html) == VARIANT.html.replace(UNSUBSCRIBE_SLOT, TOKEN)


def test_the_headers_say_what_receivers_want_to_know():
    """Each once, none missing: RFC 5322, 2369, 2919, 5064, 8058, and what large receivers ask for."""
    message = read(letter())
    assert dict(message.items()) == {
        "To": "reader-1@example.org",
        "Message-ID": ID,
        "List-Unsubscribe": f"<{BASE}/u/{TOKEN}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "From": "Meridian Laboratory Security Report <report@security.meridian.example>",
        "Reply-To": "Computer.Security@meridian.example",
        "Subject": "Monthly Security Report: October 2026",
        "Date": "Tue, 03 Nov 2026 09:00:00 +0100",
        "List-Id": "Security Report <monthly-report.security.meridian.example>",
        "List-Post": "NO",
        "List-Help": "<mailto:Computer.Security@meridian.example>",
        "List-Owner": "<mailto:Computer.Security@meridian.example>",
        "List-Archive": f"<{BASE}/en/>",
        "Archived-At": f"<{BASE}/en/reports/2026-10/>",
        "Feedback-ID": "2026-10:public-en:report:securitymeridia",
        "Precedence": "bulk",
        "Content-Language": "en",
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }
    assert len(message.items()) == 19


def test_who_wants_text_alone_gets_text_alone():
    """The text part by itself, under the same headers but one."""
    whole = read(letter())
    alone = read(letter(subscriber=person(1, format=Format.TEXT)))
    assert alone.get_content_type() == "text/plain"
    assert alone.get_content() == next(whole.iter_parts()).get_content()
    changed = {"Content-Type", "Content-Transfer-Encoding"}
    assert {k: v for k, v in alone.items() if k not in changed} == {k: v for k, v in whole.items() if k not in changed}


def test_an_edition_without_an_address_on_the_web_does_not_claim_one():
    """Variants that are not public have no Archived-At."""
    assert "Archived-At" not in read(letter(archived_at=None))


def test_one_click_is_promised_only_where_it_can_be_kept():
    """RFC 8058 demands https; the link itself is there in any case."""
    message = read(letter(base_url="http://127.0.0.1:8000/"))
    assert message["List-Unsubscribe"] == f"<http://127.0.0.1:8000/u/{TOKEN}>"
    assert "List-Unsubscribe-Post" not in message


def test_the_logo_travels_inside_the_letter():
    """multipart/related with html and image inside the alternative (RFC 2387), referred to by its Content-ID."""
    message = read(letter(logo=PNG))
    text, related = message.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert (related.get_content_type(), related.get_param("type")) == ("multipart/related", "text/html")
    html, image = related.iter_parts()
    assert image.get_content_type() == "image/png"
    assert image.get_content() == PNG
    assert f'src="cid:{image["Content-ID"].strip("<>")}"' in html.get_content()
    assert (
        read(letter(replace(VARIANT, html="<p>No picture</p>"), logo=PNG)).get_payload(1).get_content_type()
        == "text/html"
    )


@pytest.mark.parametrize("logo", [b"<svg/>", PNG + bytes(MAX_LOGO_BYTES)])
def test_a_logo_that_mail_programs_do_not_show_is_refused(logo):
    """No SVG, nothing huge."""
    with pytest.raises(ValueError, match="PNG, JPEG or GIF of at most 100,000 bytes"):
        letter(logo=logo)


# --- bytes ----------------------------------------------------------------------------------------------------


def test_every_line_survives_the_way():
    """CRLF only, ASCII only, lines within 78 (URLs excepted) and 998, no leading dot, no From at a line's start."""
    raw = letter()
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    assert not any(line.startswith((b".", b"From ")) for line in body.split(b"\r\n"))
    assert all(len(line) <= 78 for line in head.split(b"\r\n") if b"<https" not in line)


def test_the_token_stands_whole_wherever_the_slot_stood():
    """Never cut by a soft line break; nobody else's letter differs anywhere else."""
    raw = letter()
    assert raw.count(TOKEN.encode()) == 3
    assert UNSUBSCRIBE_SLOT.encode() not in raw
    other = address_letter(
        compiled_variant(),
        person(2),
        token=unsubscribe_token(KEYS, person(2).id),
        message_id=ID,
        base_url=BASE,
        date=DATE,
    )
    assert len(other) == len(raw)


def test_the_digest_is_the_checksum_of_the_archived_letter_below_its_date():
    """From its second line on, the .eml file through sha256sum says whether it is what was approved."""
    made = compiled_variant()
    archived = as_sent(made, date=DATE)
    date, _, rest = archived.partition(b"\r\n")
    assert date.startswith(b"Date: ")
    assert sha256(rest).hexdigest() == made.digest
    assert UNSUBSCRIBE_SLOT.encode() not in archived
    assert f"/u/{'0' * TOKEN_LENGTH}" in next(read(archived).iter_parts()).get_content()
    assert "To" not in read(archived)


def test_everything_in_the_letter_changes_its_digest():
    """Text, html, subject, sender: an approval of a digest is an approval of all of it."""
    made = [
        compiled_variant(),
        compiled_variant(logo=PNG),
        compile_variant(replace(VARIANT, text=VARIANT.text + "."), PUBLICATION, archived_at=None),
        compile_variant(replace(VARIANT, html=VARIANT.html + "."), PUBLICATION, archived_at=None),
        compile_variant(replace(VARIANT, subject="Other"), PUBLICATION, archived_at=None),
    ]
    assert len({item.digest for item in made}) == len(made)


def test_the_edition_digest_is_over_the_variants_in_a_fixed_order():
    """Whatever the order in which they were rendered; anybody can compute it again."""
    english, french = compiled(EN), compiled(FR)
    expected = sha256(f"{english.digest}\n{french.digest}\n".encode()).hexdigest()
    assert edition_digest([english, french]) == edition_digest([french, english]) == expected
    assert edition_digest([english]) != expected


def test_the_same_input_gives_the_same_bytes_whatever_the_machine():
    """Time zone, locale and hash seed of the process do not matter."""
    code = (
        "import json, sys; from tests.test_message import letter; from hashlib import sha256;"
        "print(json.dumps(sha256(letter()).hexdigest()))"
    )
    seen = {
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": seed},
                capture_output=True, check=True, text=True,
            ).stdout
        )
        for zone, locale, seed in (("UTC", "C.UTF-8", "0"), ("Pacific/Auckland", "C", "7"))
    }  # fmt: skip
    assert seen == {sha256(letter()).hexdigest()}


# --- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["a\r\nBcc: x@y", "a\nb", "a\0b", "a\x85b", "tab\there"])
def test_a_subject_with_control_characters_is_refused(subject):
    """No title, however odd, puts a second header into the message."""
    with pytest.raises(ValueError, match="Subject: holds U"):
        letter(replace(VARIANT, subject=subject))


@pytest.mark.parametrize("mailbox", ["a@b\r\nBcc: x@y.org", "a@b, x@y.org", "ren\u00e9@example.org"])
def test_an_address_that_is_not_one_mailbox_is_refused(mailbox):
    """Whatever the database holds."""
    with pytest.raises(ValueError, match="cannot stand in a header"):
        letter(subscriber=person(1, address=Address(mailbox, mailbox)))


@pytest.mark.parametrize(
    "token", ["", "x" * (TOKEN_LENGTH - 1), "x" * (TOKEN_LENGTH + 1), "=" * TOKEN_LENGTH, "x" * 33 + "\n"]
)
def test_a_token_that_does_not_fit_its_slot_is_refused(token):
    """Otherwise lines would change their length."""
    with pytest.raises(ValueError, match="34 characters"):
        address_letter(compiled_variant(), person(1), token=token, message_id=ID, base_url=BASE, date=DATE)


def test_a_language_that_is_none_is_refused():
    """Content-Language holds a language tag."""
    with pytest.raises(ValueError, match="no language tag"):
        letter(replace(VARIANT, report=replace(VARIANT.report, language="e")))


def test_a_date_without_a_zone_is_refused():
    """Nobody knows which moment it is."""
    with pytest.raises(ValueError, match="no time zone"):
        letter(date=datetime(2026, 11, 3, 9, 0))


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=150)
def test_nothing_in_a_letter_adds_a_header_a_part_or_a_recipient(subject, words, name):
    """Whatever editors write and settings say: the same headers, two parts, one recipient, or it is refused."""
    variant = replace(VARIANT, subject=subject, text=words, html=f"<p>{words}</p>")
    try:
        raw = letter(variant, publication=replace(PUBLICATION, name=name, organisation="Lab"))
    except ValueError:
        return
    new, old = read(raw), message_from_bytes(raw, policy=policy.compat32)
    assert new.keys() == old.keys() == read(letter()).keys()
    assert [part.get_content_type() for part in new.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert [item.addr_spec for item in new["To"].addresses] == ["reader-1@example.org"]
    assert [item.addr_spec for item in new["From"].addresses] == ["report@security.meridian.example"]


# --- notices --------------------------------------------------------------------------------------------------

NOTICE = NoticeText("Held: the report of October needs you", "Nobody has approved it.\n.\n", EN)
TO = "anna@meridian.example"


def test_a_notice_says_that_a_machine_wrote_it():
    """RFC 3834: so that no absence assistant answers it."""
    message = read(compile_notice(NOTICE, PUBLICATION, recipient=TO, date=DATE, message_id=ID))
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"] == "anna@meridian.example"
    assert message["Subject"] == NOTICE.subject
    assert message["Message-ID"] == ID
    assert message["Content-Language"] == "en"
    assert words(message) == NOTICE.text


def test_a_notice_is_no_letter_of_a_list():
    """Nobody leaves a list by it, and it is not sent in bulk."""
    message = read(compile_notice(NOTICE, PUBLICATION, recipient=TO, date=DATE, message_id=ID))
    assert [name for name in message if name.startswith("List-")] == []
    assert {"Precedence", "Feedback-ID", "Archived-At"} & set(message) == set()


def test_a_notice_with_a_second_recipient_is_refused():
    """One mailbox each."""
    with pytest.raises(ValueError, match="must be like"):
        compile_notice(NOTICE, PUBLICATION, recipient="a@b.org, c@d.org", date=DATE, message_id=ID)
