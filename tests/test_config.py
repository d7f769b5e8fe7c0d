from __future__ import annotations

import os
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from newsletter.app import build_app
from newsletter.config import SettingsFile, find_site, load_settings, shown
from newsletter.deliver.dkim import to_pem
from newsletter.deliver.lanes import Lanes
from newsletter.deliver.letters import MAX_RETURN_LOCAL_PART
from newsletter.deliver.message import MAX_LOGO_BYTES
from newsletter.deliver.smime import make_self_signed
from newsletter.errors import ConfigError
from newsletter.model import Month, Tlp
from newsletter.resources import packaged
from tests.support.mailserver import MailServer
from tests.support.sites import Site

SAMPLE = packaged("newsletter.toml").read_text(encoding="utf-8")


def site(folder: Path, text: str = SAMPLE) -> Path:
    (folder / "newsletter.toml").write_text(text, encoding="utf-8")
    return folder


def refusal(folder: Path, text: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(site(folder, text), environment or {})
    return str(caught.value).replace(f"{folder}/", "")


def test_the_sample_settings_are_right(tmp_path: Path) -> None:
    settings = load_settings(site(tmp_path), {})
    assert settings.publication.languages == ("en", "fr")
    assert settings.first_month == Month(2026, 10)
    assert settings.store_url == f"sqlite:///{tmp_path}/var/newsletter.db"
    assert {source.tlp for source in settings.feeds.sources} == {Tlp.CLEAR}


def test_a_site_is_found_from_any_folder_inside_it(tmp_path: Path) -> None:
    inside = site(tmp_path) / "articles" / "2026"
    inside.mkdir(parents=True)
    assert find_site(inside) == tmp_path


def test_outside_of_a_site_the_message_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="newsletter init DIR"):
        find_site(tmp_path)


def test_the_environment_is_stronger_than_the_file(tmp_path: Path) -> None:
    environment = {
        "NEWSLETTER_RELAY_HOST": "mail.example.org",
        "NEWSLETTER_EDITORS_ADDRESSES": "a@b.example, c@d.example",
    }
    settings = load_settings(site(tmp_path), environment)
    assert settings.relay.host == "mail.example.org"
    assert settings.editors.addresses == ("a@b.example", "c@d.example")
    assert ("relay.host", "mail.example.org", "NEWSLETTER_RELAY_HOST") in list(shown(settings))


def test_what_follows_from_other_settings_is_none(tmp_path: Path) -> None:
    """Whether the site has forms is ``subscribers.open`` in other words: nobody can say the two differently."""
    folder = site(tmp_path)
    assert load_settings(folder, {}).publication.has_forms
    closed = load_settings(folder, {"NEWSLETTER_SUBSCRIBERS_OPEN": "false"})
    assert not closed.publication.has_forms
    assert "publication.has_forms" not in [key for key, _, _ in shown(closed)]
    with pytest.raises(ConfigError, match="NEWSLETTER_PUBLICATION_HAS_FORMS in the environment: unknown setting"):
        load_settings(folder, {"NEWSLETTER_PUBLICATION_HAS_FORMS": "true"})


