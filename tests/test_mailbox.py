"""The demo's mailbox: everything of a mail can be looked at, and nothing of it can act."""

from __future__ import annotations

import mailbox
import re
from contextlib import contextmanager
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

from newsletter.demo.mailbox import FRAME_POLICY, LETTER_POLICY, routes
from newsletter.render.environment import Templates
from newsletter.web.app import build
from newsletter.web.pages import Pages
from newsletter.web.unsubscribe import Leaving
from tests.support.browser import serious, violations, visiting
from tests.support.content import EN, FR, publication
from tests.support.webserver import ask, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from newsletter.model import Language

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
HTML = """\
<!doctype html><html lang="fr"><head><title>Rapport</title><style>h1 { color: rgb(1, 2, 3) }</style></head>
<body><h1>Rapport d&rsquo;octobre</h1><img src="cid:logo@newsletter" alt="logo">
<img src="http://127.0.0.1:9/pixel.gif" alt="">
<p><a href="/u/token">Se désabonner</a></p>
<script>document.title = "hacked"; top.document.title = "hacked"</script>
<form action="/desk/save" method="post"><button>send</button></form></body></html>
"""


def letter(to: str, day: int) -> EmailMessage:
    """A mail as ours look, and with what ours never have."""
    message = EmailMessage()
    message["From"] = "Computer Security Team <Computer.Security@meridian.example>"
    message["To"] = to
    message["Subject"] = f"Rapport <b>mensuel</b> no. {day}"
    message["Date"] = f"{day:02d} Nov 2026 09:00:00 +0100"
    message.set_content(f"Bonjour {to},\n\nhttps://security.meridian.example/fr/\n<b>fin</b>\n")
    message.add_alternative(HTML, subtype="html")
    message.get_payload()[1].add_related(PIXEL, "image", "png", cid="<logo@newsletter>")
    return message


@pytest.fixture
def maildir(tmp_path: Path) -> mailbox.Maildir:
    """Two mails of different days."""
    box = mailbox.Maildir(tmp_path / "mail", create=True)
    for to, day in (("ada@meridian.example", 3), ("basile@meridian.example", 4)):
        box.add(letter(to, day).as_bytes())
    return box


@contextmanager
def mailbox_of(folder: Path, languages: tuple[Language, ...] = (EN, FR)) -> Iterator[str]:
    """The address of a site with the mails of this folder."""
    pages = Pages(publication(languages=languages), Templates([]))
    leaving = Leaving(look_up=None, leave=None)  # nobody leaves here
    with serving(build(folder, leaving=leaving, pages=pages, routes=routes(folder / "mail", pages))) as address:
        yield address


@pytest.fixture
def site(maildir: mailbox.Maildir, tmp_path: Path) -> Iterator[str]:
    with mailbox_of(tmp_path) as address:
        yield address


def newest(site: str) -> str:
    """The path of the mail on top of the list."""
    return re.findall(r'href="(/mailbox/[^"/]+/)"', ask(f"{site}/mailbox/").text)[0]


def test_the_list_shows_every_mail_newest_first(site):
    text = ask(f"{site}/mailbox/").text
    assert text.index("basile@meridian.example") < text.index("ada@meridian.example")
    assert len(set(re.findall(r'href="(/mailbox/[^"/]+/)"', text))) == 2
    assert ask(f"{site}/mailbox").headers["Location"] == "/mailbox/"


def test_the_list_speaks_the_publication_s_language(maildir, tmp_path):
    with mailbox_of(tmp_path, (FR, EN)) as site:
        text = ask(f"{site}/mailbox/").text
    assert "2 courriels sont arrivés." in text
    assert "4 novembre 2026, 09:00" in text


def test_headers_of_a_mail_are_text(site):
    """A subject is whatever somebody wrote."""
    text = ask(f"{site}/mailbox/").text
    assert "Rapport &lt;b&gt;mensuel&lt;/b&gt; no. 4" in text
    assert "<b>" not in text


def test_text_and_source_of_a_mail_are_shown_as_they_are(site):
    text, source = ask(site + newest(site) + "text").text, ask(site + newest(site) + "source").text
    assert '">basile@meridian.example</a>,' in text
    assert "&lt;b&gt;fin&lt;/b&gt;" in text
    assert '<a href="https://security.meridian.example/fr/"' in text
    assert "Content-Type: multipart/alternative" in source
    assert "Content-ID: &lt;logo@newsletter&gt;" in source


def test_the_letter_is_locked_into_its_frame(site):
    """No script, no form, no origin, nothing from elsewhere; its own styles and embedded images only."""
    page, frame = ask(site + newest(site)), ask(site + newest(site) + "letter")
    assert page.headers["Content-Security-Policy"] == FRAME_POLICY
    assert frame.headers["Content-Security-Policy"] == LETTER_POLICY
    assert "allow-scripts" not in page.text + LETTER_POLICY
    assert "allow-same-origin" not in page.text + LETTER_POLICY
    assert "default-src 'none'" in LETTER_POLICY
    assert "data:image/png;base64," in frame.text


@pytest.mark.parametrize(
    "name", ["nothing", "..", "%2e%2e", "..%2fnew", "%2fetc%2fpasswd", "new", "x" * 300, "%00", "a%0ab", "*", "-"]
)
@pytest.mark.parametrize("view", ["", "letter", "text", "source"])
def test_only_mails_of_this_mailbox_are_shown(site, name, view):
    assert ask(f"{site}/mailbox/{name}/{view}").status == 404


def test_there_are_no_other_views(site):
    assert ask(site + newest(site) + "raw").status == 404


def test_a_mailbox_that_does_not_exist_is_no_page(tmp_path):
    with mailbox_of(tmp_path) as address:
        assert [ask(address + path).status for path in ("/mailbox/", "/mailbox/1/")] == [404, 404]


def test_a_mail_without_html_or_date_still_shows(site, maildir):
    """What other programs leave in a mailbox is seldom well made."""
    name = maildir.add(b"Subject: =?utf-8?q?bare?=\n\njust words\n")
    assert "bare" in ask(f"{site}/mailbox/").text
    assert "just words" in ask(f"{site}/mailbox/{name}/text").text
    assert ask(f"{site}/mailbox/{name}/letter").status == 404
    assert ask(f"{site}/mailbox/{name}/").status == 200


def test_a_mail_cannot_act_in_the_browser(site, browser):
    """Its script does not run, its picture is not fetched, its styles work; its link opens a page of its own."""
    with visiting(browser, site + newest(site)) as (page, visit):
        frame = page.frame_locator("iframe")
        heading = frame.get_by_role("heading", name="Rapport d\N{RIGHT SINGLE QUOTATION MARK}octobre")
        heading.wait_for()
        assert heading.evaluate("element => getComputedStyle(element).color") == "rgb(1, 2, 3)"
        assert frame.get_by_role("img", name="logo").evaluate("image => image.naturalWidth") == 1
        assert "hacked" not in page.title()
        assert visit.outside == []
        with page.context.expect_page() as opened:
            frame.get_by_role("link", name="Se désabonner").click()
        opened.value.wait_for_load_state()
        assert opened.value.url == f"{site}/u/token"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_mailbox_is_accessible(site, browser, dark):
    for path in ("/mailbox/", newest(site), newest(site) + "text"):
        with visiting(browser, site + path, width=375, dark=dark) as (page, visit):
            assert serious(violations(page)) == []
            wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            assert (path, wide, visit.outside) == (path, False, [])
