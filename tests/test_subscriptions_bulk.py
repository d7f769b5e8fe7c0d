"""Import, sync and export: what a file does to the list, on both databases."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter import subscriptions
from newsletter.errors import ContentError, RefusedError, UsageError
from newsletter.model import Admission, Format, SubscriberState
from newsletter.store import subscribers
from newsletter.store.staging import BATCH
from newsletter.subscriptions.bulk import Deed
from newsletter.subscriptions.rows import MAX_LINE_BYTES, MAX_SHOWN
from tests.support.databases import Database
from tests.support.roster import Roster, mailbox, opened_roster

ROBIN, ANN, BOB, EVE = (f"{name}@people.example" for name in ("robin", "ann", "bob", "eve"))


@pytest.fixture
def roster(tmp_path: Path, database: Database) -> Iterator[Roster]:
    with opened_roster(tmp_path / "site", database.url) as opened:
        yield opened


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Roster]:
    """On SQLite, for what is decided before any database."""
    with opened_roster(tmp_path / "site") as opened:
        yield opened


def make_unwilling(roster: Roster) -> dict[str, str]:
    """One person for every way to be it, and why a row of theirs is refused."""
    away = {
        "left@people.example": "unsubscribed",
        "bounced@people.example": "bouncing",
        "erased@people.example": "its owner wanted to be forgotten",
        "silent@people.example": "suppressed",
        "anybody@shut.example": "suppressed",
    }
    roster.add(*list(away)[:4])
    subscriptions.leave(roster.find("left@people.example"), roster.app)
    subscriptions.bounced(roster.find("bounced@people.example"), roster.app)
    subscriptions.erase_address(mailbox("erased@people.example"), roster.app)
    subscriptions.suppress(mailbox("silent@people.example"), "", roster.app, note="")
    subscriptions.suppress(None, "shut.example", roster.app, note="")
    return away


# --- import -----------------------------------------------------------------------------------------------------


def test_an_import_adds_with_evidence(roster: Roster) -> None:
    """The row's own note is the evidence, else what the operator says of the file."""
    totals = roster.import_(f"address,language,format,note\n{ROBIN},fr,text,by phone\n{ANN.upper()},,,\n")
    assert totals.added == 2
    robin, ann = roster.find(ROBIN), roster.find(ANN)
    assert (robin.language, robin.format, robin.admission) == ("fr", Format.TEXT, Admission.OPEN)
    assert (ann.language, ann.format, ann.address.typed) == ("en", Format.HTML, ANN.upper())
    with roster.app.store.read() as tx:
        notes = [(one.how, one.note) for who in (robin, ann) for one in subscribers.consents(tx, who.id)]
    assert notes == [("imported by an operator", "by phone"), ("imported by an operator", "a test")]


@pytest.mark.parametrize("dry", [True, False])
def test_an_import_revives_nobody_who_is_unwilling(roster: Roster, *, dry: bool) -> None:
    """Each row says why; somebody who is known keeps what they chose."""
    away = make_unwilling(roster)
    roster.add(ROBIN, language="fr")
    before = roster.states()
    totals = roster.import_("address,language\n" + "".join(f"{one.upper()},en\n" for one in (*away, ROBIN)), dry=dry)
    assert [(step.deed, step.why) for step in roster.told] == [
        *((Deed.REFUSE, why) for why in away.values()),
        (Deed.KNOWN, "known, active"),
    ]
    assert str(totals) == "1 leave as it is, 5 refuse"
    assert roster.states() == before
    assert roster.find(ROBIN).language == "fr"


def test_a_dry_run_changes_nothing_and_says_the_same_as_the_real_one(roster: Roster) -> None:
    """Row by row."""
    content = f"address\n{ROBIN}\n{ANN}\n"
    before = roster.dump()
    first = roster.import_(content, dry=True), [(step.line, step.deed, step.why) for step in roster.told]
    assert roster.dump() == before
    assert (roster.import_(content), [(step.line, step.deed, step.why) for step in roster.told]) == first
    assert first[1] == [(2, Deed.ADD, ""), (3, Deed.ADD, "")]


def test_one_wrong_row_stops_all_of_them(roster: Roster) -> None:
    """A dry run tells about the good rows too, before it says what is wrong."""
    content = f"address\n{ROBIN}\nnobody\n{ANN}\n{ROBIN}\n"
    for dry in (True, False):
        with pytest.raises(ContentError, match="line 3: 'nobody' is no mail address") as caught:
            roster.import_(content, dry=dry)
        assert str(caught.value).endswith("line 5: the address of line 2 again (capitals do not count); take one out")
        assert len(roster.told) == (2 if dry else 0)
    assert roster.states() == {}