def test_a_secret_comes_from_a_file_or_the_environment_and_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n", encoding="utf-8")
    text = SAMPLE.replace('tls = "none"', 'tls = "starttls"\nusername = "u"\npassword_file = "password"')
    settings = load_settings(site(tmp_path, text), {})
    assert settings.relay.password == "s3cret"
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(list(shown(settings)))
    assert load_settings(tmp_path, {"NEWSLETTER_RELAY_PASSWORD": "other"}).relay.password == "other"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("port = 25", "prot = 25", "newsletter.toml:82: relay.prot: unknown setting; did you mean port?"),
        ("port = 25", 'port = "many"', "newsletter.toml:82: relay.port:"),
        ("port = 25", "port = 0", "newsletter.toml:82: relay.port: must be from 1 to 65535"),
        ("[relay]", "[realy]", "realy: unknown setting; did you mean relay?"),
        ('tls = "none"', 'tls = "sometimes"', "relay.tls: Input should be 'none', 'starttls' or 'implicit'"),
        ('tls = "none"', 'tls = "none"\nusername = "me"', "relay.tls: a password would travel in the clear"),
        ('tls = "none"', 'password = "x"', "a secret may not stand here"),
        ('tls = "none"', 'password_file = "nowhere"', "relay.password_file: cannot be read"),
        ('zone = "Europe/Zurich"', 'zone = "Europe/Zurick"', "is no time zone"),
        ("first Tuesday 09:00", "first Tusday 09:00", "schedule.rule:"),
        ("first Tuesday 09:00", "first Tuesday 02:30", "take 04:00 or later"),
        ('first_month = "2026-10"', 'first_month = "October"', "is no month"),
        ('accent = "#1f4e79"', 'accent = "url(x)"', "is no colour"),
        ('accent = "#1f4e79"', "has_forms = false", "publication.has_forms: unknown setting; take it out"),
        ('base_url = "https', 'base_url = "javascript', "is no web address"),
        ('contact = "Computer.Security@', 'contact = "Computer.Security', "is no mail address"),
        ('languages = ["en", "fr"]', 'languages = ["en", "de"]', "has no name for the team in 'de'"),
        ('id = "hostile"', 'id = "advisories"', "must be unique"),
        ('id = "hostile"', 'id = "Hostile!"', "must be unique, of a-z"),
        (
            'name = "A hostile',
            'nmae = "A hostile',
            "newsletter.toml:107: feeds.sources.2.nmae: unknown setting; did you mean name?",
        ),
        ('name = "Monthly Security Report"', "", "publication.name: is required"),
        ("[relay]", "[relay", "is not TOML"),
    ],
)
def test_a_wrong_setting_gets_one_message_with_its_place(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in SAMPLE
    assert message in refusal(tmp_path, SAMPLE.replace(before, after))


MAIL = 'contact = "Computer.Security@meridian.example"'
BASE = 'base_url = "https://security.meridian.example"'
LIST = 'list_id = "monthly-report.security.meridian.example"'
NAME = 'name = "Monthly Security Report"'
RELAY = "\n[relay]"
HOST = 'host = "127.0.0.1"\nport = 25'
NO_ADDRESS = "is no mail address"
NO_WEB = "newsletter.toml:8: publication.base_url: is no web address"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            MAIL,
            'contact = "a..b@example.org"',
            "newsletter.toml:10: publication.contact: 'a..b@example.org' is no mail",
        ),
        (MAIL, 'contact = "me"', NO_ADDRESS),
        (MAIL, 'contact = "Me <me@example.org>"', NO_ADDRESS),
        (MAIL, 'contact = "mé@example.org"', NO_ADDRESS),
        ("security-editors@meridian.example", "the editors", "newsletter.toml:78: editors.addresses.0: 'the editors'"),
        (LIST, 'list_id = "bad id!"', "newsletter.toml:13: publication.list_id: 'bad id!' is no list identifier"),
        (LIST, 'list_id = "report"', "is no list identifier"),
        (f"{LIST}\n", "", None),
        (BASE, 'base_url = "https://a.example/?x=1"', "newsletter.toml:8: publication.base_url: addresses of pages"),
        (BASE, 'base_url = "https://a.example/#top"', "leave out what follows the ? or #"),
        (BASE, 'base_url = "https://a.example?"', "leave out what follows the ? or #"),
        (BASE, 'base_url = "https://a.example:99999"', NO_WEB),
        (BASE, 'base_url = "https://a.example:http"', NO_WEB),
        (BASE, 'base_url = "https://a.example:0"', "has the port 0"),
        (BASE, 'base_url = "https://[::1"', NO_WEB),
        (BASE, 'base_url = "https://a b.example"', NO_WEB),
        (BASE, 'base_url = "https://sécurité.example"', NO_WEB),
        (BASE, 'base_url = "https://me:pw@a.example"', "holds a user or password"),
        (BASE, 'base_url = "http://[::1]:8000/news"', None),
        (BASE, 'base_url = "http://127.0.0.1:8000/news"', None),
        (NAME, 'name = " "', "newsletter.toml:6: publication.name: is empty"),
        ('organisation = "Meridian Laboratory"', 'organisation = ""', "publication.organisation: is empty"),
        (NAME, 'name = "Two\\nlines"', "newsletter.toml:6: publication.name: holds U+000A"),
        ('en = "the Computer', 'en = "the\\tComputer', "newsletter.toml:23: publication.team.en: holds U+0009"),
        ('en = "Travel"', 'en = "Tra\\u2028vel"', "publication.themes.travel.en: holds U+2028"),
        ('name = "Example Adv', 'name = "Example\\u0000Adv', "feeds.sources.0.name: holds U+0000"),
        ('en = "the Computer Security Team"', 'en = " "', "newsletter.toml:22: publication.team: has no name"),
        ('["en", "fr"]', '["en", "fr", "en"]', "newsletter.toml:14: publication.languages: names 'en' 2 times"),
        ('["en", "fr"]', '["en", "tlh"]', "there are no words for 'tlh'; choose from en, fr"),
        ('["en", "fr"]', '["../en"]', "is no language code"),
        (HOST, 'host = ""\nport = 25', "newsletter.toml:81: relay.host: '' is no host"),
        (HOST, 'host = "a..b"\nport = 25', "relay.host: 'a..b' is no host"),
        (HOST, 'host = "mail example"\nport = 25', "relay.host: 'mail example' is no host"),
        (HOST, 'host = "::1"\nport = 25', None),
        (RELAY, '\n[relay]\nca_file = "ca.pem"', "newsletter.toml:81: relay.ca_file: cannot be read"),
        (RELAY, '\n[relay]\nca_file = "articles"', "relay.ca_file: cannot be read"),
        (RELAY, '\n[relay]\nca_file = "a\\u0000b"', "relay.ca_file: cannot be read"),
        (RELAY, "\n[relay]\nca_file = 3", "relay.ca_file: Input should be a valid string"),
        (RELAY, '\n[relay]\npassword_file = "a\\u0000b"', "relay.password_file: cannot be read"),
        (RELAY, '\n[relay]\npassword_file = "latin"', "is not UTF-8"),
        (RELAY, "\n[[relay]]", "newsletter.toml:80: relay: must be a table; write [relay]"),
        ("[archive]", "[[archive]]", "archive: must be a table"),
        ("[[feeds.sources]]", "[feeds.sources]", "is not TOML"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(tmp_path: Path, before: str, after: str, message: str | None) -> None:
    assert before in SAMPLE
    (tmp_path / "articles").mkdir()
    (tmp_path / "latin").write_bytes(b"\xe9")
    text = SAMPLE.replace(before, after, 1)
    if message is None:
        load_settings(site(tmp_path, text), {})
    else:
        assert message in refusal(tmp_path, text)


def test_a_list_identifier_is_needed_where_base_url_gives_none(tmp_path: Path) -> None:
    text = SAMPLE.replace(LIST, "").replace(BASE, 'base_url = "http://[::1]:8000"')
    assert "publication.list_id: is needed, since base_url has no host name" in refusal(tmp_path, text)


PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("logo", "content", "message"),
    [
        ("logo.png", PNG, None),
        ("logo.gif", b"GIF89a", None),
        ("logo.jpg", b"\xff\xd8\xff\xe0", None),
        ("logo.svg", b"<svg/>", "newsletter.toml:6: publication.logo: is no PNG, JPEG or GIF"),
        ("newsletter.toml", None, "is no PNG, JPEG or GIF"),
        ("logo.png", PNG + bytes(MAX_LOGO_BYTES), "is larger than 100,000 bytes; name a PNG, JPEG or GIF"),
        ("missing.png", None, "publication.logo: cannot be read"),
        ("", None, "publication.logo: cannot be read"),
        ("../logo.png", PNG, "publication.logo: lies outside the site"),
    ],
)
def test_the_logo_is_an_image_of_the_site(
    tmp_path: Path, logo: str, content: bytes | None, message: str | None
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    if content is not None:
        (folder / logo).write_bytes(content)
    text = SAMPLE.replace(NAME, f'logo = "{logo}"\n{NAME}')
    if message is None:
        assert load_settings(site(folder, text), {}).publication.logo == logo
    else:
        assert message in refusal(folder, text)


@pytest.mark.parametrize(
    ("folder", "is_right"),
    [
        ("archive", True),
        ("public/archive", True),
        ("../elsewhere", True),
        ("variety", True),
        ("", False),
        (".", False),
        ("..", False),
        ("/", False),
        ("articles", False),
        ("incidents", False),
        ("reports/archive", False),
        ("editions", False),
        ("templates/x/y", False),
        ("var", False),
        ("archive/../var/archive", False),
        ("link", False),
        ("keep", False),
        ("a\\u0000b", False),
        ("circle", False),
    ],
)
def test_the_archive_never_holds_what_is_private(tmp_path: Path, folder: str, *, is_right: bool) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "link").symlink_to("var")
    (tmp_path / "keep" / "articles").mkdir(parents=True)
    (tmp_path / "articles").symlink_to("keep/articles")
    (tmp_path / "circle").symlink_to("circle/x")
    text = SAMPLE.replace('folder = "archive"', f'folder = "{folder}"')
    if is_right:
        load_settings(site(tmp_path, text), {})
    else:
        assert "newsletter.toml:89: archive.folder: " in refusal(tmp_path, text)


