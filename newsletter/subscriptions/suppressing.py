"""Whom nobody may write to: by address (kept as a keyed hash) and by domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.keys import address_hash
from newsletter.model import Address, Suppressed
from newsletter.store import suppressions

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from newsletter.app import App
    from newsletter.model import Notice

EXPORT_KIND: Final = "export-ready"


def address_key(address: Address, app: App) -> str:
    """Under which key an address is suppressed."""
    return address_hash(app.keys, address.mailbox)


def domain_key(domain: str) -> str:
    """Under which key a domain is suppressed: exactly this one."""
    return f"@{domain}"


def reason(tx: Connection, address: Address, app: App) -> Suppressed | None:
    """Why an address is suppressed: ``ERASED`` keeps operators from adding it, every other reason keeps us silent."""
    return reasons(tx, (address,), app).get(address.mailbox)


def is_silent(notice: Notice, app: App) -> bool:
    """Whether nothing may be sent to the recipient of a notice.

    Who was erased is written to when they ask anew, and an operator's suppression does not keep from somebody what we
    hold about them.
    """
    with app.store.read() as tx:
        why = reason(tx, Address(notice.recipient, notice.recipient), app)
        return why not in (None, Suppressed.ERASED) and not (
            notice.kind == EXPORT_KIND and is_disclosed_to(tx, Address(notice.recipient, notice.recipient), app)
        )


def is_disclosed_to(tx: Connection, address: Address, app: App) -> bool:
    """Whether the owner of an address may be mailed what we hold about them: a domain's wish and a complaint count."""
    found = suppressions.find(tx, (address_key(address, app), domain_key(address.domain)))
    own = found.pop(address_key(address, app), None)
    return not found and (own is None or own.reason is Suppressed.OPERATOR)


def reasons(tx: Connection, addresses: Collection[Address], app: App) -> dict[str, Suppressed]:
    """The same for those of these addresses that are suppressed, by mailbox."""
    keys = app.keys
    by_address = {one.mailbox: address_hash(keys, one.mailbox) for one in addresses}
    domains = {domain_key(one.domain) for one in addresses}
    found = suppressions.find(tx, (*by_address.values(), *domains))
    if not found:
        return {}
    result: dict[str, Suppressed] = {}
    for one in addresses:
        whys = [found[key].reason for key in (by_address[one.mailbox], domain_key(one.domain)) if key in found]
        if whys:
            result[one.mailbox] = next((why for why in whys if why is not Suppressed.ERASED), Suppressed.ERASED)
    return result
