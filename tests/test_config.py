from __future__ import annotations

import os
from pathlib import Path

import pytest

from newsletter.config import find_site, load_settings, shown
from newsletter.errors import ConfigError
from newsletter.model import Month, Tlp
from newsletter.resources import packaged

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


def test_every_wrong_setting_is_told_at_once(tmp_path: Path) -> None:
    text = SAMPLE.replace("port = 25", "port = 0").replace('zone = "Europe', 'zonne = "x"\nzone = "Europe')
    told = refusal(tmp_path, text.replace("zonne", "accent_drak"))
    assert "accent_drak" in told
    told = refusal(
        tmp_path, SAMPLE.replace("port = 25", "port = 0").replace("max_late_days = 7", "max_late_days = 700")
    )
    assert "relay.port" in told
    assert "schedule.max_late_days" in told


def test_a_wrong_variable_is_named_by_its_name(tmp_path: Path) -> None:
    told = refusal(tmp_path, SAMPLE, {"NEWSLETTER_RELAY_PORT": "many"})
    assert told.startswith("NEWSLETTER_RELAY_PORT in the environment:")


def test_every_setting_is_documented() -> None:
    """An option that no page documents does not exist for an operator."""
    text = (Path(__file__).parent.parent / "docs" / "operators.md").read_text(encoding="utf-8")
    root = packaged("newsletter.toml").parent
    missing = [key for key, _, _ in shown(load_settings(root, os.environ)) if f"`{key}`" not in text]
    assert missing == []
