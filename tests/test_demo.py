"""The demo as its user meets it: mails in the mailbox, pages in the archive, both through our own server."""

from __future__ import annotations

import re
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import dkim
import pytest
from playwright.sync_api import Browser

from newsletter.model import SubscriberState
from newsletter.subscriptions import everybody
from tests.support.archive import served
from tests.support.browser import serious, violations, visiting
from tests.support.demo import BASE, Demo
from tests.support.webserver import ask

LINK = re.compile(r'(?:href|src)="([^"#]+)')
MOVED = (301, 302)
# The application's forms, which the archive and the letters link to.
FORMS = {f"/{language}/{form}/" for language in ("en", "fr") for form in ("subscribe", "preferences")}


def test_every_sample_subscriber_has_exactly_one_mail(demo: Demo) -> None:
    assert (demo.outcome.subscribers, demo.outcome.delivered) == (25, 25)
    assert (demo.outcome.duplicates, demo.outcome.missing) == (0, 0)
    wanted = sorted(person.address.mailbox for person in everybody(demo.app))
    assert sorted(str(mail["Delivered-To"]) for mail in demo.mails()) == wanted


def test_everybody_is_written_to_in_their_language_and_format(demo: Demo) -> None:
    people = {person.address.mailbox: person for person in everybody(demo.app)}
    for mail in demo.mails():
        person = people[str(mail["Delivered-To"])]
        assert mail["Content-Language"] == person.language
        assert mail.is_multipart() == (person.format == "html")


def test_each_letter_names_its_own_reader_and_nobody_else(demo: Demo) -> None:
    """One To, one personal link, in the header as in both parts; no other subscriber's address anywhere."""
    addresses = {person.address.mailbox for person in everybody(demo.app)}
    tokens = set()
    for mail in demo.mails():
        source = mail.as_bytes()
        assert {address for address in addresses if address.encode() in source} == {str(mail["Delivered-To"])}
        found = set(re.findall(rf"{BASE}/u/([A-Za-z0-9_-]+)", "".join(_texts(mail)) + str(mail["List-Unsubscribe"])))
        assert len(found) == 1
        tokens |= found
    assert len(tokens) == 25


def test_every_letter_is_signed_twice_and_verifies(demo: Demo) -> None:
    """By dkimpy, with the records that ``newsletter keys dkim`` would print."""
    keys = demo.app.dispatch.signing.dkim.keys
    records = {f"{name}.".encode(): value.encode() for name, value in (key.dns_record() for key in keys)}
    for letter in demo.letters():
        verifier = dkim.DKIM(letter)
        for position in range(len(keys)):
            assert verifier.verify(position, dnsfunc=lambda name, **_: records.get(name))
    assert {key.algorithm for key in keys} == {"rsa-sha256", "ed25519-sha256"}


def test_the_hostile_feed_left_no_trace(demo: Demo) -> None:
    for mail in demo.mails():
        for text in _texts(mail):
            assert not re.search(r"<script|onerror|javascript:|<iframe|<form|tracking", text, re.IGNORECASE)


