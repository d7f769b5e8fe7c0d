"""Journeys through the front door: every command as a person types it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from newsletter.cli import COMMANDS, run
from newsletter.resources import packaged
from tests.support.mailserver import MailServer
from tests.support.sites import ARTICLE, Site


def use(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(server.port))


# --- start-up -----------------------------------------------------------------------------------


def test_help_is_quick_because_it_imports_no_command() -> None:
    """The list of commands stands in one place; no database, template or web package is loaded for it."""
    code = (
        "import sys; from newsletter.cli import run; run(['--help']);"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'sqlalchemy', 'starlette', 'jinja2', 'pydantic',"
        " 'alembic', 'apscheduler', 'premailer', 'structlog', 'rich', 'feedparser', 'comrak'}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_with_a_real_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    told = capsys.readouterr().out
    if name in ("new", "feeds", "subscribers", "db", "config"):
        assert "Commands:" in told
    else:
        assert "Example: newsletter" in told


@pytest.mark.parametrize("name", ["new", "feeds", "subscribers", "portals", "keys", "db", "config"])
def test_a_group_says_of_each_command_what_it_does_to_the_end(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that is cut off leaves out how the sentence goes on."""
    assert run([name, "--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


def test_a_mistyped_command_gets_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sned"]) == 2
    assert "Did you mean 'send'?" in capsys.readouterr().err


# --- a new site ---------------------------------------------------------------------------------


def test_a_new_site_has_a_month_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path / "site")]) == 0
    monkeypatch.chdir(tmp_path / "site")
    assert run(["check"]) == 0
    assert run(["report", "2026-10", "--out", "out"]) == 0
    names = sorted(path.name for path in Path("out").iterdir())
    kinds = ("eml", "html", "json", "txt")
    assert names == [f"2026-10.public.{language}.{kind}" for language in ("en", "fr") for kind in kinds]
    assert "A voice is a credential too" in Path("out/2026-10.public.en.html").read_text(encoding="utf-8")
    capsys.readouterr()


def test_a_new_site_begins_with_the_month_that_runs(site: Site) -> None:
    """Nobody is asked about months before the site was there."""
    assert site.json("config", "show")["schedule.first_month"]["value"] == f"{datetime.now(UTC):%Y-%m}"