def test_everybody_comes_in_however_many_batches_there_are(roster: Roster) -> None:
    """And twice is the same as once, also over the border of a batch."""
    addresses = [f"r{number}@people.example" for number in range(2 * BATCH + 1)]
    content = "address\n" + "\n".join(addresses) + "\n"
    assert roster.import_(content).added == len(addresses)
    assert roster.import_(content).counts[Deed.KNOWN] == len(addresses)
    with pytest.raises(ContentError, match=f"line {len(addresses) + 2}: the address of line 2 again"):
        roster.import_(content + addresses[0])
    assert set(roster.states()) == set(addresses)


def test_an_audience_is_given_by_its_domain_alone(roster: Roster) -> None:
    """What only an invitation or a directory gives cannot be imported."""
    roster.import_("address,audience\nme@staff.example,staff\n")
    assert (roster.find("me@staff.example").audience, roster.find("me@staff.example").admission) == (
        "staff",
        Admission.DOMAIN,
    )
    for row, words in (
        (f"{ROBIN},staff", "'staff' is not open to people.example; invite"),
        ("me@staff.example,board", "'board' is not open to staff.example"),
        (f"{ROBIN},bored", "unknown audience 'bored'; this site has public, staff, board"),
    ):
        with pytest.raises(ContentError, match=words):
            roster.import_(f"address,audience\n{row}\n")


def test_who_left_another_list_does_not_join_this_one(small: Roster) -> None:
    """An export names everybody with their state; elsewhere only the active are taken in."""
    states = [state for state in SubscriberState if state is not SubscriberState.ACTIVE]
    rows = "".join(f"{state}@people.example,{state}\n" for state in states)
    totals = small.import_(f"address,state\n{ROBIN},active\n{ANN},\n{rows}")
    assert (totals.added, totals.counts[Deed.REFUSE]) == (2, len(states))
    assert set(small.states()) == {ROBIN, ANN}


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeffaddress;language\r\n{ROBIN};fr\r\n",
        f"Address,Language\r\n{ROBIN},fr",
        f"address\tlanguage\n{ROBIN}\tfr\n\n",
        f'address,language,note\n{ROBIN},fr,"two\r\nlines, and a comma"\n',
        f"language,address\nfr, {ROBIN} \n",
    ],
)
def test_files_of_spreadsheets_are_understood(small: Roster, content: str) -> None:
    """A byte order mark, semicolons (Excel in French), CRLF, quoted line ends, capitals and blanks."""
    assert small.import_(content).added == 1
    assert small.find(ROBIN).language == "fr"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: names no columns; the columns are address, language, audience, format, note, and state"),
        (b"mail\nx", "line 1: unknown column 'mail'; the columns are address, language"),
        (b"language\nen\n", "line 1: no column address"),
        (b"address,address\n", "line 1: a column stands there twice"),
        (b"address,note\na@b.example,caf\xe9\n", "line 2: is not in UTF-8; save it as CSV in UTF-8"),
        ("address\na@b.example\n".encode("utf-16"), "line 1: is not in UTF-8"),
        (b"address\na@b.example,en,public\n", "line 2: has more or longer fields"),
        (b"address\n" + b"a" * 1_001 + b"\n", "line 2: has more or longer fields"),
        (b"address,note\na@b.example,\0\n", "line 2: holds a NUL character"),
        (b"address\n" + b"x" * MAX_LINE_BYTES, "line 2: is longer than a row can be"),
        (b'address\n"a@b.example\n', "line 2: from here on it is not CSV"),
        (b'address,note\na@b.example,"open' + b"\nx" * 100_000, "from here on it is not CSV: field larger"),
        (b"address,language\na@b.example,xx\n", "line 2: unknown language 'xx'; this site has en, fr"),
        (b"address,format\na@b.example,pdf\n", "line 2: unknown format 'pdf'; write html or text"),
        (b"address,state\na@b.example,gone\n", "line 2: unknown state 'gone'"),
    ],
    ids=range(15),
)
def test_a_file_that_is_none_says_where_and_how_to_mend_it(small: Roster, content: bytes, words: str) -> None:
    """One message with its line; nothing is imported."""
    with pytest.raises(ContentError) as caught:
        small.import_(content)
    assert words in str(caught.value)
    assert small.states() == {}


def test_a_file_full_of_faults_is_told_in_a_few_lines(small: Roster) -> None:
    """The first ones, and how many there are besides."""
    with pytest.raises(ContentError) as caught:
        small.import_("address\n" + "nobody\n" * 5_000)
    assert len(caught.value.problems) == MAX_SHOWN + 1
    assert str(caught.value).endswith(f"and {5_000 - MAX_SHOWN:,} lines more")


