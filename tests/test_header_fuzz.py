"""A few thousand hostile names, subjects and addresses in every test run; the campaign by itself asks for 100,000."""

from __future__ import annotations

import re

import pytest

from newsletter.deliver import headers
from tests.campaigns import headers as campaign
from tests.campaigns.headers import Case, Perl, has_perl, judge

COUNT = 6_000
SEED = 20_261_103

pytestmark = pytest.mark.skipif(not has_perl(), reason="needs Debian's libemail-mime-perl and libemail-address-xs-perl")

SUBJECT = {"names": ("Subject",), "texts": {"Subject": "October"}}
TO = {"names": ("To",), "mailboxes": {"To": ("reader@example.org", "")}}
NAMED = {"names": ("From",), "mailboxes": {"From": ("reader@example.org", "Reader, Jr.")}}
WORD = "=?utf-8?q?" + "x" * 60 + "?="  # 72 characters


@pytest.fixture(scope="module")
def perl():
    with Perl() as child:
        yield child


def verdict(perl: Perl, head: bytes, expected: dict) -> str:
    """What the judge says of these header lines."""
    raw = head + b"\r\nbody\r\n"
    case = Case(kind="test", make=lambda: raw, **expected)
    return "; ".join(judge(case, raw, perl.views([raw])[0]))


@pytest.mark.slow
def test_nothing_hostile_comes_through():
    """Each is refused for a reason, or every parser reads exactly what went in; and many of each kind come that far."""
    tally = campaign.run(count=COUNT, seed=SEED)
    assert not tally.faults, tally.examples
    assert tally.accepted.total() + tally.refused.total() == COUNT
    for kind, least in {"subject": 600, "name": 900, "address": 150, "list": 150, "url": 50, "tokens": 50, "notice": 40,
                        "letter": 20}.items():  # fmt: skip
        assert tally.accepted[kind] >= least, kind
        assert tally.refused[kind] >= 20, kind


@pytest.mark.parametrize(
    "make",
    [
        lambda word: headers.mailbox("To", f"{word}@example.org"),
        lambda word: headers.mailbox("To", f'"{word}"@example.org'),
        lambda word: headers.url("List-Help", f"https://example.org/{word}"),
        lambda word: headers.tokens("Feedback-ID", word),
        lambda word: headers.tokens("Feedback-ID", word[:12], word[12:]),
    ],
)
def test_an_encoded_word_hides_in_no_address(make):
    """Found by the campaign: readers decode it where RFC 2047 section 5 forbids it, and see another address."""
    assert make("=?utf-8?q?evil=40example.net=2C").isascii()
    with pytest.raises(ValueError, match=r"encoded-word|all ASCII|without =\?"):
        make("=?utf-8?q?evil=40example.net=2C?=")


def test_a_seed_gives_the_same_cases():
    """So that a fault can be looked at again."""
    first, second = ([dict(case.texts) for case in campaign.cases(200, SEED)] for _ in range(2))
    assert first == second
    assert first != [dict(case.texts) for case in campaign.cases(200, SEED + 1)]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"Subject: October\r\n", SUBJECT),
        (b"Subject: =?utf-8?q?Octo?=\r\n =?utf-8?q?ber?=\r\n", SUBJECT),
        (b"To: reader@example.org\r\n", TO),
        (b'From: "Reader, Jr." <reader@example.org>\r\n', NAMED),
    ],
)
def test_the_judge_has_nothing_against_what_is_right(perl, head, expected):
    """Otherwise its complaints below would say nothing."""
    assert verdict(perl, head, expected) == ""