def test_nothing_secret_lies_in_the_archive(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "password").write_text("s3cret", encoding="utf-8")
    text = SAMPLE.replace("sqlite:///var/", "sqlite:///archive/")
    told = refusal(tmp_path, text.replace(RELAY, '\n[relay]\npassword_file = "archive/password"'))
    assert "relay.password_file: lies in archive.folder" in told
    assert "store.url: lies in archive.folder" in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://me:s3cret@db.example/news", "postgresql://me:***@db.example/news"),
        ("postgresql+psycopg://me:s3/cr@et@db.example/news", "postgresql+psycopg://me:***@db.example/news"),
        (
            "postgresql://db.example/news?user=me&password=s3cret&sslmode=require",
            "postgresql://db.example/news?user=me&password=***&sslmode=require",
        ),
    ],
)
def test_the_password_of_the_store_is_never_shown_and_never_in_the_file(tmp_path: Path, url: str, masked: str) -> None:
    settings = load_settings(site(tmp_path), {"NEWSLETTER_STORE_URL": url})
    assert settings.store_url == url
    assert ("store.url", masked, "NEWSLETTER_STORE_URL") in list(shown(settings))
    assert url not in repr(settings)
    text = SAMPLE.replace("sqlite:///var/newsletter.db", url)
    for environment in ({}, {"NEWSLETTER_STORE_URL": "sqlite:///var/x.db"}):
        told = refusal(tmp_path, text, environment)
        assert "newsletter.toml:86: store.url: a password may not stand here" in told
        assert "NEWSLETTER_STORE_URL" in told
        assert "s3" not in told


