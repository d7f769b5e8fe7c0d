"""What goes wrong at a site, as its operator meets it: one clear message, the right exit code, nothing lost or doubled.

Everything here goes through the command line; what each part does by itself stands in the tests of that part.
"""

from __future__ import annotations

import os
import re
import socketserver
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.exceptions import HTTPException
from starlette.requests import Request

from newsletter.cli import run
from newsletter.rehearsal import write_files
from newsletter.store.database import Store
from newsletter.web.archive import Archive
from tests.support.mailserver import Certificate, MailServer
from tests.support.sites import ARTICLE, Site

RELEASED = ("released", "sent")
NO_ROOM = "No space left on device"
PEOPLE = tuple(f"reader{number}@people.example" for number in range(40))

# A process that may write no file larger than so many bytes: a full disk for whoever may not mount one.
LIMITED = """
import resource, sys
from newsletter.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
main(sys.argv[2:])
"""


@pytest.fixture
def relay(mailserver: MailServer, monkeypatch: pytest.MonkeyPatch) -> MailServer:
    """The site's relay."""
    monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(mailserver.port))
    return mailserver


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path, int], Path]]:
    """A disk of so many KB, at a folder."""
    mounted: list[Path] = []

    def mount(folder: Path, kilobytes: int) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("only root can mount a small disk; the tests with RLIMIT_FSIZE run everywhere")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, leaving: int = 0) -> Path:
    """A file that takes all the room of a disk but so many bytes."""
    filler = folder / "filler"
    free = os.statvfs(folder)
    filler.write_bytes(b"x" * max(0, free.f_bavail * free.f_bsize - leaving))
    return filler


def refused(site: Site, *args: str, code: int) -> str:
    """Run a command that has to fail with this code, and with words for a person; returns them."""
    assert site.newsletter(*args) == code, site.err or site.out
    assert "Traceback" not in site.err
    errors = [line for line in site.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, site.err
    return site.err


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def everybody_has_one(relay: MailServer) -> None:
    assert Counter(mail.recipient for mail in relay.mails) == Counter(PEOPLE)


# --- content ------------------------------------------------------------------------------------

NO_FRONT_MATTER = "just words"
UNKNOWN_FIELD = ARTICLE.format(title="A typo", tlp="CLEAR").replace("themes:", "tehmes:")
NOT_MARKED = ARTICLE.format(title="No label", tlp="CLEAR").replace("tlp: CLEAR\n", "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (NO_FRONT_MATTER, ("bad.en.md:1", "---")),
        (UNKNOWN_FIELD, ("bad.en.md:5", 'did you mean "themes"')),
        (NOT_MARKED, ("bad.en.md:1", "tlp")),
    ],
)
@pytest.mark.parametrize("command", [("report", "2026-10"), ("publish",), ("send", "2026-10", "--yes")])
def test_a_bad_file_stops_everything_before_anything(
    site: Site, relay: MailServer, text: str, told: tuple[str, str], command: tuple[str, ...]
) -> None:
    site.subscribe(*PEOPLE)
    site.must("publish")
    before = contents(site.folder / "archive")
    site.write("articles/2026/bad.en.md", text)
    words = refused(site, *command, code=2)
    assert all(part in words for part in told)
    assert not (site.folder / "out").exists()
    assert contents(site.folder / "archive") == before
    assert relay.mails == ()


def test_a_missing_translation_is_advice_and_its_readers_are_told(site: Site, relay: MailServer) -> None:
    site.subscribe("chloe@people.example", language="fr")
    site.must("check")
    assert "advice  articles/2026/first.en.md:1: there is no version in 'fr'" in site.out
    site.must("send", "2026-10", "--yes")
    (mail,) = relay.mails
    for kind in ("plain", "html"):
        part = mail.message.get_body((kind,))
        assert part
        words = part.get_content()
        assert "The first" in words
        assert "anglais" in words


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("check",), ("report", "2026-10"), ("publish",), ("send", "2026-10", "--yes"), ("status",)]
)
def test_a_wrong_setting_stops_every_command_and_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("NEWSLETTER_RELAY_PORT", "smtp")
    assert "NEWSLETTER_RELAY_PORT" in refused(site, *command, code=3)
    monkeypatch.delenv("NEWSLETTER_RELAY_PORT")
    settings = site.folder / "newsletter.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("[relay]\n", "[relay]\nprot = 25\n"))
    told = refused(site, *command, code=3)
    assert "relay.prot" in told
    assert "newsletter.toml" in told


