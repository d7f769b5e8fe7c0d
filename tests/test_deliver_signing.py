"""Signatures on their way: made just before sending or long ahead, here or in worker processes, whatever changes."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from newsletter.deliver.dispatch import Dispatch, Signing, Uncertain
from newsletter.deliver.dkim import DkimKey, DkimSigner, make_key
from newsletter.deliver.engine import deliver_due
from newsletter.deliver.relay import Relay, Tls
from newsletter.deliver.run import Tally
from newsletter.deliver.signing import WORKERS_FROM
from newsletter.deliver.smime import SmimeSigner, make_self_signed
from newsletter.errors import DeliveryError
from newsletter.model import Address, DeliveryState, Format, MailingState, Subscriber
from newsletter.store import deliveries, mailings
from newsletter.store.database import Store
from tests.campaigns.signatures import by_dkimpy, smime_content
from tests.support.databases import Database
from tests.support.killing import ROOT
from tests.support.ledger import KEYS, OCTOBER, Clock, add_people, person, released
from tests.support.opendkim import verdicts
from tests.support.samples import FR, sample_publication

PUBLICATION = sample_publication()
DOMAIN = PUBLICATION.from_address.rpartition("@")[2]
DEADLINE = 60.0  # seconds, for what another process is to do
MANY = WORKERS_FROM + 200


def new_signer() -> DkimSigner:
    """RSA and Ed25519, with keys of its own."""
    return DkimSigner(tuple(DkimKey.load(make_key(kind), selector=kind, domain=DOMAIN) for kind in ("rsa", "ed25519")))


def records(signer: DkimSigner) -> dict[str, str]:
    return dict(key.dns_record() for key in signer.keys)


DKIM = new_signer()
KEY, CERTIFICATE = make_self_signed(PUBLICATION.from_address, "Meridian", now=datetime.now(UTC), kind="p256")
SMIME = SmimeSigner.load(CERTIFICATE, KEY)
INLINE = Signing(dkim=DKIM)
AHEAD = Signing(dkim=DKIM, ahead=True)
# ECDSA needs chance (FIPS 186-5 section 6.4): two S/MIME signatures of one letter are never the same.
AHEAD_WITH_SMIME = Signing(dkim=DKIM, smime=SMIME, ahead=True)


@pytest.fixture
def dispatch(mailserver):
    relay = Relay(host=mailserver.host, port=mailserver.port, tls=Tls.NONE, timeout_seconds=20.0)
    return Dispatch(relays=(relay,), return_path=f"bounces@{DOMAIN}", settle_seconds=0.0)


@pytest.fixture
def deliver(dispatch):
    """The engine; ``deliver(store, mailing, signing=...)``, and anything else that ``deliver_due`` takes."""

    def call(store, mailing, *, signing: Signing, **options):
        changed = replace(dispatch, signing=signing, uncertain=options.pop("uncertain", Uncertain.HOLD))
        return run_engine(store, mailing, changed, **options)

    return call


def run_engine(store: Store, mailing, dispatch: Dispatch, **options) -> Tally:
    values = {"keys": KEYS, "publication": PUBLICATION, "clock": Clock(), "stop": lambda: False,
              "progress": lambda _: None, "rng": random.Random(1)}  # fmt: skip
    return deliver_due(store, mailing, dispatch, **(values | options))


def kept(store: Store) -> dict[int, tuple[bytes, bytes, bytes]]:
    """What is stored of signatures: subscriber -> seal, DKIM header lines, S/MIME's DER."""
    with store.read() as tx:
        rows = tx.execute(text("SELECT subscriber_id, seal, dkim, smime FROM signature"))
        return {row.subscriber_id: (bytes(row.seal), bytes(row.dkim), bytes(row.smime)) for row in rows}


def states(store: Store, mailing) -> dict[DeliveryState, int]:
    with store.read() as tx:
        return {state: count for state, count in deliveries.tally(tx, mailing.id).items() if count}


def change(store: Store, subscriber: Subscriber, **values) -> None:
    with store.begin() as tx:
        for column, value in values.items():
            tx.execute(text(f"UPDATE subscriber SET {column} = :v WHERE id = :id"), {"v": value, "id": subscriber.id})