@pytest.mark.parametrize("url", ["sqlite:///var/a:b@c.db", "postgresql://me@db.example:5432/news"])
def test_a_store_without_password_is_shown_as_it_is(tmp_path: Path, url: str) -> None:
    text = SAMPLE.replace("sqlite:///var/newsletter.db", url)
    assert ("store.url", url, "newsletter.toml") in list(shown(load_settings(site(tmp_path, text), {})))


def test_the_certificates_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").write_text("certificates", encoding="utf-8")
    site(tmp_path, SAMPLE.replace(RELAY, '\n[relay]\nca_file = "ca.pem"'))
    monkeypatch.chdir(tmp_path.parent)
    assert load_settings(tmp_path, {}).relay.ca_file == str(tmp_path / "ca.pem")
    assert load_settings(Path(tmp_path.name), {}).relay.ca_file == str(tmp_path / "ca.pem")
    assert load_settings(tmp_path, {"NEWSLETTER_RELAY_CA_FILE": ""}).relay.ca_file is None


def test_every_wrong_setting_is_told_at_once(tmp_path: Path) -> None:
    """Unknown, mistyped and senseless ones, and a wrong variable: one round is enough to mend them all."""
    text = SAMPLE
    for before, after in (
        ("accent_dark", "accent_drak"),
        ('reply_to = "Computer.Security@meridian.example"', "reply_to = 3"),
        ('organisation = "Meridian Laboratory"', ""),
        (MAIL, 'contact = "me"'),
        ("port = 25", 'prot = 25\npassword = "s3cret"'),
        ("max_late_days = 7", "max_late_days = 700"),
        ("limit = 0", 'limit = "none"'),
        ('zone = "Europe/Zurich"', 'zone = "Europe"'),
        ("first Tuesday 09:00", "first Tusday"),
    ):
        assert before in text
        text = text.replace(before, after)
    told = refusal(tmp_path, text, {"NEWSLETTER_WEB_PORT": "-1", "NEWSLETTER_RELAY_PROT": "25"}).splitlines()
    assert [line.split(": ")[0] for line in told] == [
        "newsletter.toml:83",
        "newsletter.toml:18",
        "newsletter.toml:82",
        "NEWSLETTER_RELAY_PROT in the environment",
        "newsletter.toml:5",
        "newsletter.toml:12",
        "newsletter.toml:110",
        "newsletter.toml:10",
        "newsletter.toml:15",
        "newsletter.toml:71",
        "newsletter.toml:74",
        "NEWSLETTER_WEB_PORT in the environment",
    ]
    assert "s3cret" not in str(told)