# --- templates ----------------------------------------------------------------------------------


def test_a_broken_web_template_leaves_the_archive_as_it_was(site: Site) -> None:
    site.must("publish")
    before = contents(site.folder / "archive")
    site.write("articles/2026/second.en.md", ARTICLE.format(title="The second", tlp="CLEAR"))
    site.write("templates/web/article.html", "<h1>\n{{ nobody_knows_this }}\n")
    told = refused(site, "publish", code=3)
    assert "templates/web/article.html:2" in told
    assert "nobody_knows_this" in told
    assert contents(site.folder / "archive") == before


def test_a_broken_web_template_stops_a_release_and_mending_it_is_enough(site: Site, relay: MailServer) -> None:
    """Nothing sent, nothing released, the archive unchanged; afterwards everybody gets one letter."""
    site.subscribe(*PEOPLE)
    site.must("publish")
    before = contents(site.folder / "archive")
    template = site.write("templates/web/report.html", "<h1>\n{{ nobody_knows_this }}\n")
    told = refused(site, "send", "2026-10", "--yes", code=3)
    assert "templates/web/report.html:2" in told
    assert relay.mails == ()
    assert contents(site.folder / "archive") == before
    status = site.json("status", "2026-10")
    assert status["state"] not in RELEASED
    assert status["pending"] == status["accepted"] == 0
    template.unlink()
    site.must("send", "2026-10", "--yes")
    everybody_has_one(relay)
    assert (site.folder / "archive/en/reports/2026-10/index.html").exists()


# --- the relay ----------------------------------------------------------------------------------


def test_a_relay_that_is_away_is_named_and_every_letter_waits(site: Site, relay: MailServer) -> None:
    site.subscribe(*PEOPLE)
    relay.stop()
    assert f"127.0.0.1:{relay.port}" in refused(site, "send", "2026-10", "--yes", code=5)
    assert site.json("status", "2026-10")["pending"] == len(PEOPLE)
    assert refused(site, "send", "2026-10", "--test", "me@people.example", code=5)
    relay.start()
    site.must("send", "2026-10", "--yes")
    everybody_has_one(relay)


# --- the database -------------------------------------------------------------------------------


