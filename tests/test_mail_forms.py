"""The rules over letters of every form that we send, and over bytes that no one should send: those raise nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.checks.house import House
from newsletter.checks.mails import check_letter
from newsletter.checks.mails.inversion import inverted, over
from newsletter.checks.mails.letter import Letter
from newsletter.checks.mails.style import DARK, DESKTOP, PHONE, applies, matches, parse_selector
from newsletter.checks.tree import parse
from newsletter.deliver.dispatch import Signing
from newsletter.deliver.dkim import DkimKey, DkimSigner, make_key
from newsletter.deliver.letters import Personal, letter, make_form, sign
from newsletter.deliver.message import compile_variant
from newsletter.deliver.smime import SmimeSigner, make_self_signed
from newsletter.model import CompiledVariant, Format, SubscriberId, Tlp
from newsletter.render.environment import Templates
from newsletter.render.mail import render_report
from tests.rules.letters import NAME, own_letters
from tests.support.notices import KINDS, WITH_HTML, message
from tests.support.pictures import png
from tests.support.samples import EN, FR, sample_publication, sample_report

DATE = datetime(2026, 11, 3, 8, 0, tzinfo=UTC)
PUBLICATION = sample_publication()
HOUSE = House(PUBLICATION)
PACKAGED = Templates([])
DOMAIN = PUBLICATION.from_address.rpartition("@")[2]
PERSON = Personal(SubscriberId(1), "reader@example.org", "a" * 34, f"<abc.1@{DOMAIN}>")


def compiled(*, tlp: Tlp = Tlp.CLEAR, logo: bool = False, language=EN) -> CompiledVariant:
    publication = replace(PUBLICATION, logo="logo.png" if logo else None, logo_alt="Meridian")
    variant = render_report(replace(sample_report(language=language), tlp=tlp), publication, PACKAGED)
    archived = f"{PUBLICATION.base_url}/en/reports/2026-10/" if tlp is Tlp.CLEAR else None
    return compile_variant(variant, publication, archived_at=archived, logo=png() if logo else None)


def sent(made: CompiledVariant, signing: Signing | None = None, wanted: Format = Format.HTML) -> bytes:
    """The letter for one person, signed if asked for."""
    smime = signing is not None and signing.smime is not None
    form = make_form(made, wanted, date=DATE, base_url=PUBLICATION.base_url, smime=smime)
    signature = sign(form, PERSON, signing or Signing(), at=1_790_000_000)
    return letter(form, PERSON, signature)


def told(raw: bytes, name: str = NAME) -> list[str]:
    return [str(one) for one in check_letter(Letter(name, raw), HOUSE)]


@pytest.mark.parametrize("language", [EN, FR])
@pytest.mark.parametrize("wanted", list(Format))
def test_both_formats_are_as_they_should_be(language, wanted: Format):
    """Who asked for text gets text alone, and the rules over HTML have nothing to say."""
    assert told(sent(compiled(language=language), wanted=wanted), f"2026-10.public.{language}") == []


def test_signed_letter_is_as_it_should_be():
    """DKIM twice, and S/MIME around it, with the headers inside once more."""
    keys = tuple(DkimKey.load(make_key(kind), selector=kind, domain=DOMAIN) for kind in ("rsa", "ed25519"))
    key, certificate = make_self_signed(PUBLICATION.from_address, "Meridian", now=datetime.now(UTC), kind="rsa")
    signing = Signing(dkim=DkimSigner(keys), smime=SmimeSigner.load(certificate, key))
    assert told(sent(compiled(), signing)) == []


def test_letter_with_a_logo_is_as_it_should_be():
    """It travels inside, with words and a height."""
    raw = sent(compiled(logo=True))
    assert b"Content-ID:" in raw
    assert told(raw) == []


@pytest.mark.parametrize("tlp", [Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT])
def test_stricter_letters_are_as_they_should_be(tlp: Tlp):
    """Marked in the subject, without an address on the web, their colours readable even when inverted."""
    assert told(sent(compiled(tlp=tlp)), "2026-10.members.en") == []


@pytest.mark.parametrize("language", [EN, FR])
@pytest.mark.parametrize("kind", KINDS)
def test_notices_are_as_they_should_be(kind: str, language):
    """Small mails of ours: the rules over headers, HTML and text hold for them, those over lists do not."""
    raw = message(kind, language)
    assert bool(Letter(kind, raw).html) == (kind in WITH_HTML)
    assert told(raw, f"{kind}.{language}") == []


# --- hostile bytes ------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.data())
@pytest.mark.slow
def test_broken_letters_raise_nothing(data: st.DataObject):
    """Pieces of a letter, cut anywhere, with anything between them: every answer is a list of findings."""
    raw = own_letters()[NAME]
    at = data.draw(st.integers(0, len(raw)))
    to = data.draw(st.integers(at, min(len(raw), at + 9_000)))
    junk = data.draw(st.binary(max_size=40) | st.sampled_from(JUNK))
    for one in check_letter(Letter(NAME, raw[:at] + junk + raw[to:]), HOUSE):
        assert one.message
        assert one.fix
        assert one.place.line > 0


JUNK = (
    b"\r\n\r\n",
    b"<!--[if mso]>",
    b"<![CDATA[",
    b"<![foo[",
    b"<style>@media { a { b: c } ",
    b'<p style=3D"color:&#0;red;;:">',
    b"\r\nContent-Type: multipart/mixed; boundary=x\r\n",
    b'\r\nContent-Type: text/html; charset="no-such"\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%\r\n',
    b"\r\nSubject: =?no-such?q?=FF?= =?utf-8?b?/?=\r\n",
    b"\r\nDate: Tue, 99 Nov\r\n",
    b'<a href=3D"http://[::">x</a><a href=3D"https://a:b@c:d/">www.x</a>',
    b"<b>" * 3_000,
    b"<p " * 1_000,
)


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"\n\n", b"\xff" * 99, b":", b"A", b"Subject: x", *JUNK])
def test_what_is_no_letter_raises_nothing(raw: bytes):
    """A fault is a finding."""
    assert told(raw)


# --- what the rules stand on --------------------------------------------------------------------------------------


def test_inversion_is_that_of_outlook():
    """White becomes #333333, black white; a colour keeps its hue, and twice changes lightness back in part only."""
    assert inverted("#ffffff") == "#333333"
    assert inverted("#000000") == "#ffffff"
    red, green, blue = (int(inverted("#1f4e79")[n : n + 2], 16) for n in (1, 3, 5))
    assert red < green < blue
    assert over("rgba(0, 0, 0, 0.5)", "#ffffff") == "#808080"


def test_selectors_match_as_in_a_browser():
    """Types, classes, ids, attributes, descendants and children; anything else matches nothing."""
    page = parse('<div id="a" class="x y"><p class="k"><b lang="fr-CH">w</b></p></div>')
    bold = page.all("b")[0]
    matching = ["b", "*", "div b", "p > b", ".x b", ".x.y b", "#a p b", "[lang]", "b[lang|=fr]", 'b[lang="fr-CH"]']
    assert [one for one in matching if not matches(parse_selector(one), bold)] == []
    others = ["p", "div > b", ".z b", "b.k", "[lang=fr]", "b:hover", "p + b", "b::before", "i b", "", ">", "b$"]
    assert [one for one in others if matches(parse_selector(one), bold)] == []


def test_media_queries_hold_where_they_should():
    """Width and theme; what we do not know never holds."""
    assert applies(["(max-width: 480px)"], PHONE)
    assert not applies(["(max-width: 480px)"], DESKTOP)
    assert applies(["screen and (prefers-color-scheme: dark)"], DARK)
    assert not applies(["(prefers-color-scheme: dark)"], DESKTOP)
    assert not applies(["print"], DESKTOP)
    assert applies(["print, (min-width: 600px)"], DESKTOP)