def test_settings_without_a_publication_name_all_that_it_needs(tmp_path: Path) -> None:
    told = refusal(tmp_path, "")
    assert told.count("is required") == len(told.splitlines()) == 9


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("NEWSLETTER_RELAY_PORT", "many", ": Input should be a valid integer"),
        ("NEWSLETTER_RELAY_PORT", "0", ": must be from 1 to 65535"),
        ("NEWSLETTER_RELAY_PROT", "25", ": unknown setting; did you mean NEWSLETTER_RELAY_PORT?"),
        ("NEWSLETTER_WEB_XYZZYXYZZYXYZZY", "1", ": unknown setting; take it out"),
        ("NEWSLETTER_PUBLICATION_TEAM", "us", ": can be set in newsletter.toml alone"),
        ("NEWSLETTER_FEEDS_SOURCES", "x", ": can be set in newsletter.toml alone"),
        ("NEWSLETTER_EDITORS_ADDRESSES", "a@b.example, nobody", ": 'nobody' is no mail address"),
        ("NEWSLETTER_RELAY_CA_FILE", "nowhere.pem", ": cannot be read"),
        ("NEWSLETTER_PUBLICATION_NAME", "Two\nlines", ": holds U+000A"),
        ("NEWSLETTER_ARCHIVE_FOLDER", "var", ": is, holds or lies in var/"),
    ],
)
def test_a_wrong_variable_is_named_by_its_name(tmp_path: Path, variable: str, value: str, message: str) -> None:
    told = refusal(tmp_path, SAMPLE, {variable: value})
    assert told.startswith(f"{variable} in the environment{message}")
    assert len(told.splitlines()) == 1


def test_variables_of_other_programs_are_none_of_our_business(tmp_path: Path) -> None:
    load_settings(site(tmp_path), {"NEWSLETTER_HOME": "x", "NEWSLETTER_WEBHOOK": "x", "NEWSLETTER_RELAY": "x"})
    assert load_settings(tmp_path, {"NEWSLETTER_EDITORS_ADDRESSES": ""}).editors.addresses == ()


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("[relay]\nport = 1", "relay.port", 2),
        ("[ relay ]\n  'port' = 1", "relay.port", 2),
        ("relay.port = 0", "relay.port", 1),
        ("[publication]\nteam = {en = ''}", "publication.team.en", 2),
        ("[web]\n\n[relay]\nhost = 'x'", "relay.port", 3),
        ("[[feeds.sources]]\nid = 1\n[[feeds.sources]]\nid = 2", "feeds.sources.1.id", 4),
        ("[web]", "relay.port", 0),
    ],
)
def test_a_setting_is_found_however_it_is_written(text: str, key: str, line: int) -> None:
    assert SettingsFile(Path("newsletter.toml"), text, {}).line_of(key) == line


def test_every_setting_is_documented() -> None:
    """An option that no page documents does not exist for an operator."""
    text = (Path(__file__).parent.parent / "docs" / "operators.md").read_text(encoding="utf-8")
    root = packaged("newsletter.toml").parent
    missing = [key for key, _, _ in shown(load_settings(root, os.environ)) if f"`{key}`" not in text]
    assert missing == []


# --- how letters leave, and who signs them ----------------------------------------------------------------------

LONGEST = "b" * MAX_RETURN_LOCAL_PART