def good(content: bytes, signer: DkimSigner = DKIM) -> bool:
    """Both DKIM signatures, by dkimpy."""
    return by_dkimpy(content, records(signer)) == [True, True]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The certificate that openssl is to trust."""
    path = tmp_path / "root.pem"
    path.write_bytes(CERTIFICATE)
    return path


READERS = [person(1), person(2, language=FR), person(3, format=Format.TEXT), person(4, language=FR, format=Format.TEXT)]


# --- what arrives ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signing", [INLINE, AHEAD], ids=["just before", "ahead"])
def test_every_letter_arrives_with_two_good_signatures(store, mailserver, deliver, signing, tmp_path):
    """In each language and format; dkimpy and OpenDKIM both believe RSA and Ed25519."""
    add_people(store, READERS)
    assert deliver(store, released(store), signing=signing).accepted == 4
    contents = [mail.content for mail in mailserver.mails]
    assert [good(content) for content in contents] == [True] * 4
    assert verdicts(contents, records(DKIM), tmp_path) == [{"rsa": "pass", "ed25519": "pass"}] * 4


@pytest.mark.parametrize("ahead", [False, True])
def test_a_letter_arrives_with_smime_and_dkim(sqlite_store, mailserver, deliver, root, ahead):
    """DKIM is made over the S/MIME signature, so the latter has to be the very one that is sent."""
    add_people(sqlite_store, READERS)
    deliver(sqlite_store, released(sqlite_store), signing=replace(AHEAD_WITH_SMIME, ahead=ahead))
    assert len(mailserver.mails) == 4
    for mail in mailserver.mails:
        assert good(mail.content)
        assert smime_content(mail.content, root) is not None


def test_without_keys_nothing_is_signed_and_nothing_stored(sqlite_store, mailserver, deliver):
    """Somebody's relay may sign; ahead or not makes no difference then."""
    add_people(sqlite_store, READERS)
    deliver(sqlite_store, released(sqlite_store), signing=Signing(ahead=True), stop=lambda: bool(mailserver.mails))
    assert "DKIM-Signature" not in mailserver.mails[0].message
    assert kept(sqlite_store) == {}


# --- ahead ----------------------------------------------------------------------------------------------------


def test_signatures_made_ahead_are_stored_before_the_first_letter_leaves_and_are_those_that_are_sent(
    store, mailserver, deliver
):
    """Stopped when all are signed: nothing was sent. Then they are used as they are."""
    add_people(store, READERS)
    mailing = released(store)
    told: list[Tally] = []
    tally = deliver(
        store, mailing, signing=AHEAD_WITH_SMIME, progress=told.append, stop=lambda: bool(told and told[-1].signed == 4)
    )
    assert (tally.signed, tally.done) == (4, 0)
    assert mailserver.connections == 0
    stored = kept(store)
    assert stored.keys() == {reader.id for reader in READERS}
    deliver(store, mailing, signing=AHEAD_WITH_SMIME)
    for reader in READERS:
        (mail,) = mailserver.mails_to(reader.address.mailbox)
        assert mail.content.startswith(stored[reader.id][1])
        assert mail.message.get_payload(1).get_payload(decode=True) == stored[reader.id][2]


def test_what_was_stored_is_used_also_where_nothing_new_is_made_ahead(sqlite_store, mailserver, deliver):
    """``newsletter sign`` in the night, an ordinary run in the morning."""
    add_people(sqlite_store, READERS)
    mailing = released(sqlite_store)
    deliver(sqlite_store, mailing, signing=AHEAD_WITH_SMIME, only_sign=True)
    stored = kept(sqlite_store)
    deliver(sqlite_store, mailing, signing=replace(AHEAD_WITH_SMIME, ahead=False))
    for reader in READERS:
        (mail,) = mailserver.mails_to(reader.address.mailbox)
        assert mail.message.get_payload(1).get_payload(decode=True) == stored[reader.id][2]


