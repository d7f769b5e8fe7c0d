"""Portals of an organisation: an operator lets one in, its token is kept nowhere, and is over at once when revoked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from newsletter.cli.common import opened_app
from newsletter.keys import grant_digest
from newsletter.model import Portal, Scope
from newsletter.store import portals
from newsletter.store.database import Store
from newsletter.subscriptions.portals import TOKEN, holder
from tests.support.ledger import NOW
from tests.support.sites import Site

INTRANET = Portal(name="intranet", scopes=(Scope.SIGNUP, Scope.MANAGE), created=NOW)


def held(token: str) -> Portal | None:
    with opened_app() as app:
        return holder(token, app)


# --- the table ---------------------------------------------------------------------------------------------------


def test_a_portal_is_found_by_the_hash_of_its_token(store: Store) -> None:
    """On both databases, exactly as it was kept."""
    other = Portal(name="extranet", scopes=(Scope.SIGNUP,), created=NOW)
    with store.begin() as tx:
        assert portals.add(tx, INTRANET, "a")
        assert portals.add(tx, other, "b")
    with store.read() as tx:
        assert [portals.find(tx, digest) for digest in ("a", "b", "c")] == [INTRANET, other, None]
        assert portals.every(tx) == (other, INTRANET)


def test_a_name_is_one_portals_for_ever(store: Store) -> None:
    """It stands in the evidence of those who subscribed there."""
    later = NOW + timedelta(days=1)
    with store.begin() as tx:
        assert portals.add(tx, INTRANET, "a")
        assert not portals.add(tx, INTRANET, "b")
        assert portals.revoke(tx, "intranet", later)
        assert not portals.revoke(tx, "intranet", later + timedelta(days=1))
        assert not portals.revoke(tx, "extranet", later)
        assert not portals.add(tx, INTRANET, "c")
        found = portals.find(tx, "a")
        assert found
        assert found.revoked == later
        assert portals.find(tx, "b") is None


# --- an operator -------------------------------------------------------------------------------------------------


def test_the_token_is_printed_once_and_kept_as_a_hash(site: Site) -> None:
    """It alone is on stdout, for a pipe into the portal's own store of secrets."""
    token = site.must("portals", "add", "intranet", "--scope", "signup").strip()
    assert TOKEN.fullmatch(token)
    assert "shown this once" in site.err
    found = held(token)
    assert found
    assert (found.name, found.scopes) == ("intranet", (Scope.SIGNUP,))
    assert token not in site.must("portals", "list") + site.must("portals", "list", "--json")
    files = b"".join(path.read_bytes() for path in (site.folder / "var").iterdir() if path.is_file())
    assert token.encode() not in files
    assert grant_digest(token).encode() in files


def test_two_tokens_are_never_alike(site: Site) -> None:
    tokens = {site.must("portals", "add", f"p{n}", "--scope", "manage", "--scope", "signup") for n in range(3)}
    assert len(tokens) == 3


def test_the_list_says_what_each_may_do_and_since_when(site: Site) -> None:
    site.must("portals", "add", "intranet", "--scope", "manage", "--scope", "signup", "--scope", "signup")
    site.must("portals", "add", "extranet", "--scope", "signup")
    site.must("portals", "revoke", "extranet")
    extranet, intranet = site.json("portals", "list")["portals"]
    assert (intranet["name"], intranet["scopes"], intranet["revoked"]) == ("intranet", ["signup", "manage"], None)
    assert (extranet["name"], extranet["scopes"]) == ("extranet", ["signup"])
    assert extranet["revoked"] > extranet["created"]
    first, second = site.must("portals", "list").splitlines()
    assert re.fullmatch(r"extranet  signup  revoked \d{4}-\d\d-\d\d \d\d:\d\d", first)
    assert re.fullmatch(r"intranet  signup,manage  since \d{4}-\d\d-\d\d \d\d:\d\d", second)


def test_a_revoked_token_counts_no_more_and_revoking_twice_is_fine(site: Site) -> None:
    token = site.must("portals", "add", "intranet", "--scope", "signup").strip()
    assert held(token)
    assert site.must("portals", "revoke", "intranet") == "revoked\n"
    assert held(token) is None
    assert site.must("portals", "revoke", "intranet") == "revoked already: nothing changed\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "Intranet", "--scope", "signup"), "cannot name a portal"),
        (("add", "-x", "--scope", "signup"), "No such option"),
        (("add", "a" * 41, "--scope", "signup"), "cannot name a portal"),
        (("add", "a b", "--scope", "signup"), "cannot name a portal"),
        (("add", "intranet"), "Missing option '--scope'"),
        (("add", "intranet", "--scope", "all"), "'all' is not one of 'signup', 'manage'"),
        (("add", "taken", "--scope", "signup"), "a name is not used twice"),
        (("revoke", "unknown"), "there is no portal 'unknown'"),
    ],
)
def test_what_makes_no_sense_is_told_and_changes_nothing(site: Site, arguments: tuple[str, ...], told: str) -> None:
    site.must("portals", "add", "taken", "--scope", "signup")
    assert site.newsletter("portals", *arguments) == 2
    assert told in site.err
    assert [portal["name"] for portal in site.json("portals", "list")["portals"]] == ["taken"]