@pytest.mark.parametrize(
    ("table", "lines", "message"),
    [
        ("relay", 'others = ["mail2.example.org", "mail3.example.org:587", "[::1]:2525"]', None),
        ("relay", 'others = ["mail2.example.org:smtp"]', "relay.others.0: 'mail2.example.org:smtp' is no server"),
        ("relay", 'others = ["mail2.example.org", ""]', "relay.others.1: '' is no server; write it like"),
        ("relay", 'others = ["mail2.example.org:0"]', "relay.others.0: 'mail2.example.org:0' is no server"),
        ("relay", 'others = ["mail2.example.org:70000"]', "is no server"),
        ("relay", 'others = ["::1"]', "is no server"),
        ("relay", 'others = ["mail 2.example.org"]', "relay.others.0: 'mail 2.example.org' is no host"),
        ("relay", 'others = ["a..b:25"]', "relay.others.0: 'a..b' is no host"),
        ("delivery", f'return_path = "{LONGEST}@example.org"', None),
        ("delivery", f'return_path = "{LONGEST}b@example.org"', "delivery.return_path: the part before the @ may have"),
        ("delivery", f'return_path = "{LONGEST}b@example.org"\nverp = false', None),
        ("delivery", 'return_path = "bounces"', "delivery.return_path: 'bounces' is no mail address"),
        ("delivery", 'uncertain = "ask"', None),
        ("delivery", 'uncertain = "ask"\nverp = false', "delivery.verp: must be true where uncertain is ask"),
        ("delivery", 'uncertain = "again"\nverp = false', None),
        ("delivery", 'uncertain = "guess"', "delivery.uncertain: Input should be 'hold', 'ask' or 'again'"),
        ("delivery", "retry_seconds = 60\nretry_longest_seconds = 60", None),
        ("delivery", "retry_seconds = 61\nretry_longest_seconds = 60", "delivery.retry_longest_seconds: must not be"),
        ("delivery", "retry_seconds = 0", "delivery.retry_seconds: must be from 1 to 86400"),
        ("delivery", "connections = 0", "delivery.connections: must be from 1 to 200"),
        ("delivery", "settle_seconds = -1", "delivery.settle_seconds: must be from 0 to 3600"),
        ("delivery", "give_up_hours = 1000", "delivery.give_up_hours: must be from 1 to 720"),
        ("delivery", "lowest_rate = 0", "delivery.lowest_rate: must be from 0.01 to 10000.0"),
        ("delivery", "lowest_rate = nan", "delivery.lowest_rate: must be from 0.01 to 10000.0"),
        ("signing", 'dkim_domain = "example.org"', None),
        ("signing", 'dkim_domain = "https://example.org"', "signing.dkim_domain: 'https://example.org' is no domain"),
        ("signing", 'dkim_keys = ["var/keys/a-rsa.pem", "var/keys/a-ed25519.pem"]', None),
        ("signing", 'dkim_keys = ["var/keys/a.pem", "var/old/a.pem"]', "signing.dkim_keys.1: a second key with the"),
        ("signing", 'dkim_keys = ["archive/a.pem"]', "signing.dkim_keys.0: lies in archive.folder"),
        ("signing", 'smime_certificate = "c.pem"\nsmime_key = "archive/k.pem"', "signing.smime_key: lies in archive."),
        ("signing", 'smime_certificate = "archive/c.pem"\nsmime_key = "k.pem"', None),
        ("signing", 'smime_certificate = "c.pem"', "signing.smime_certificate: needs signing.smime_key"),
        ("signing", 'smime_key = "k.pem"', "signing.smime_certificate: needs signing.smime_key"),
        (
            "signing",
            'smime_certificate = ""\nsmime_key = "k.pem"',
            "signing.smime_certificate: needs signing.smime_key",
        ),
        ("signing", 'smime_certificate = ""\nsmime_key = ""', None),
        ("signing", "workers = 65", "signing.workers: must be from 0 to 64"),
        ("web", 'allowed_hosts = ["app.internal", "*.example.org", "[::1]"]\nhsts_days = 0', None),
        ("web", 'allowed_hosts = ["*"]', "web.allowed_hosts.0: '*' is no host; write it like app.internal"),
        ("web", 'allowed_hosts = ["a.example", "https://a.example"]', "web.allowed_hosts.1: 'https://a.example' is no"),
        ("web", "hsts_days = -1", "web.hsts_days: must be from 0 to 730"),
        ("web", 'trusted_proxies = ["10.0.0.0/24", "::1"]', None),
        ("web", 'trusted_proxies = ["10.0.0.1/24"]', "web.trusted_proxies.0: '10.0.0.1/24' is no address or network"),
    ],
)
def test_settings_of_servers_that_would_fail_later_are_refused_at_once(
    tmp_path: Path, table: str, lines: str, message: str | None
) -> None:
    """Each alone, with its table's place; what is right is not refused."""
    without = re.sub(rf"(?m)^\[{table}\]\n(?:(?!\[).*\n)*", "", SAMPLE)
    text = f"{without}\n[{table}]\n{lines}\n"
    if message is None:
        load_settings(site(tmp_path, text), {})
    else:
        told = refusal(tmp_path, text)
        assert message in told
        assert len(told.splitlines()) == 1
        assert told.startswith("newsletter.toml:")