@pytest.mark.parametrize("signing", [AHEAD, AHEAD_WITH_SMIME], ids=["DKIM", "DKIM and S/MIME"])
def test_a_letter_that_is_sent_again_is_the_same_to_the_byte(store, mailserver, deliver, signing):
    """The relay took it and hung up before it said so; whoever has it twice can see that it is one letter."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    mailserver.drop_next("REPLY")
    clock = Clock()
    deliver(store, mailing, signing=signing, uncertain=Uncertain.AGAIN, clock=clock)
    clock.pass_(hours=1)
    deliver(store, mailing, signing=signing, uncertain=Uncertain.AGAIN, clock=clock)
    first, second = mailserver.mails_to("reader-1@example.org")
    assert first.connection != second.connection
    assert first.content == second.content
    assert good(second.content)


@pytest.mark.parametrize(
    "changes",
    [{"mailbox": "moved@example.org"}, {"language": "fr"}, {"format": "text"}, {"language": "fr", "format": "text"}],
    ids="+".join,
)
def test_who_changes_something_after_signing_gets_a_letter_with_a_new_signature(store, mailserver, deliver, changes):
    """The stored one does not fit any more; everybody else's is used."""
    add_people(store, [person(1), person(2)])
    mailing = released(store)
    deliver(store, mailing, signing=AHEAD, only_sign=True)
    stored = kept(store)
    change(store, person(1), **changes)
    deliver(store, mailing, signing=replace(AHEAD, ahead=False))
    by_address = {mail.recipient: mail.content for mail in mailserver.mails}
    changed = by_address[changes.get("mailbox", "reader-1@example.org")]
    assert good(changed)
    assert not changed.startswith(stored[person(1).id][1])
    assert by_address["reader-2@example.org"].startswith(stored[person(2).id][1])
    assert good(by_address["reader-2@example.org"])


def test_other_keys_sign_everything_anew(store, mailserver, deliver):
    """Changed between signing and sending: the old key may be gone from the DNS by the time that it is looked up."""
    add_people(store, READERS)
    mailing = released(store)
    deliver(store, mailing, signing=AHEAD, only_sign=True)
    new = new_signer()
    deliver(store, mailing, signing=Signing(dkim=new))
    assert [good(mail.content, new) for mail in mailserver.mails] == [True] * 4
    assert not any(good(mail.content) for mail in mailserver.mails)


def test_another_address_of_the_site_signs_everything_anew(sqlite_store, mailserver, deliver):
    """List-Unsubscribe holds it, and is signed."""
    add_people(sqlite_store, READERS)
    mailing = released(sqlite_store)
    deliver(sqlite_store, mailing, signing=AHEAD, only_sign=True)
    moved = replace(PUBLICATION, base_url="https://moved.example")
    deliver(sqlite_store, mailing, signing=AHEAD, publication=moved)
    assert [good(mail.content) for mail in mailserver.mails] == [True] * 4
    assert all("https://moved.example/u/" in mail.message["List-Unsubscribe"] for mail in mailserver.mails)


def test_smime_that_was_added_after_signing_signs_everything_anew(sqlite_store, mailserver, deliver, root):
    """And the other letter has another body, so DKIM is new too."""
    add_people(sqlite_store, READERS)
    mailing = released(sqlite_store)
    deliver(sqlite_store, mailing, signing=AHEAD, only_sign=True)
    deliver(sqlite_store, mailing, signing=AHEAD_WITH_SMIME)
    for mail in mailserver.mails:
        assert good(mail.content)
        assert smime_content(mail.content, root) is not None


def test_only_signing_sends_nothing_and_does_nothing_twice(store, mailserver, deliver):
    """Whatever ``ahead`` says; what fits is left alone."""
    add_people(store, READERS)
    mailing = released(store)
    signing = replace(AHEAD_WITH_SMIME, ahead=False)
    assert deliver(store, mailing, signing=signing, only_sign=True).signed == 4
    stored = kept(store)
    assert len(stored) == 4
    assert deliver(store, mailing, signing=signing, only_sign=True).signed == 4
    assert kept(store) == stored
    assert mailserver.connections == 0
    assert states(store, mailing) == {DeliveryState.PENDING: 4}