def test_init_never_writes_into_a_folder_that_holds_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("x")
    assert run(["init", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_outside_of_a_site_every_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["check"]) == 3
    assert "newsletter init DIR" in capsys.readouterr().err


def test_what_new_makes_is_good_content(site: Site) -> None:
    site.must("new", "article", "L'été à l'abri: 5 \"conseils\"")
    assert site.out.strip() == str(Path("articles") / site.out.split("/")[1] / "lete-a-labri-5-conseils.en.md")
    site.must("new", "incident", "INC-2026-001", "A stolen laptop")
    site.must("new", "report", "2026-11")
    assert site.newsletter("check") == 0, site.out


def test_new_never_writes_over_a_file(site: Site) -> None:
    site.must("new", "article", "Twice")
    assert site.newsletter("new", "article", "Twice") == 2
    assert "exists already" in site.err


# --- check --------------------------------------------------------------------------------------


def test_check_names_every_fault_of_every_file_at_once(site: Site) -> None:
    site.write("articles/2026/bad.en.md", "---\ntitel: x\ndate: tomorrow\ntlp: CLEAR\n---\nx\n")
    site.write("incidents/2026/inc-1.en.md", "no front matter")
    assert site.newsletter("check") == 1
    assert "articles/2026/bad.en.md:2" in site.out
    assert "did you mean" in site.out
    assert "articles/2026/bad.en.md:3" in site.out
    assert "incidents/2026/inc-1.en.md:1" in site.out
    assert site.newsletter("check", "incidents") == 1
    assert "bad.en.md" not in site.out


def test_check_names_what_is_too_strict_for_the_public(site: Site) -> None:
    site.write("articles/2026/inside.en.md", ARTICLE.format(title="Inside", tlp="GREEN"))
    found = site.json("check")
    assert found["blocking"] == 0
    assert [f["path"] for f in found["findings"] if "TLP:GREEN" in f["message"]] == ["articles/2026/inside.en.md"]


def test_advice_beyond_a_few_of_a_rule_is_counted_and_what_blocks_is_printed_in_full(site: Site) -> None:
    """Hundreds of articles in one language have one advice each; the others must be seen, and programs get all."""
    for number in range(8):
        site.write(f"articles/2026/one-{number}.en.md", ARTICLE.format(title=f"One {number}", tlp="CLEAR"))
        site.write(f"articles/2026/bad-{number}.en.md", "no front matter")
    assert site.newsletter("check", "articles") == 1
    lines = site.out.splitlines()
    assert sum("[translation-missing]" in line for line in lines if line.startswith("advice")) == 5
    more = [line.strip() for line in lines if line.strip().startswith("...")]
    assert more == ["... and 4 more of [translation-missing]; `newsletter check --all` prints each"]
    assert len({line for line in lines if line.startswith("blocks") and "bad-" in line}) >= 8
    counted = lines[-1]
    assert site.newsletter("check", "articles", "--all") == 1
    everything = site.out.splitlines()
    assert sum("[translation-missing]" in line for line in everything) == 9
    assert (everything[-1], "more of [" in site.out) == (counted, False)
    assert site.newsletter("check", "articles", "--json") == 1
    assert site.out.count('"translation-missing"') == 9
    assert site.newsletter("check", "articles", "--sarif") == 1
    assert [one["ruleId"] for one in json.loads(site.out)["runs"][0]["results"]].count("translation-missing") == 9


def test_bad_content_stops_the_report_and_writes_nothing(site: Site) -> None:
    site.write("articles/2026/bad.en.md", "---\ntitle: x\n---\nx\n")
    assert site.newsletter("report", "2026-10") == 2
    assert "articles/2026/bad.en.md" in site.err
    assert not (site.folder / "out").exists()


# --- report -------------------------------------------------------------------------------------


def test_the_same_content_gives_the_same_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    """Time zone, locale, hash seed, working folder and the clock change nothing."""
    made = []
    for number, zone, locale, seed in ((1, "UTC", "C", "1"), (2, "Asia/Kolkata", "fr_FR.UTF-8", "4242")):
        site = tmp_path / str(number)
        environment = os.environ | {"TZ": zone, "LC_ALL": locale, "LANG": locale, "PYTHONHASHSEED": seed}
        for args in (["init", str(site)], ["report", "2026-10", "--out", "out"]):
            folder = site if site.exists() else tmp_path
            subprocess.run(
                [sys.executable, "-m", "newsletter", *args],
                cwd=folder,
                env=environment,
                check=True,
                capture_output=True,
            )
        made.append({path.name: path.read_bytes() for path in (site / "out").iterdir()})
    assert made[0] == made[1]


def test_nothing_stricter_than_clear_is_in_any_file_of_the_report_or_the_archive(site: Site) -> None:
    site.write("articles/2026/inside.en.md", ARTICLE.format(title="Canary Ylang", tlp="GREEN"))
    site.must("report", "2026-10", "--out", "out")
    site.must("publish")
    for folder in ("out", "archive"):
        texts = [path.read_bytes() for path in (site.folder / folder).rglob("*") if path.is_file()]
        assert texts
        assert not [text for text in texts if b"Ylang" in text or b"inside" in text.lower().split(b"</style>")[-1][:0]]


def test_a_wrong_month_says_how_to_write_one(site: Site) -> None:
    assert site.newsletter("report", "October") == 2
    assert "write it like 2026-10" in site.err


def test_a_template_with_a_missing_variable_is_named_with_its_line(site: Site) -> None:
    site.write("templates/email/report/subject.txt", "Hello\n{{ nobody_knows_this }}\n")
    assert site.newsletter("report", "2026-10") == 3
    assert "templates/email/report/subject.txt:2" in site.err
    assert "nobody_knows_this" in site.err


# --- send ---------------------------------------------------------------------------------------


def test_a_month_is_released_published_and_delivered_once(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(mailserver, monkeypatch)
    site.subscribe("ann@people.example", "bob@people.example")
    site.subscribe("chloe@people.example", language="fr")
    status = site.json("send", "2026-10", "--yes")
    assert (status["state"], status["accepted"], status["pending"]) == ("sent", 3, 0)
    site.must("send", "2026-10", "--yes")
    assert sorted(mail.recipient for mail in mailserver.mails) == [
        "ann@people.example", "bob@people.example", "chloe@people.example",
    ]  # fmt: skip
    french = mailserver.mails_to("chloe@people.example")[0].message
    assert french["Content-Language"] == "fr"
    assert "octobre 2026" in french["Subject"]
    assert (site.folder / "archive/en/reports/2026-10/index.html").exists()
    assert (site.folder / "editions/2026-10/manifest.json").exists()


def test_who_subscribes_later_gets_no_old_edition(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(mailserver, monkeypatch)
    site.subscribe("ann@people.example")
    site.must("send", "2026-10", "--yes")
    site.subscribe("late@people.example")
    site.must("send", "2026-10", "--yes")
    assert mailserver.mails_to("late@people.example") == ()


def test_what_is_not_approved_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_SCHEDULE_APPROVAL", "true")
    assert site.newsletter("send", "2026-10", "--yes") == 4
    assert "newsletter approve 2026-10" in site.err


def test_any_change_voids_the_approval(site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    use(mailserver, monkeypatch)
    monkeypatch.setenv("NEWSLETTER_SCHEDULE_APPROVAL", "true")
    site.must("approve", "2026-10", "--by", "robin")
    site.write("articles/2026/second.en.md", ARTICLE.format(title="A change", tlp="CLEAR"))
    assert site.newsletter("send", "2026-10", "--yes") == 4
    site.must("approve", "2026-10", "--by", "robin")
    site.must("send", "2026-10", "--yes")
    assert site.json("status", "2026-10")["approved_by"] == "robin"


def test_an_approval_can_be_bound_to_what_was_looked_at(site: Site) -> None:
    site.newsletter("approve", "2026-10", "--by", "robin")
    digest = site.json("status", "2026-10")["edition"]
    site.must("approve", "2026-10", "--digest", digest[:10])
    assert site.newsletter("approve", "2026-10", "--digest", "0000") == 4


def test_send_asks_to_type_the_month_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("2026-11\n"))
    assert site.newsletter("send", "2026-10") == 4
    assert "that was not the month; nothing was sent" in site.err
    assert site.json("status", "2026-10")["state"] == "candidate"


def test_a_test_letter_goes_to_one_address_and_releases_nothing(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(mailserver, monkeypatch)
    site.subscribe("ann@people.example")
    site.must("send", "2026-10", "--test", "me@people.example")
    assert [mail.recipient for mail in mailserver.mails] == ["me@people.example"] * 2
    assert site.newsletter("status", "2026-10") == 4


def test_a_dry_run_makes_every_letter_and_sends_none(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(mailserver, monkeypatch)
    site.subscribe("ann@people.example", "bob@people.example")
    assert "2 letters" in site.must("send", "2026-10", "--dry-run")
    assert mailserver.mails == ()
    assert not (site.folder / "archive").exists()


def test_a_relay_that_is_away_loses_nothing(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(mailserver, monkeypatch)
    site.subscribe("ann@people.example")
    mailserver.stop()
    assert site.newsletter("send", "2026-10", "--yes") == 5
    assert "127.0.0.1" in site.err
    assert site.json("status", "2026-10")["pending"] == 1
    mailserver.start()
    site.must("send", "2026-10", "--yes")
    assert len(mailserver.mails) == 1


def test_a_letter_that_the_relay_defers_waits_and_the_exit_code_says_so(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(mailserver, monkeypatch)
    site.subscribe("ann@people.example")
    mailserver.reply_next("450 4.2.0 later")
    assert site.newsletter("send", "2026-10", "--yes") == 5
    status = site.json("status", "2026-10")
    assert (status["state"], status["deferred"], status["pending"]) == ("released", 1, 0)


@pytest.mark.slow
def test_three_senders_at_once_are_one_release_and_one_delivery(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(mailserver, monkeypatch)
    people = [f"reader{n}@people.example" for n in range(20)]
    site.subscribe(*people)
    command = [sys.executable, "-m", "newsletter", "send", "2026-10", "--yes"]
    senders = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    told = [sender.communicate(timeout=120)[1].decode() for sender in senders]
    assert [sender.returncode for sender in senders] == [0, 0, 0], told
    assert sorted(mail.recipient for mail in mailserver.mails) == sorted(people)


# --- the rest -----------------------------------------------------------------------------------


def test_subscribers_go_in_and_out_as_csv(site: Site) -> None:
    site.subscribe("ann@people.example")
    site.must(
        "subscribers", "add", "Bob@People.Example", "--language", "fr", "--format", "text", "--consent", "by phone"
    )
    assert site.json("subscribers", "list")["subscribers"][0]["state"] == "active"
    site.must("subscribers", "export", "--out", "people-out.csv")
    rows = (site.folder / "people-out.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "address,language,audience,format,state"
    assert sorted(rows[1:]) == ["Bob@people.example,fr,public,text,active", "ann@people.example,en,public,html,active"]


def test_a_bad_row_stops_the_import_with_every_bad_row_named(site: Site) -> None:
    people = site.write("p.csv", "address,language\nann@people.example,en\nnobody,en\nbob@people.example,xx\n")
    assert site.newsletter("subscribers", "import", str(people), "--consent", "x") == 2
    assert "line 3" in site.err
    assert "line 4" in site.err
    assert site.json("subscribers", "list")["subscribers"] == []


def test_a_spreadsheet_gets_no_formula(site: Site) -> None:
    site.subscribe("=cmd@people.example")
    assert "'=cmd@people.example" in site.must("subscribers", "export")


def test_consent_has_to_be_named(site: Site) -> None:
    assert site.newsletter("subscribers", "add", "ann@people.example", "--consent", " ") == 2
    assert "how these people agreed" in site.err


def test_a_database_of_another_version_stops_every_command(site: Site) -> None:
    site.must("db", "upgrade")
    database = site.folder / "var" / "newsletter.db"
    database.write_bytes(b"not a database" * 100)
    assert site.newsletter("status") == 5
    assert "var/newsletter.db" in site.err


def test_config_show_tells_where_a_value_comes_from(site: Site) -> None:
    shown = site.json("config", "show")
    assert shown["schedule.approval"] == {"value": False, "origin": "NEWSLETTER_SCHEDULE_APPROVAL"}
    assert shown["relay.port"]["origin"] == "newsletter.toml"
    assert shown["web.host"]["origin"] in ("default", "newsletter.toml")


def test_feeds_are_listed_with_their_health(site: Site) -> None:
    assert [feed["polled"] for feed in site.json("feeds", "list")["feeds"]] == [None, None, None]


def test_the_packaged_site_passes_its_own_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["init", str(tmp_path / "site")])
    monkeypatch.chdir(tmp_path / "site")
    capsys.readouterr()
    assert run(["check"]) == 0
    told = capsys.readouterr().out
    assert "inc-2026-054" in told  # TLP:GREEN: left out, and named
    assert packaged("articles").is_dir()


def test_the_draft_letter_reads_like_one(site: Site) -> None:
    site.must("report", "2026-10", "--out", "out")
    letter = message_from_bytes((site.folder / "out/2026-10.public.en.eml").read_bytes(), policy=policy.default)
    assert letter["List-Unsubscribe"].startswith("<https://security.meridian.example/u/")
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