def test_an_address_is_kept_normalised_and_as_typed(roster: Roster) -> None:
    """The domain in A-labels for machines, and what somebody wrote for people; not what we cannot deliver to."""
    roster.import_("address\nRobin@BÜCHER.example\n")
    address = roster.find("robin@xn--bcher-kva.example").address
    assert (address.mailbox, address.typed) == ("Robin@xn--bcher-kva.example", "Robin@BÜCHER.example")
    with pytest.raises(ContentError, match=r"line 2: '用户@people.example': we cannot deliver to this yet"):
        roster.import_("address\n用户@people.example\n")


def test_consent_has_to_be_said(small: Roster) -> None:
    """Before anything is read."""
    for work in (
        lambda: subscriptions.import_csv(io.BytesIO(b"address\n"), small.app, consent=" "),
        lambda: subscriptions.sync(io.BytesIO(b"address\n"), small.app, audience="staff", consent=""),
    ):
        with pytest.raises(UsageError, match="say how these people agreed"):
            work()


# --- export -----------------------------------------------------------------------------------------------------


def exported(roster: Roster) -> str:
    file = io.StringIO()
    subscriptions.export_csv(file, roster.app)
    return file.getvalue()


def test_an_export_can_be_imported_elsewhere(roster: Roster, tmp_path: Path) -> None:
    """All but the erased, with their states; formulas are made text on the way out, and read as meant on the way in."""
    odd = "=cmd@people.example"
    roster.add(odd, "+one@people.example", "'quoted@people.example", ROBIN)
    roster.import_("address,audience,language,format\nme@staff.example,staff,fr,text\n")
    make_unwilling(roster)
    told = exported(roster)
    assert f"'{odd}" in told
    assert not any(row[0].startswith(("=", "+")) for row in csv.reader(io.StringIO(told)))
    assert "erased" not in told
    with opened_roster(tmp_path / "elsewhere") as other:
        totals = other.import_(told)
        assert (totals.added, totals.counts[Deed.REFUSE]) == (5, 3)
        assert other.find(odd).state is SubscriberState.ACTIVE
        assert (other.find("me@staff.example").audience, other.find("me@staff.example").format) == ("staff", "text")
        active = [address for address, state in roster.states().items() if state == "active"]
        assert set(other.states()) == set(active)


# --- sync -------------------------------------------------------------------------------------------------------


def test_a_directory_adds_changes_and_ends_and_brings_back(roster: Roster) -> None:
    """Who is named is in the audience; who is not named any more is ended, and active when named again."""
    assert str(roster.sync(f"{ROBIN},fr,text", f"{ANN},,", header="address,language,format")) == "2 add"
    robin = roster.find(ROBIN)
    assert (robin.audience, robin.admission, robin.language, robin.format) == (
        "staff", Admission.DIRECTORY, "fr", "text",
    )  # fmt: skip
    assert str(roster.sync(f"{ROBIN},en", header="address,language")) == "1 change, 1 end"
    assert (roster.find(ROBIN).language, roster.find(ROBIN).format) == ("en", "text")
    assert roster.states() == {ROBIN: "active", ANN: "ended"}
    assert str(roster.sync(ROBIN, ANN)) == "1 make active again, 1 leave as it is"
    assert roster.states() == {ROBIN: "active", ANN: "active"}
    with roster.app.store.read() as tx:
        assert len(subscribers.consents(tx, roster.find(ANN).id)) == 2


def test_a_directory_revives_nobody_who_is_unwilling(roster: Roster) -> None:
    """Whatever it names; and whom it had let in and who left since stays unsubscribed when it forgets them."""
    away = make_unwilling(roster)
    roster.sync(ROBIN, ANN)
    subscriptions.leave(roster.find(ROBIN), roster.app)
    before = roster.states()
    roster.sync(*away, ROBIN, ANN)
    assert [(step.deed, step.why) for step in roster.told[:6]] == [
        *((Deed.REFUSE, why) for why in away.values()),
        (Deed.REFUSE, "unsubscribed"),
    ]
    roster.sync(ANN)
    assert roster.states() == before