def test_a_sender_that_is_too_long_for_return_paths_of_their_own_says_what_to_do(tmp_path: Path) -> None:
    """Whoever sets no return path reads of it too."""
    sender = f"{LONGEST}b@meridian.example"
    text = SAMPLE.replace('from_address = "Computer.Security@meridian.example"', f'from_address = "{sender}"')
    assert sender in text
    assert "set delivery.return_path to a shorter address" in refusal(tmp_path, text)
    load_settings(tmp_path, {"NEWSLETTER_DELIVERY_RETURN_PATH": "bounces@meridian.example"})


LANES = "\n[[delivery.lanes]]\n"


@pytest.mark.parametrize(
    ("lanes", "message"),
    [
        (['domains = ["a.example", "b.example"]\nper_second = 0.5', 'domains = ["*"]\nper_day = 10'], None),
        (['domains = ["a.example"]'], "delivery.lanes.0: limits nothing; give it per_second, per_hour or per_day"),
        (["domains = []\nper_hour = 1"], "delivery.lanes.0.domains: name domains"),
        (["per_hour = 1"], "delivery.lanes.0.domains: is required"),
        (['domains = ["*", "a.example"]\nper_hour = 1'], 'delivery.lanes.0.domains: name domains, or "*" alone'),
        (['domains = ["A.example"]\nper_hour = 1'], "'A.example' is no domain; write it like example.org, in lower"),
        (['domains = ["a@b.example"]\nper_hour = 1'], "'a@b.example' is no domain"),
        (['domains = ["a.example"]\nper_second = 0'], "delivery.lanes.0: a rate must be more than 0"),
        (['domains = ["a.example"]\nper_second = inf'], "delivery.lanes.0: a rate must be more than 0"),
        (['domains = ["a.example"]\nper_second = nan'], "delivery.lanes.0: a rate must be more than 0"),
        (['domains = ["a.example"]\nper_hour = -1'], "delivery.lanes.0: a rate must be more than 0"),
        (['domains = ["a.example"]\nper_hour = 1.5'], "delivery.lanes.0.per_hour: Input should be a valid integer"),
        (['domains = ["a.example"]\nper_minute = 1'], "delivery.lanes.0.per_minute: unknown setting; take it out"),
        (['domains = ["a.example"]\nper_day = 1', 'domains = ["a.example"]\nper_hour = 1'],
         "delivery.lanes.1.domains: a.example stands in a lane already; name it once"),
        (['domains = ["a.example", "a.example"]\nper_day = 1'],
         "delivery.lanes.0.domains: a.example stands in a lane already; name it once"),
        (['domains = ["*"]\nper_day = 1', 'domains = ["*"]\nper_hour = 1'], "delivery.lanes.1.domains: * stands in a"),
    ],
)  # fmt: skip
def test_lanes_that_make_no_sense_are_named_by_their_number(
    tmp_path: Path, lanes: list[str], message: str | None
) -> None:
    """Whatever passes here can be made into the lanes of a sender."""
    text = SAMPLE + "".join(f"{LANES}{lane}\n" for lane in lanes)
    if message is None:
        with closing(build_app(load_settings(site(tmp_path, text), {}))) as app:
            assert len(Lanes(app.dispatch.lanes, now=0.0).capped()) == 1
        return
    told = refusal(tmp_path, text)
    assert message in told
    line = text[: text.index(lanes[-1])].count("\n")
    assert re.match(rf"newsletter\.toml:({line}|{line + 1}|{line + 2}): ", told), told


# --- keys, through the command line -----------------------------------------------------------------------------

