"""Who said no stays away, whatever operators do in which order, until they say yes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter import subscriptions
from newsletter.errors import LinkError, RefusedError, UsageError
from newsletter.model import Language, SubscriberState, Wish
from newsletter.subscriptions.bulk import Deed
from tests.support.databases import Database
from tests.support.roster import Roster, mailbox, opened_roster

ROBIN, ANN = "robin@people.example", "ann@people.example"


@pytest.fixture
def roster(tmp_path: Path, database: Database) -> Iterator[Roster]:
    with opened_roster(tmp_path / "site", database.url) as opened:
        yield opened


# --- erased and suppressed at once ------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["erase, suppress", "suppress, erase"])
def test_who_was_erased_is_so_still_when_a_suppression_is_lifted(roster: Roster, order: str) -> None:
    """An import cannot bring them back; nobody knows who they are."""
    roster.add(ROBIN)
    for deed in order.split(", "):
        if deed == "erase":
            subscriptions.erase_address(mailbox(ROBIN), roster.app)
        else:
            subscriptions.suppress(mailbox(ROBIN), "", roster.app, note="by phone")
    assert ROBIN not in roster.dump()
    assert subscriptions.unsuppress(mailbox(ROBIN), "", roster.app)
    assert roster.import_(f"address\n{ROBIN}\n").counts[Deed.REFUSE] == 1
    assert roster.states() == {}
    assert not subscriptions.unsuppress(mailbox(ROBIN), "", roster.app)


def test_lifting_a_suppression_puts_nobody_back(roster: Roster) -> None:
    """They were unsubscribed by it; an import still leaves them alone, and a new address of theirs may be added."""
    roster.add(ROBIN, ANN)
    assert subscriptions.suppress(None, "people.example", roster.app, note="") == 2
    assert subscriptions.unsuppress(None, "people.example", roster.app)
    assert not subscriptions.unsuppress(None, "people.example", roster.app)
    totals = roster.import_(f"address\n{ROBIN}\n{ANN}\nnew@people.example\n")
    assert (totals.counts[Deed.REFUSE], totals.added) == (2, 1)
    assert roster.states() == {ROBIN: "unsubscribed", ANN: "unsubscribed", "new@people.example": "active"}


def test_an_operator_adds_the_erased_only_with_a_new_consent(roster: Roster) -> None:
    """Once they agreed anew it is as if they came for the first time."""
    roster.add(ROBIN)
    subscriptions.erase_address(mailbox(ROBIN), roster.app)
    with pytest.raises(RefusedError, match="--again"):
        roster.add(ROBIN)
    roster.add(ROBIN, again=True)
    assert roster.states() == {ROBIN: "active"}
    subscriptions.erase_address(mailbox(ROBIN), roster.app)
    assert roster.import_(f"address\n{ROBIN}\n").added == 0


@pytest.mark.parametrize("domain", ["", "people.example"])
def test_an_operator_cannot_add_the_suppressed(roster: Roster, domain: str) -> None:
    """Not even with --again: first the suppression has to go."""
    subscriptions.suppress(None if domain else mailbox(ROBIN), domain, roster.app, note="")
    with pytest.raises(RefusedError, match="suppressed"):
        roster.add(ROBIN, again=True)
    assert roster.states() == {}


def test_who_paused_and_agrees_anew_does_not_wait(roster: Roster) -> None:
    """The end of the pause is forgotten with it."""
    roster.add(ROBIN)
    subscriptions.pause(roster.find(ROBIN), 3, roster.app)
    roster.add(ROBIN, again=True)
    assert roster.find(ROBIN).paused_until is None


# --- moving -----------------------------------------------------------------------------------------------------


def ask(roster: Roster) -> list[str]:
    """Robin wants to be Ann from now on: the tokens in both mailboxes."""
    subscriptions.ask_to_move(roster.find(ROBIN), mailbox(ANN), roster.app)
    return [token for _, _, token in roster.mails()]


def test_nobody_moves_to_an_address_that_was_suppressed_meanwhile(roster: Roster) -> None:
    """The links are right, and the operator was in between."""
    roster.add(ROBIN)
    old, new = ask(roster)
    subscriptions.suppress(mailbox(ANN), "", roster.app, note="")
    assert not subscriptions.confirm_move(old, roster.app).done
    with pytest.raises(LinkError, match="nothing is sent to this address"):
        subscriptions.confirm_move(new, roster.app)
    assert roster.states() == {ROBIN: "active"}


def test_erasing_an_address_takes_back_the_links_that_would_move_somebody_to_it(roster: Roster) -> None:
    """The right to move names it: nothing does after it was erased."""
    roster.add(ROBIN)
    old, new = ask(roster)
    subscriptions.erase_address(mailbox(ANN.upper()), roster.app)
    for token in (old, new):
        with pytest.raises(LinkError):
            subscriptions.confirm_move(token, roster.app)
    assert ANN not in roster.dump()


def test_the_owner_of_an_erased_address_may_move_there_themselves(roster: Roster) -> None:
    """It is their own will: afterwards they are on the list like everybody, and can leave and undo it."""
    subscriptions.erase_address(mailbox(ANN), roster.app)
    roster.add(ROBIN)
    old, new = ask(roster)
    subscriptions.confirm_move(old, roster.app)
    assert subscriptions.confirm_move(new, roster.app).done
    token = subscriptions.leave(roster.find(ANN), roster.app).undo
    assert subscriptions.undo(token, roster.app).state is SubscriberState.ACTIVE


@pytest.mark.parametrize("gone", [subscriptions.leave, subscriptions.bounced])
def test_who_is_away_does_not_move(roster: Roster, gone) -> None:
    """Else the old address would be forgotten, and an import could put it on the list again."""
    roster.add(ROBIN)
    old, new = ask(roster)
    gone(roster.find(ROBIN), roster.app)
    with pytest.raises(UsageError, match="nothing to move"):
        subscriptions.ask_to_move(roster.find(ROBIN), mailbox(ANN), roster.app)
    for token in (old, new):
        try:
            assert not subscriptions.confirm_move(token, roster.app).done
        except LinkError:
            continue
    assert roster.import_(f"address\n{ROBIN}\n").counts[Deed.REFUSE] == 1


# --- saying no twice --------------------------------------------------------------------------------------------


def test_leaving_again_takes_back_a_confirmation_that_waits(roster: Roster) -> None:
    """Somebody signed them up; they press the button in an old letter. The first goodbye's mailed undo still works."""
    roster.add(ROBIN)
    subscriptions.leave(roster.find(ROBIN), roster.app)
    ((_, _, undo),) = roster.mails()
    asked = subscriptions.Asked(address=mailbox(ROBIN), wish=Wish.JOIN, language=Language("en"))
    subscriptions.ask(asked, roster.app, network="192.0.2.1")
    subscriptions.tend(roster.app)
    ((kind, _, token),) = roster.mails()
    assert kind == "confirm"
    assert not subscriptions.leave(roster.find(ROBIN), roster.app).undo
    with pytest.raises(LinkError):
        subscriptions.confirm(token, roster.app)
    assert roster.states() == {ROBIN: "unsubscribed"}
    assert subscriptions.undo(undo, roster.app).state is SubscriberState.ACTIVE