def test_only_signing_can_be_stopped_and_goes_on_where_it_was(store, mailserver, deliver):
    """A batch at a time; those that were made are kept as they are."""
    people = [person(number) for number in range(deliveries.BATCH + 50)]
    add_people(store, people)
    mailing = released(store)
    told: list[Tally] = []
    deliver(store, mailing, signing=AHEAD_WITH_SMIME, only_sign=True, progress=told.append, stop=lambda: bool(told))
    first = kept(store)
    assert len(first) == told[-1].signed == deliveries.BATCH
    deliver(store, mailing, signing=AHEAD_WITH_SMIME, only_sign=True)
    after = kept(store)
    assert after.keys() == {one.id for one in people}
    assert {number: after[number] for number in first} == first
    assert mailserver.connections == 0


def test_signatures_are_forgotten_when_everything_is_sent(store, mailserver, deliver):
    """Not while somebody still waits for a second attempt."""
    elsewhere = person(5, address=Address("reader@slow.example", "reader@slow.example"))
    add_people(store, [*READERS, elsewhere])
    mailing = released(store)
    mailserver.reply_always("reader@slow.example", "450 4.7.1 greylisted")
    clock = Clock()
    deliver(store, mailing, signing=AHEAD, clock=clock)
    assert states(store, mailing) == {DeliveryState.ACCEPTED: 4, DeliveryState.DEFERRED: 1}
    assert elsewhere.id in kept(store)
    mailserver.reply_always("reader@slow.example", "250 2.1.5 Ok")
    clock.pass_(hours=1)
    deliver(store, mailing, signing=AHEAD, clock=clock)
    assert kept(store) == {}
    with store.read() as tx:
        assert mailings.get(tx, OCTOBER).state is MailingState.SENT


# --- worker processes -----------------------------------------------------------------------------------------


def workers() -> list[int]:
    """The processes that sign for this one."""
    return [child.pid for child in multiprocessing.active_children()]