SENDER = "Computer.Security@meridian.example"
ED25519 = to_pem(Ed25519PrivateKey.generate())
P256 = to_pem(ec.generate_private_key(ec.SECP256R1()))
YEARS_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def set_signing(site: Site, **lines: str) -> None:
    """Put a table [signing] at the end of the site's settings."""
    written = "".join(f"{name} = {value}\n" for name, value in lines.items())
    settings = site.folder / "newsletter.toml"
    settings.write_text(f"{settings.read_text(encoding='utf-8')}\n[signing]\n{written}", encoding="utf-8")


def refused_to_send(site: Site, relay: MailServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Send: exit code 3, one message, and nothing is released or published before the key is mended."""
    monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(relay.port))
    site.subscribe("ann@people.example", "bob@people.example")
    assert site.newsletter("send", "2026-10", "--yes") == 3, site.err
    assert "Traceback" not in site.err
    (told,) = [line for line in site.err.splitlines() if line.startswith("error: ")]
    assert relay.connections == 0
    assert site.json("status", "2026-10")["state"] == "candidate"
    assert not (site.folder / "editions").exists()
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: {path}: No such file or directory"),
        pytest.param(b"", "there is no private key in PEM", marks=pytest.mark.slow),
        (b"not a key", "there is no private key in PEM"),
        (b"x" * 200_000, "is larger than 100,000 bytes"),
        (P256, "the key is neither RSA nor Ed25519, and DKIM knows no others"),
    ],
)
def test_a_dkim_key_that_cannot_be_used_is_named(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str
) -> None:
    """The setting, the file, and why; mending it is enough."""
    path = site.folder / "var/keys/2026a.pem"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_bytes(content)
    set_signing(site, dkim_keys='["var/keys/2026a.pem"]')
    told = refused_to_send(site, mailserver, monkeypatch)
    assert told.startswith(f"error: signing.dkim_keys: {path}: ")
    assert message.format(path=path) in told
    path.write_bytes(ED25519)
    site.must("send", "2026-10", "--yes")
    assert all(b"DKIM-Signature: " in mail.content for mail in mailserver.mails)
    assert len(mailserver.mails) == 2


def smime_files(
    site: Site, *, address: str = SENDER, now: datetime | None = None, key: bytes = b"", certificate: bytes | None = b""
) -> None:
    """A key and its certificate, or what was put in their place, named in the settings."""
    made_key, made = make_self_signed(address, "Meridian", now=now or datetime.now(UTC), kind="p256")
    site.write("var/keys/smime-key.pem", (key or made_key).decode())
    if certificate is not None:
        site.write("var/keys/smime.pem", (certificate or made).decode())
    set_signing(site, smime_certificate='"var/keys/smime.pem"', smime_key='"var/keys/smime-key.pem"')


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"certificate": None}, "smime.pem: No such file or directory"),
        ({"certificate": b"nonsense"}, "there is no certificate in PEM that we can read here"),
        ({"key": b"nonsense"}, "there is no private key in PEM"),
        ({"key": ED25519}, "the key is neither RSA nor P-256"),
        ({"key": P256}, "the certificate for it must stand first in its file"),
        ({"address": "other@meridian.example"}, f"the certificate is not for {SENDER}, but for other@meridian.example"),
        ({"now": YEARS_AGO}, "the certificate is valid from 2019-12-31 to 2020-12-31"),
        ({"now": datetime.now(UTC) + timedelta(days=30)}, "the certificate is valid from "),
    ],
)
def test_a_certificate_that_nobody_would_believe_is_named(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch, files: dict[str, Any], message: str
) -> None:
    """Before any letter carries it: readers would see a warning instead of a report."""
    smime_files(site, **files)
    told = refused_to_send(site, mailserver, monkeypatch)
    assert told.startswith("error: signing.smime_certificate, signing.smime_key: ")
    assert message in told


def test_a_certificate_for_the_sender_is_used_whatever_its_capitals(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 8550 section 3: the address is the sender's."""
    monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(mailserver.port))
    smime_files(site, address=SENDER.lower())
    site.subscribe("ann@people.example")
    site.must("send", "2026-10", "--yes")
    (mail,) = mailserver.mails
    assert mail.message.get_content_type() == "multipart/signed"
