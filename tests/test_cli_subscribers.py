"""The operators' commands around subscribers, through the front door: they look first, and tell before they destroy."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing

import pytest

from newsletter.cli.people import subscribers
from newsletter.subscriptions.bulk import MAX_END_PERCENT
from tests.support.roster import AUDIENCES
from tests.support.sites import Site

ROBIN, ANN = "robin@people.example", "ann@people.example"


def states(site: Site) -> dict[str, str]:
    return {one["address"]: one["state"] for one in site.json("subscribers", "list")["subscribers"]}


def rows(site: Site, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(site.folder / "var/newsletter.db")) as database:
        return database.execute(sql).fetchall()


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch):
    """What the person at the terminal types at every question."""

    def answer(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))

    return answer


@pytest.mark.parametrize("name", list(subscribers.commands))
def test_every_command_has_one_line_and_one_example(name: str) -> None:
    """The example names the command itself."""
    command = subscribers.commands[name]
    assert command.epilog
    assert command.epilog.startswith(f"Example: newsletter subscribers {name}")
    assert command.get_short_help_str(limit=200).endswith(".")


# --- import and sync --------------------------------------------------------------------------------------------


def test_an_import_looks_first(site: Site) -> None:
    """Row by row, then the totals and how to do it; with --yes the totals alone."""
    site.subscribe(ANN)
    people = site.write("p.csv", f"address\n{ROBIN}\n{ANN}\n")
    told = site.must("subscribers", "import", str(people), "--consent", "x")
    assert told.splitlines() == [
        f"line 2: {ROBIN}: add",
        f"line 3: {ANN}: leave as it is (known, active)",
        "would do: 1 add, 1 leave as it is",
        "nothing was changed; to do it, add --yes",
    ]
    assert states(site) == {ANN: "active"}
    told = site.must("subscribers", "import", str(people), "--consent", "x", "--yes")
    assert told == "done: 1 add, 1 leave as it is\n"
    assert set(states(site)) == {ANN, ROBIN}


def test_a_sync_looks_first_and_refuses_to_end_too_many(site: Site) -> None:
    """Exit code 4, and the share that is allowed unless said."""
    settings = site.folder / "newsletter.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + AUDIENCES, encoding="utf-8")
    both, one = site.write("both.csv", f"address\n{ROBIN}\n{ANN}\n"), site.write("one.csv", f"address\n{ROBIN}\n")
    how = ("--audience", "staff", "--consent", "rules")
    assert f"line 2: {ROBIN}: add" in site.must("subscribers", "sync", str(both), *how)
    site.must("subscribers", "sync", str(both), *how, "--yes")
    assert site.newsletter("subscribers", "sync", str(one), *how, "--yes") == 4
    assert f"more than {MAX_END_PERCENT:g} % at once" in site.err
    assert site.newsletter("subscribers", "sync", str(one), *how) == 4
    assert f"not in the file: {ANN}: end (not named any more)" in site.out
    assert site.newsletter("subscribers", "sync", str(one), *how, "--max-end", "half") == 2
    assert states(site) == {ANN: "active", ROBIN: "active"}
    site.must("subscribers", "sync", str(one), *how, "--max-end", "50%", "--yes")
    assert states(site) == {ANN: "ended", ROBIN: "active"}


def test_a_list_of_nobody_is_still_one_json_object(site: Site) -> None:
    """It is written person by person."""
    assert site.json("subscribers", "list") == {"subscribers": []}
    site.subscribe(ANN, ROBIN)
    assert set(states(site)) == {ANN, ROBIN}


# --- one person -------------------------------------------------------------------------------------------------


def test_erasing_wants_the_address_typed_back(site: Site, answered) -> None:
    """And then forgets it; an import never adds it again, an operator only with a new consent."""
    site.subscribe(ROBIN)
    answered(ANN)
    assert site.newsletter("subscribers", "erase", ROBIN) == 4
    assert states(site) == {ROBIN: "active"}
    answered(ROBIN.upper())
    assert site.must("subscribers", "erase", ROBIN).endswith("erased\n")
    site.subscribe(ROBIN)
    assert states(site) == {}
    assert site.newsletter("subscribers", "add", ROBIN, "--consent", "x") == 4
    assert "wanted to be forgotten" in site.err
    assert site.must("subscribers", "add", ROBIN, "--consent", "by phone", "--again") == "added\n"
    assert "not on the list" in site.must("subscribers", "erase", ANN, "--yes")


def test_who_asks_by_phone_to_leave_is_unsubscribed_and_can_come_back(site: Site) -> None:
    """Not suppressed: then they could not sign up again."""
    site.subscribe(ROBIN)
    assert site.must("subscribers", "unsubscribe", ROBIN) == "unsubscribed; a mail tells its owner\n"
    assert site.must("subscribers", "unsubscribe", ROBIN) == "unsubscribed\n"
    assert [one["state"] for one in site.json("subscribers", "list")["subscribers"]] == ["unsubscribed"]
    assert site.json("subscribers", "suppressed")["suppressed"] == []
    assert rows(site, "SELECT kind FROM notice") == [("goodbye",)]
    assert site.newsletter("subscribers", "unsubscribe", "nobody@people.example") == 2
    assert "nothing changed" in site.err


def test_who_asks_by_phone_not_to_join_takes_back_what_waits_for_their_yes(site: Site) -> None:
    """A sign-up that nobody looked at yet, and the link of an invitation; then nothing waits any more."""
    settings = site.folder / "newsletter.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + AUDIENCES, encoding="utf-8")
    hold(site, 2)
    site.must("subscribers", "invite", ROBIN, "--audience", "board")
    for address in ("A0@people.example", ROBIN):
        assert site.must("subscribers", "unsubscribe", address) == (
            "it was not on the list; what waited for its owner's yes is taken back\n"
        )
        assert site.newsletter("subscribers", "unsubscribe", address) == 2
    assert rows(site, "SELECT mailbox FROM signup") == [("a1@people.example",)]
    assert rows(site, "SELECT * FROM granted") == rows(site, "SELECT * FROM notice") == []


def test_suppressing_needs_a_reason(site: Site) -> None:
    """Whoever lifts it years later has nothing else to go by."""
    assert site.newsletter("subscribers", "suppress", "robin@people.example", "--reason", " ", "--yes") == 2
    assert site.json("subscribers", "suppressed")["suppressed"] == []


def test_suppressing_a_domain_asks_and_is_listed(site: Site, answered) -> None:
    """Its people are unsubscribed; the erased are only counted."""
    site.subscribe(ROBIN, ANN, "me@bücher.example")
    answered("n")
    assert site.newsletter("subscribers", "suppress", "@people.example", "--reason", "asked") == 4
    assert site.must("subscribers", "suppress", "@people.example", "--reason", "asked", "--yes") == (
        "suppressed; 2 unsubscribed\n"
    )
    site.must("subscribers", "suppress", "@BÜCHER.example", "--reason", "closed", "--yes")
    site.must("subscribers", "erase", "x@other.example", "--yes")
    assert set(states(site).values()) == {"unsubscribed"}
    first, *_ = site.must("subscribers", "suppressed").splitlines()
    assert first.startswith("people.example  operator  ")
    assert site.out.endswith("1 erased\n")
    listed = site.json("subscribers", "suppressed")["suppressed"]
    assert sorted((one["target"], one["note"]) for one in listed) == [
        ("", ""), ("people.example", "asked"), ("xn--bcher-kva.example", "closed"),
    ]  # fmt: skip
    assert site.newsletter("subscribers", "add", ANN, "--consent", "x", "--again") == 4
    assert "not suppressed any more" in site.must("subscribers", "unsuppress", "@people.example")
    assert "it was not suppressed" in site.must("subscribers", "unsuppress", "@people.example")
    site.must("subscribers", "add", ANN, "--consent", "x", "--again")


def test_an_invitation_and_a_disclosure_go_to_their_owner_alone(site: Site) -> None:
    """As mails whose links are not shown to the operator."""
    settings = site.folder / "newsletter.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + AUDIENCES, encoding="utf-8")
    site.subscribe(ROBIN)
    assert "/l/" not in site.must("subscribers", "invite", ANN, "--audience", "board", "--language", "fr")
    assert "/l/" not in site.must("subscribers", "disclose", ROBIN)
    assert rows(site, "SELECT kind, recipient, language FROM notice ORDER BY kind") == [
        ("export-ready", ROBIN, "en"), ("invitation", ANN, "fr"),
    ]  # fmt: skip
    assert rows(site, "SELECT purpose FROM granted ORDER BY purpose") == [("confirm",), ("export",)]
    for arguments in (("disclose", ANN), ("invite", ANN, "--audience", "bored"), ("disclose", "nobody"),
                      ("invite", ANN, "--audience", "board", "--language", "xx")):  # fmt: skip
        assert site.newsletter("subscribers", *arguments) == 2


# --- what a surge left ------------------------------------------------------------------------------------------


def hold(site: Site, count: int) -> None:
    site.must("subscribers", "list")
    values = [("join", f"a{n}@people.example", f"a{n}@people.example", "en", "html", "public", "form", "", "",
               "2026-11-28 08:00:00.000000", 1) for n in range(count)]  # fmt: skip
    with closing(sqlite3.connect(site.folder / "var/newsletter.db")) as database, database:
        database.executemany(
            "INSERT INTO signup (wish, mailbox, typed, language, format, audience, how, words, form, asked, held) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values,
        )  # fmt: skip


def test_held_signups_are_counted_released_or_thrown_away(site: Site, answered) -> None:
    """Throwing away asks, where there is anything; nobody's address is shown."""
    assert site.json("subscribers", "signups") == {"held": 0, "since": None}
    assert site.must("subscribers", "signups") == "0 sign-ups are held\n"
    answered("n")
    assert site.must("subscribers", "signups", "drop") == "no sign-ups are held: there is nothing to throw away\n"
    assert site.err == ""
    hold(site, 3)
    assert site.json("subscribers", "signups") == {"held": 3, "since": "2026-11-28T08:00:00+00:00"}
    assert "3 sign-ups are held, since 2026-11-28" in site.must("subscribers", "signups")
    answered("n")
    assert site.newsletter("subscribers", "signups", "drop") == 4
    assert site.must("subscribers", "signups", "release") == "3 released\n"
    hold(site, 2)
    assert site.must("subscribers", "signups", "drop", "--yes") == "2 thrown away\n"
    assert rows(site, "SELECT count(*), sum(held) FROM signup") == [(3, 0)]


def test_no_command_logs_an_address(site: Site) -> None:
    """Not even where somebody asks for every line."""
    site.subscribe(ROBIN)
    people = site.write("p.csv", f"address\n{ANN}\n")
    for arguments in (
        ("import", str(people), "--consent", "x", "--yes"),
        ("add", "bob@people.example", "--consent", "x"),
        ("suppress", ROBIN, "--reason", "x", "--yes"),
        ("erase", ANN, "--yes"),
        ("disclose", "bob@people.example"),
    ):
        assert site.newsletter("--verbose", "subscribers", *arguments) == 0
        assert "people.example" not in site.err