def is_alive(pid: int) -> bool:
    """Whether it still runs; one that has ended and that nobody asked for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def many(database: Database) -> Iterator[tuple[Store, object]]:
    """A released mailing with enough letters for workers, in two languages and both formats."""
    people = [
        person(number, language=FR if number % 3 == 0 else READERS[0].language,
               format=Format.TEXT if number % 5 == 0 else Format.HTML)
        for number in range(MANY)
    ]  # fmt: skip
    with closing(database.open()) as store:
        add_people(store, people)
        yield store, released(store)


@pytest.mark.slow
def test_many_letters_are_signed_by_workers_that_end_with_the_run(many, mailserver, deliver, tmp_path):
    """Every signature is good, made for the right letter; nothing is left running."""
    store, mailing = many
    seen: set[int] = set()
    tally = deliver(store, mailing, signing=AHEAD, progress=lambda _: seen.update(workers()))
    assert tally.accepted == tally.signed == MANY
    assert len(seen) == AHEAD.workers
    assert not any(map(is_alive, seen))
    contents = [mail.content for mail in mailserver.mails]
    assert verdicts(contents, records(DKIM), tmp_path) == [{"rsa": "pass", "ed25519": "pass"}] * MANY
    assert all(map(good, random.Random(1).sample(contents, 20)))


@pytest.mark.parametrize("letters", [1, WORKERS_FROM - 1])
def test_few_letters_are_signed_without_workers(sqlite_store, mailserver, deliver, letters):
    """Starting them would take longer than signing."""
    add_people(sqlite_store, [person(number) for number in range(letters)])
    seen: set[int] = set()
    tally = deliver(sqlite_store, released(sqlite_store), signing=AHEAD, only_sign=True,
                    progress=lambda _: seen.update(workers()))  # fmt: skip
    assert (tally.signed, seen) == (letters, set())


@pytest.mark.slow
def test_with_no_workers_wanted_there_are_none(many, deliver):
    """However many letters there are."""
    store, mailing = many
    seen: set[int] = set()
    tally = deliver(store, mailing, signing=replace(INLINE, workers=0), only_sign=True,
                    progress=lambda _: seen.update(workers()))  # fmt: skip
    assert (tally.signed, seen) == (MANY, set())


@pytest.mark.slow
def test_a_worker_that_dies_is_told_and_nothing_is_half_done(many, mailserver, deliver):
    """Whole batches are stored, no letter is sent, and the next run goes on from there."""
    store, mailing = many
    killed: list[int] = []

    def kill(tally):
        if not killed:
            killed.extend(workers()[:1])
            os.kill(killed[0], signal.SIGKILL)
            assert wait_for(lambda: not is_alive(killed[0]))

    with pytest.raises(DeliveryError, match="a process that signs letters died"):
        deliver(store, mailing, signing=AHEAD_WITH_SMIME, progress=kill)
    assert workers() == []
    stored = kept(store)
    assert len(stored) == deliveries.BATCH
    assert mailserver.connections == 0
    assert states(store, mailing) == {DeliveryState.PENDING: MANY}
    assert deliver(store, mailing, signing=AHEAD_WITH_SMIME, only_sign=True).signed == MANY
    after = kept(store)
    assert {number: after[number] for number in stored} == stored
    assert len(after) == MANY


CANNOT_START = """
from tests.test_deliver_signing import cannot_start
cannot_start()
"""


def cannot_start() -> None:
    """From a program on standard input, which a new process cannot read again: every worker dies as it starts."""
    import asyncio  # noqa: PLC0415  # of this other process

    from newsletter.deliver.letters import Desk  # noqa: PLC0415
    from newsletter.deliver.signing import Forms, Signers  # noqa: PLC0415
    from tests.support.ledger import NOW, compiled  # noqa: PLC0415

    variant = compiled(text="a large edition " * 20_000)
    forms = Forms({("public", variant.language): variant}, NOW, PUBLICATION.base_url, smime=False, made={})
    desk = Desk(KEYS, "2026-10.0", DOMAIN, PUBLICATION.base_url, NOW, f"bounces@{DOMAIN}")
    with closing(Signers(INLINE, forms, expected=MANY)) as signers:
        try:
            asyncio.run(signers.sign([(("public", variant.language, Format.HTML), desk.personal(person(1)))]))
        except DeliveryError as error:
            sys.stdout.write(f"{error}\n")


def test_workers_that_cannot_even_start_are_told(tmp_path):
    """Also of an edition larger than a pipe holds: nobody waits for ever for a process that is dead."""
    done = subprocess.run([sys.executable, "-"], input=CANNOT_START, capture_output=True, text=True, cwd=ROOT,
                          timeout=DEADLINE, check=False)  # fmt: skip
    assert done.stdout == "a process that signs letters died; start again\n", done.stderr


def sign_and_wait(url: str, folder: str) -> None:
    """In a process of its own: sign, tell the workers when the first batch is stored, and go no further."""

    def tell(_: Tally) -> None:
        sys.stdout.write(f"{' '.join(map(str, workers()))}\n")
        sys.stdout.flush()
        threading.Event().wait()

    relay = Relay(host="127.0.0.1", port=9, tls=Tls.NONE)
    dispatch = Dispatch(relays=(relay,), return_path=f"bounces@{DOMAIN}", signing=AHEAD_WITH_SMIME)
    with closing(Store(url, folder=Path(folder))) as store:
        with store.read() as tx:
            mailing = mailings.get(tx, OCTOBER)
        run_engine(store, mailing, dispatch, progress=tell, only_sign=True)


@pytest.mark.slow
def test_workers_end_with_a_parent_that_was_killed_and_what_it_stored_is_not_lost(many, database, mailserver, deliver):
    """SIGKILL leaves nobody time to end anybody; the next run finds the lock free and the first batch signed."""
    store, mailing = many
    code = "import sys; from tests.test_deliver_signing import sign_and_wait; sign_and_wait(*sys.argv[1:])"
    command = [sys.executable, "-c", code, database.url, str(database.folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        orphans = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(orphans) == AHEAD.workers
        assert all(map(is_alive, orphans))
        parent.kill()
        parent.wait()
        assert wait_for(lambda: not any(map(is_alive, orphans)))
    assert len(kept(store)) == deliveries.BATCH
    assert deliver(store, mailing, signing=AHEAD, only_sign=True).signed == MANY
    assert len(kept(store)) == MANY
    assert mailserver.connections == 0