def test_who_came_by_themselves_is_not_the_directorys(roster: Roster) -> None:
    """Named or not any more, they keep how they were let in, their audience and their choices."""
    roster.add(ROBIN, ANN, language="fr")
    with roster.app.store.begin() as tx:
        invited = {"audience": "board", "admission": Admission.INVITATION}
        subscribers.change(tx, roster.find(ANN).id, roster.clock(), **invited)
    roster.import_("address,audience\nme@staff.example,staff\n")
    before = roster.dump()
    roster.sync(f"{ROBIN},en,text", f"{ANN},en,", "me@staff.example,fr,", header="address,language,format")
    assert [(step.deed, step.why) for step in roster.told] == [
        (Deed.KNOWN, "on the list by themselves: public, open"),
        (Deed.KNOWN, "on the list by themselves: board, invitation"),
        (Deed.KNOWN, "on the list by themselves: staff, domain"),
    ]
    assert roster.dump() == before
    assert str(roster.sync(EVE)) == "1 add"
    assert set(roster.states().values()) == {"active"}


def test_what_a_directory_changes_has_its_evidence(roster: Roster) -> None:
    """Another audience is another thing to agree to: the newest file says on what grounds, row by row."""
    subscriptions.sync(io.BytesIO(f"address\n{ROBIN}\n".encode()), roster.app, audience="board", consent="board rules")
    roster.sync(f"{ROBIN},moved on Monday", header="address,note")
    robin = roster.find(ROBIN)
    assert (robin.audience, robin.admission) == ("staff", Admission.DIRECTORY)
    with roster.app.store.read() as tx:
        found = [(one.how, one.note) for one in subscribers.consents(tx, robin.id)]
    assert found == [("named by a directory", "board rules"), ("named by a directory", "moved on Monday")]


def test_a_pause_outlives_an_absence(roster: Roster) -> None:
    """They asked for silence themselves; after its end they are active."""
    roster.sync(ROBIN, ANN)
    subscriptions.pause(roster.find(ROBIN), 2, roster.app)
    roster.sync(ANN)
    assert roster.states()[ROBIN] == "ended"
    subscriptions.tend(roster.app)
    roster.sync(ROBIN, ANN)
    assert roster.states()[ROBIN] == "paused"
    roster.sync(ANN)
    roster.clock.pass_(days=70)
    roster.sync(ROBIN, ANN)
    assert roster.states()[ROBIN] == "active"


@pytest.mark.parametrize(("gone", "allowed"), [(1, True), (2, False)])
@pytest.mark.parametrize("dry", [True, False])
def test_too_many_cannot_end_at_once(roster: Roster, gone: int, *, dry: bool, allowed: bool) -> None:
    """A tenth may; more is refused as a whole, and says how to allow it. Somebody else's people do not count."""
    people = [f"r{number}@people.example" for number in range(10)]
    roster.sync(*people)
    roster.add(*(f"public{number}@people.example" for number in range(20)))
    before = roster.dump()
    if allowed:
        assert roster.sync(*people[gone:], dry=dry, max_end=10).counts[Deed.END] == gone
        assert (roster.dump() == before) is dry
        return
    with pytest.raises(RefusedError, match=r"2 of the 10 people .* more than 10 % at once; .* --max-end"):
        roster.sync(*people[gone:], "new@people.example", dry=dry, max_end=10)
    assert roster.dump() == before
    roster.sync(*people[gone:], max_end=20)
    assert list(roster.states().values()).count("ended") == 2


@pytest.mark.parametrize("rows", [(), ("nobody",), (ROBIN, "nobody"), (ROBIN, ROBIN.upper())])
@pytest.mark.parametrize("dry", [True, False])
def test_a_damaged_or_empty_file_ends_nobody(roster: Roster, rows: tuple[str, ...], *, dry: bool) -> None:
    """However much may end at once."""
    roster.sync(ROBIN, ANN)
    before = roster.dump()
    with pytest.raises(ContentError):
        roster.sync(*rows, dry=dry, max_end=100)
    assert roster.dump() == before


def test_a_directory_speaks_for_one_audience_that_there_is(small: Roster) -> None:
    """A row of another one is a fault."""
    with pytest.raises(UsageError, match="there is no audience 'bored'; there is public, staff, board"):
        subscriptions.sync(io.BytesIO(b"address\n"), small.app, audience="bored", consent="x")
    with pytest.raises(ContentError, match="line 2: the audience 'board' is not 'staff'"):
        small.sync(f"{ROBIN},board", header="address,audience")


def test_many_end_over_several_batches(roster: Roster) -> None:
    """Nobody is passed over while the list changes below the one who reads it."""
    people = [f"r{number}@people.example" for number in range(2 * BATCH + 100)]
    roster.sync(*people)
    assert roster.sync(EVE, BOB, *people[::2]).counts[Deed.END] == BATCH + 50
    states = list(roster.states().values())
    assert (states.count("ended"), states.count("active")) == (BATCH + 50, BATCH + 52)