@pytest.mark.parametrize(
    ("dark", "width", "language"),
    [
        # Each pair of a theme, a width and a language is among the first four.
        (False, 375, "en"),
        (False, 1024, "fr"),
        (True, 375, "fr"),
        (True, 1024, "en"),
        pytest.param(False, 375, "fr", marks=pytest.mark.slow),
        pytest.param(False, 1024, "en", marks=pytest.mark.slow),
        pytest.param(True, 375, "en", marks=pytest.mark.slow),
        pytest.param(True, 1024, "fr", marks=pytest.mark.slow),
    ],
)
def test_a_mail_from_the_demo_opens_without_a_request_and_without_a_barrier(
    demo: Demo,
    browser: Browser,
    tmp_path: Path,
    *,
    language: str,
    width: int,
    dark: bool,
) -> None:
    """Zero network requests while rendering, nothing serious that axe knows of, nothing to scroll sideways."""
    mail = next(m for m in demo.mails() if m["Content-Language"] == language and m.is_multipart())
    html = mail.get_body(("html",))
    assert html is not None
    (tmp_path / "letter.html").write_text(str(html.get_content()), encoding="utf-8")
    # Not from the mailbox's own frame: its sandbox stops axe-core as it stops every other script.
    with (
        served(tmp_path) as address,
        visiting(browser, f"{address}/letter.html", width=width, dark=dark) as (page, visit),
    ):
        # The landmark rules are for pages; a mail is shown inside one.
        found = violations(page, disabled_rules=("region", "landmark-one-main"))
        assert serious(found) == []
        assert visit.requests == [page.url]
        assert (visit.errors, visit.outside) == ([], [])
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_page_of_the_archive_answers_with_its_policy_and_no_link_is_dead(demo: Demo) -> None:
    """Every file is asked for through our own server; every internal link of every page is followed."""
    folder = demo.app.settings.archive_folder
    pages = [path.relative_to(folder).as_posix() for path in folder.rglob("*.html")]
    answers: dict[str, int] = {}
    for page in pages:
        address = f"{demo.address}/{page.removesuffix('index.html')}"
        answer = ask(address)
        if answer.status in MOVED:  # the address of an alias, or of the latest report
            continue
        assert answer.status == 200, page
        policy_header = str(answer.headers["Content-Security-Policy"])
        assert "default-src 'none'" in policy_header
        assert (
            page.endswith("as-sent.html")
            or page.rpartition("/")[2] in ("en.html", "fr.html")
            or ("unsafe" not in policy_header)
        )
        for link in LINK.findall(answer.text):
            target = urljoin(address, link.replace("&amp;", "&").replace(BASE, demo.address))
            if target.startswith(demo.address) and "/u/" not in target:
                answers.setdefault(target, 0)
    for target in answers:
        answers[target] = ask(target).status
    assert len(answers) > 80
    dead = {urlsplit(target).path: status for target, status in answers.items() if status not in (200, *MOVED)}
    assert {urlsplit(target).path for target in answers} >= FORMS
    assert dead == {}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/en/",
        "/fr/",
        "/en/articles/",
        "/fr/themes/",
        "/en/2026/",
        "/en/articles/social-media-dos-and-donts/",
        "/fr/articles/social-media-dos-and-donts/",
        "/en/reports/2026-10/",
        "/fr/reports/2026-10/",
    ],
)
def test_the_archive_served_by_us_is_clean_in_a_browser(demo: Demo, browser: Browser, path: str) -> None:
    with visiting(browser, demo.address + path, javascript=False) as (_, visit):
        assert (visit.errors, visit.outside) == ([], [])
    with visiting(browser, demo.address + path, dark=True) as (page, _):
        assert [item["id"] for item in violations(page)] == []


def test_a_reader_leaves_with_one_button_and_a_robot_that_opens_the_link_changes_nothing(
    demo: Demo, browser: Browser
) -> None:
    mail = demo.mails()[0]
    reader = str(mail["Delivered-To"])
    link = demo.address + urlsplit(str(mail["List-Unsubscribe"]).strip("<>")).path

    def state() -> str:
        return next(person.state for person in everybody(demo.app) if person.address.mailbox == reader)

    for method in ("GET", "HEAD", "GET"):
        assert ask(link, method=method).status == 200
    assert state() == SubscriberState.ACTIVE
    with visiting(browser, link, javascript=False) as (page, visit):
        assert page.get_by_role("button").count() == 1
        page.get_by_role("button").click()
        assert visit.errors == []
    assert state() == SubscriberState.UNSUBSCRIBED


def test_one_click_of_a_mail_program_unsubscribes_without_cookies_or_redirect(demo: Demo) -> None:
    """RFC 8058: a POST with the body List-Unsubscribe=One-Click, answered with 2xx."""
    mail = demo.mails()[1]
    link = demo.address + urlsplit(str(mail["List-Unsubscribe"]).strip("<>")).path
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        assert ask(link, method="POST", body=b"List-Unsubscribe=One-Click", headers=form).status == 200
    person = next(p for p in everybody(demo.app) if p.address.mailbox == str(mail["Delivered-To"]))
    assert person.state is SubscriberState.UNSUBSCRIBED


def _texts(mail: EmailMessage) -> list[str]:
    return [str(part.get_content()) for part in mail.walk() if part.get_content_maintype() == "text"]