def test_a_locked_database_stops_a_send_before_its_first_letter(
    site: Site, relay: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.subscribe(*PEOPLE)
    monkeypatch.setattr("newsletter.app.Store", partial(Store, busy_seconds=0.2))  # instead of ten
    with closing(sqlite3.connect(site.folder / "var/newsletter.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        told = refused(site, "send", "2026-10", "--yes", code=5)
        assert "newsletter.db is locked by another process; try again" in told
        assert "is locked" in refused(site, "subscribers", "add", "x@people.example", "--consent", "x", code=5)
    assert relay.mails == ()
    assert not (site.folder / "editions").exists()
    site.must("send", "2026-10", "--yes")
    everybody_has_one(relay)


# --- a full disk --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_database_on_a_full_disk_stops_a_send_wherever_it_is(
    site: Site, relay: MailServer, small_disk: Callable[[Path, int], Path]
) -> None:
    """With more room each time it comes further; at the end everybody has their letter, and nobody has it twice.

    The letter whose answer could not be written down is held, and settled here by what the relay has.
    """
    disk = small_disk(site.folder / "var", 2_000)
    site.subscribe(*PEOPLE)
    stopped = 0
    for leaving in range(0, 2_000_000, 40_000):
        filler = fill(disk, leaving)
        code = site.newsletter("send", "2026-10", "--yes")
        filler.unlink()
        if code == 0:
            break
        assert code == 5, site.err
        said = [line for line in site.err.splitlines() if line.startswith("error: ")]
        if not said:  # there is room again, and what an earlier stop left is held
            assert settled(site, relay)
            continue
        (told,) = said
        # SQLite has two words for it, by which of its files finds no room.
        assert "the disk is full; free some space" in told or "a full disk, or a broken one" in told
        assert "Traceback" not in told
        stopped += 1
    assert stopped > 2
    everybody_has_one(relay)
    assert site.json("status", "2026-10")["state"] == "sent"


def settled(site: Site, relay: MailServer) -> int:
    """Decide about the letters that are held as an operator would, by the relay's record; how many there were."""
    held = 0
    for address in PEOPLE:
        for letter in site.json("subscribers", "letters", address)["letters"]:
            if letter["state"] == "held":
                decision = "--taken" if relay.mails_to(address) else "--again"
                site.must("settle", "2026-10", letter["delivery"], decision)
                held += 1
    return held


def test_an_archive_on_a_full_disk_stays_as_it_was(site: Site, small_disk: Callable[[Path, int], Path]) -> None:
    archive = small_disk(site.folder / "archive", 2_000)
    site.must("publish")
    before = contents(archive)
    site.write("articles/2026/second.en.md", ARTICLE.format(title="The second", tlp="CLEAR"))
    filler = fill(archive)
    told = refused(site, "publish", code=5)
    assert NO_ROOM in told
    assert "readers still see complete pages" in told
    filler.unlink()
    assert contents(archive) == before
    site.must("publish")
    assert (archive / "en/articles/second/index.html").exists()


def test_no_month_is_released_while_its_archive_is_on_a_full_disk(
    site: Site, relay: MailServer, small_disk: Callable[[Path, int], Path]
) -> None:
    site.subscribe(*PEOPLE)
    archive = small_disk(site.folder / "archive", 2_000)
    site.must("publish")
    before = contents(archive)
    filler = fill(archive)
    assert NO_ROOM in refused(site, "send", "2026-10", "--yes", code=5)
    filler.unlink()
    assert contents(archive) == before
    assert relay.mails == ()
    assert site.json("status", "2026-10")["state"] not in RELEASED
    site.must("send", "2026-10", "--yes")
    everybody_has_one(relay)


def test_a_report_that_finds_no_room_says_so(site: Site, small_disk: Callable[[Path, int], Path]) -> None:
    fill(small_disk(site.folder / "out", 100), 20_000)
    assert NO_ROOM in refused(site, "report", "2026-10", "--out", "out", code=5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "command"),
    [
        (20_000, ("send", "2026-10", "--yes")),
        (2_000, ("publish",)),
        (2_000, ("report", "2026-10")),
        (100, ("subscribers", "export", "--out", "all.csv")),
    ],
)
def test_what_can_be_written_no_further_ends_with_a_sentence(
    site: Site, relay: MailServer, limit: int, command: tuple[str, ...]
) -> None:
    site.subscribe(*PEOPLE)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *command],
        capture_output=True,
        text=True,
        check=False,
        # coverage would write its data under the same limit
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
    )
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert relay.mails == ()


# --- files --------------------------------------------------------------------------------------


def test_files_are_written_all_or_none(tmp_path: Path, small_disk: Callable[[Path, int], Path]) -> None:
    disk = small_disk(tmp_path / "disk", 100)
    old = {"a": b"old a", "b": b"old b"}
    assert write_files(old, disk) == [disk / "a", disk / "b"]
    with pytest.raises(OSError, match=f"{NO_ROOM}: '{disk / 'b'}'"):
        write_files({"a": b"new a", "b": b"b" * 200_000}, disk)
    assert contents(disk) == old
    write_files({"a": b"new a"}, disk / "deeper" / "still")
    assert contents(disk) == old | {"deeper/still/a": b"new a"}


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (("report", "2026-10", "--out", "/proc/nothing"), "/proc/nothing"),
        (("subscribers", "export", "--out", "/nonexistent/x"), "/nonexistent/x"),
        (("subscribers", "export", "--out", "/dev/full"), "/dev/full"),
        (("init", "/proc/foo"), "/proc/foo"),
    ],
)
def test_where_nothing_can_be_written_the_place_is_named(site: Site, command: tuple[str, ...], path: str) -> None:
    told = refused(site, *command, code=5)
    assert len(told.splitlines()) == 1
    assert path in told