@pytest.mark.parametrize(
    ("head", "expected", "fault"),
    [
        (b"Subject: October\r\nBcc: evil@example.net\r\n", SUBJECT, "other headers"),
        (b"Subject: October\r\nSubject: October\r\n", SUBJECT, "other headers"),
        (b"Subject: October\r\n\r\nBcc: evil@example.net\r\n", SUBJECT, "the body begins elsewhere"),
        (b"Subject: November\r\n", SUBJECT, "another text in Subject"),
        (b"Subject: Octo\r\n ber\r\n", SUBJECT, "another text in Subject"),
        (b"Subject: =?utf-8?q?October_?=\r\n", SUBJECT, "another text in Subject"),
        (b"Subject: October\r\n \r\n", SUBJECT, "a header line of blanks"),
        (b"Subject: October\n", SUBJECT, "does not end in CRLF"),
        ("Subject: Octobér\r\n".encode(), {**SUBJECT, "texts": {}}, "not printable ASCII"),
        (b"Subject: October\r\n " + b"x" * 998 + b"\r\n", {**SUBJECT, "texts": {}}, "a line beyond 998"),
        (f"Subject: {WORD}\r\n".encode(), {**SUBJECT, "texts": {}}, "a line with encoded-words beyond 76"),
        (f"Subject:\r\n {WORD[:-2]}xxxx?=\r\n".encode(), {**SUBJECT, "texts": {}}, "an encoded-word beyond 75"),
        (b"To: reader@example.org, evil@example.net\r\n", TO, "2 mailboxes"),
        (b"To: evil@example.net\r\n", TO, "another address"),
        (b"To: team: reader@example.org;\r\n", TO, "complains"),
        (b"From: Reader, Jr. <reader@example.org>\r\n", NAMED, "2 mailboxes"),
        (b"From: reader@example.org\r\n", NAMED, "another display name"),
        (b'From: "Reader" <reader@example.org>\r\n', NAMED, "another display name"),
    ],
)
def test_the_judge_sees_what_is_wrong(perl, head, expected, fault):
    """An injected header, a second mailbox, a long line: a judge that cannot say no proves nothing."""
    assert re.search(fault, verdict(perl, head, expected))


@pytest.mark.parametrize(
    ("head", "expected", "fault"),
    [
        (b"Subject: October\r\nBcc: evil@example.net\r\n", SUBJECT, "other headers"),
        (b"To: reader@example.org, evil@example.net\r\n", TO, "2 mailboxes"),
    ],
)
def test_every_reader_sees_the_worst_by_itself(perl, head, expected, fault):
    """At least two parsers that are not ours; dkimpy knows headers, but no mailboxes."""
    said = verdict(perl, head, expected)
    for reader in (campaign.OLD, campaign.NEW, campaign.PERL, *([campaign.DKIM] if fault == "other headers" else [])):
        assert f"{reader}: {fault}" in said


def test_a_refusal_without_need_is_a_fault(monkeypatch):
    """A serialiser that refuses everything would hurt nobody, and be of no use."""

    def refuse(*_args: object) -> bytes:
        raise ValueError("no")

    monkeypatch.setattr("newsletter.deliver.headers.text", refuse)
    tally = campaign.run(count=200, seed=SEED)
    assert tally.faults["subject: refused without need"] > 10


def by_f_string(name: str, *values: str) -> bytes:
    """How headers are often written."""
    return f"{name}: {' '.join(values)}\r\n".encode("utf-8", "replace")


def mailbox_by_f_string(name: str, address: str, display: str = "") -> bytes:
    return by_f_string(name, f'"{display}" <{address}>' if display else address)


@pytest.mark.parametrize(
    ("name", "careless", "faults"),
    [
        ("text", by_f_string, ["subject: email default: other headers", "subject: bytes: a line beyond 998 octets",
                               "subject: Email::MIME: other headers", "subject: bytes: not printable ASCII",
                               "subject: dkimpy: the body begins elsewhere"]),
        ("mailbox", mailbox_by_f_string, ["name: Email::MIME: 2 mailboxes", "name: email compat32: 2 mailboxes",
                                          "address: Email::MIME: 2 mailboxes", "notice: Email::MIME: other headers"]),
        ("_encoded_words", lambda value, _room: [value.encode("ascii", "replace").decode()],
         ["name: Email::MIME: 2 mailboxes", "subject: Email::MIME: another text in Subject"]),
    ],
)  # fmt: skip
def test_a_serialiser_that_is_careless_is_found_out(monkeypatch, name, careless, faults):
    """Ours, with one function as others write it: the cases are hostile enough, and the judge sees it."""
    monkeypatch.setattr(f"newsletter.deliver.headers.{name}", careless)
    tally = campaign.run(count=1_500, seed=SEED)
    assert set(faults) <= set(tally.faults), sorted(tally.faults)