def test_a_terminal_that_takes_nothing_is_told_once_and_keeps_the_exit_code(site: Site) -> None:
    command = [sys.executable, "-m", "newsletter", "subscribers", "export"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (5, f"error: cannot write: {NO_ROOM}\n")


def test_a_site_that_finds_no_room_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small_disk: Callable[[Path, int], Path]
) -> None:
    disk = small_disk(tmp_path / "disk", 60)
    assert run(["init", str(disk / "site")]) == 5
    assert capsys.readouterr().err == f"error: cannot write {disk / 'site'}: {NO_ROOM}\n"
    assert list(disk.iterdir()) == []


def test_content_that_finds_no_room_leaves_no_empty_file(site: Site, small_disk: Callable[[Path, int], Path]) -> None:
    disk = small_disk(site.folder / "incidents", 100)
    (disk / "2026").mkdir()
    fill(disk)
    assert NO_ROOM in refused(site, "new", "incident", "INC-2026-001", "A stolen laptop", code=5)
    assert [path.name for path in disk.rglob("*.md")] == []


def test_our_own_mistake_is_told_as_one_with_a_reference(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake(*_: object) -> None:
        raise KeyError("what nobody thought of")

    monkeypatch.setattr("newsletter.cli.site.slug_of", mistake)
    assert site.newsletter("new", "article", "x") == 1
    reference = site.err.split()[0]
    assert site.err.endswith(
        f"error: this is a mistake in newsletter, not yours; please report the lines above (reference {reference})\n"
    )
    assert "what nobody thought of" in site.err


# --- new ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("incident", ["../../x", "INC 1", "INC-1-", "", "x" * 101, "/etc/x", "INC_1"])
def test_new_takes_the_ids_that_check_takes(site: Site, incident: str) -> None:
    before = contents(site.folder)
    assert "INC-2026-014" in refused(site, "new", "incident", incident, "A title", code=2)
    assert contents(site.folder) == before


@pytest.mark.parametrize("title", ["", " ", "long " * 100, "bell\a"])
def test_new_writes_no_title_that_check_refuses(site: Site, title: str) -> None:
    before = contents(site.folder)
    refused(site, "new", "incident", "INC-1", title, code=2)
    refused(site, "new", "report", "2026-11", "--title", title, code=2) if title.strip() else None
    assert contents(site.folder) == before


def test_new_takes_no_name_that_is_taken_in_whatever_year_or_folder(site: Site) -> None:
    site.write("articles/2020/an-old-one.en.md", ARTICLE.format(title="An old one", tlp="CLEAR"))
    site.must("new", "incident", "INC-2026-001", "A stolen laptop")
    before = contents(site.folder)
    assert "2020/an-old-one.en.md exists already" in refused(site, "new", "article", "An old one!", code=2)
    for command in (
        ("article", "inc 2026 001"),
        ("article", "inc 2026 001", "--language", "fr"),
        ("incident", "INC-2026-001", "Again"),
        ("incident", "inc-2026-001", "Again"),
        ("incident", "an-old-one", "An id like a slug"),
    ):
        assert "exists already" in refused(site, "new", *command, code=2)
    assert contents(site.folder) == before
    site.must("new", "incident", "INC-2026-001", "Un portable volé", "--language", "fr")
    site.must("check")


# --- test letters, the web server ----------------------------------------------------------------


def test_a_test_letter_is_marked_and_the_real_one_is_not(site: Site, relay: MailServer) -> None:
    site.subscribe("ann@people.example")
    site.must("send", "2026-10", "--test", "me@people.example")
    site.must("send", "2026-10", "--yes")
    *tests, real = [str(mail.message["Subject"]) for mail in relay.mails]
    assert len(tests) == 2
    assert all(subject.startswith("[test] ") for subject in tests)
    assert tests[0].removeprefix("[test] ") == real


def test_folders_without_a_slash_cost_no_log_line_and_no_descriptor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en/index.html").write_text("<p>Here")
    (tmp_path / "empty").mkdir()
    archive = Archive(tmp_path)
    asked = {path: Request({"type": "http", "method": "GET", "headers": [], "query_string": b"",
                            "path": path, "path_params": {"path": path}}) for path in ("en", "empty")}  # fmt: skip
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        assert archive.answer(asked["en"]).headers["Location"] == "./en/"
        with pytest.raises(HTTPException):
            archive.answer(asked["empty"])
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    told = capsys.readouterr()
    assert "cannot be read" not in told.out + told.err


# --- a relay that is set up otherwise than we think -----------------------------------------------------------------

HELD = "uncertain: the connection was lost before the relay answered"


def letters(site: Site) -> Counter[tuple[str, str, str]]:
    """State, reply and reason of every letter, past the product's own code."""
    with closing(sqlite3.connect(site.folder / "var/newsletter.db")) as database:
        return Counter(database.execute("SELECT state, reply, reason FROM delivery"))


def nothing_is_decided(site: Site) -> bool:
    """Every row is as it was at release."""
    return letters(site) == {("pending", "", ""): len(PEOPLE)}


def mended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a relay that takes everything each reader gets one letter, as if nothing had been."""
    for name in ("HOST", "TLS", "CA_FILE", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"NEWSLETTER_RELAY_{name}", raising=False)
    with MailServer() as good:
        monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(good.port))
        site.must("send", "2026-10", "--yes")
        everybody_has_one(good)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TLS": "none"}, "refuses our sender"),
        ({"TLS": "implicit"}, "cannot be reached"),
        ({"CA_FILE": ""}, "certificate"),
        ({"HOST": "localhost.localdomain"}, "localhost.localdomain"),
        ({"USERNAME": "news", "PASSWORD": "wr0ng"}, "does not accept user name and password"),
        ({}, "530"),
    ],
)
def test_a_relay_that_does_not_let_us_in_is_named_and_every_letter_waits(
    site: Site, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    """No TLS, the wrong kind of it, a certificate of nobody's or for another host, no password, the wrong one."""
    site.subscribe(*PEOPLE)
    with MailServer(tls="starttls", certificate=certificate, users={"news": "s3cret"}) as strict:
        usual = {"HOST": "127.0.0.1", "PORT": str(strict.port), "TLS": "starttls", "CA_FILE": str(certificate.path)}
        for name, value in (usual | environment).items():
            monkeypatch.setenv(f"NEWSLETTER_RELAY_{name}", value)
        told = refused(site, "send", "2026-10", "--yes", code=5)
        assert message in told
        assert "wr0ng" not in told
        assert strict.mails == ()
    assert nothing_is_decided(site)
    mended(site, monkeypatch)


def test_a_relay_without_the_tls_that_is_demanded_gets_nothing(
    site: Site, relay: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No silent fall-back to clear text."""
    site.subscribe(*PEOPLE)
    monkeypatch.setenv("NEWSLETTER_RELAY_TLS", "starttls")
    assert "offers no STARTTLS" in refused(site, "send", "2026-10", "--yes", code=5)
    assert nothing_is_decided(site)
    monkeypatch.setenv("NEWSLETTER_RELAY_TLS", "none")
    site.must("send", "2026-10", "--yes")
    everybody_has_one(relay)


class SmallServer(MailServer):
    """Says that it takes letters of so many bytes (RFC 1870)."""

    max_bytes = 5_000

    async def handle_EHLO(  # noqa: N802  # aiosmtpd names hooks after commands
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Aiosmtpd calls it for EHLO, with what it would offer."""
        offered = await super().handle_EHLO(server, session, envelope, hostname, responses)
        return [offered[0], f"250-SIZE {self.max_bytes}", *(line for line in offered[1:] if "SIZE" not in line)]


def test_a_letter_that_is_too_large_is_kept_with_both_sizes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not even travel; after 20 of them it is hardly the readers' fault, and all are tried again."""
    site.subscribe(*PEOPLE)
    monkeypatch.setenv("NEWSLETTER_DELIVERY_CONNECTIONS", "1")
    with SmallServer() as small:
        monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(small.port))
        assert "refused 20 letters in a row" in refused(site, "send", "2026-10", "--yes", code=5)
        assert small.mails == ()
    kept = letters(site)
    assert kept.pop(("pending", "", "")) == len(PEOPLE) - 20
    assert sum(kept.values()) == 20
    for state, reply, _ in kept:
        assert state == "deferred"
        assert re.fullmatch(r"552 5\.3\.4 the relay takes letters of up to 5000 bytes; this one has \d{5,6}", reply), (
            reply
        )


def test_a_relay_that_finds_a_letter_too_large_is_believed(
    site: Site, relay: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """552 after the text, where the relay had said nothing about sizes before: that letter is refused, no other."""
    monkeypatch.setenv("NEWSLETTER_DELIVERY_CONNECTIONS", "1")
    site.subscribe(*PEOPLE)
    relay.reply_next("552 5.3.4 Message size exceeds fixed limit", at="DATA")
    site.must("send", "2026-10", "--yes")
    assert letters(site)["refused", "552 5.3.4 Message size exceeds fixed limit", ""] == 1
    assert len(relay.mails) == len(PEOPLE) - 1


def test_odd_addresses_in_the_list_are_kept_with_the_reason_and_cost_nobody_a_letter(
    site: Site, relay: MailServer
) -> None:
    """However they came into the database: refused, never said to the relay, and no address in the output."""
    odd = (
        "two words@people.example",
        "x@people.example>\r\nRCPT TO:<y@evil.example",
        "nobody",
        "",
        "h\u00e9@a.example",
    )
    site.subscribe(*PEOPLE)
    with closing(sqlite3.connect(site.folder / "var/newsletter.db")) as database, database:
        for number, address in enumerate(odd):
            where = (address, f"odd-{number}", PEOPLE[number])
            database.execute("UPDATE subscriber SET mailbox = ?, mailbox_key = ? WHERE mailbox = ?", where)
    site.must("send", "2026-10", "--yes")
    assert Counter(mail.recipient for mail in relay.mails) == Counter(PEOPLE[len(odd) :])
    kept = [(state, reply) for (state, reply, _), number in letters(site).items() if state != "accepted" for _ in
            range(number)]  # fmt: skip
    assert len(kept) == len(odd)
    assert all(state == "refused" and reply.startswith("553 5.1.3 not tried: ") for state, reply in kept)
    assert "@" not in site.out + site.err


@contextmanager
def saying(words: bytes, then: bytes) -> Iterator[int]:
    """A server that says this to everybody who comes, and then the other until they leave; its port."""

    class Talk(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.sendall(words)
                while then:
                    self.request.sendall(then)
                while self.request.recv(4_096):
                    pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Talk) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "then"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", b""),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", b"", marks=pytest.mark.slow),
        pytest.param(b"", bytes(range(128, 256)), marks=pytest.mark.slow),
        (b"", b"220-welcome to a very long welcome\r\n"),
        (b"220 hello\r\n", b"250-and on\r\n"),
    ],
)
def test_a_server_that_does_not_speak_smtp_decides_about_no_letter(
    site: Site, monkeypatch: pytest.MonkeyPatch, words: bytes, then: bytes
) -> None:
    """Another protocol, or an answer without end: named, left, and every letter waits."""
    site.subscribe(*PEOPLE)
    with saying(words, then) as port:
        monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(port))
        assert f"127.0.0.1:{port}" in refused(site, "send", "2026-10", "--yes", code=5)
    assert nothing_is_decided(site)
    mended(site, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("nonsense", ["777 what", "HTTP/1.1 200 OK", "250-" + "x" * 5_000])
def test_a_relay_that_goes_mad_after_a_text_leaves_one_letter_to_decide_about(
    site: Site, relay: MailServer, monkeypatch: pytest.MonkeyPatch, nonsense: str
) -> None:
    """Only the relay knows whether it has that one; the others leave through a new connection."""
    monkeypatch.setenv("NEWSLETTER_DELIVERY_CONNECTIONS", "1")
    site.subscribe(*PEOPLE)
    relay.reply_next(nonsense, at="DATA")
    assert site.newsletter("send", "2026-10", "--yes") == 5
    assert letters(site)["held", "", HELD] == 1
    assert settled(site, relay) == 1
    site.must("send", "2026-10", "--yes")
    everybody_has_one(relay)
