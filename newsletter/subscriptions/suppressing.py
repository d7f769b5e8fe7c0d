"""Whom nobody may write to: by address (kept as a keyed hash) and by domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.keys import address_hash
from newsletter.model import Suppressed
from newsletter.store import suppressions

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from newsletter.app import App
    from newsletter.model import Address


def address_key(address: Address, app: App) -> str:
    """Under which key an address is suppressed."""
    return address_hash(app.keys, address.mailbox)


def domain_key(domain: str) -> str:
    """Under which key a domain is suppressed: exactly this one."""
    return f"@{domain}"


def reason(tx: Connection, address: Address, app: App) -> Suppressed | None:
    """Why an address is suppressed: ``ERASED`` keeps operators from adding it, every other reason keeps us silent."""
    return reasons(tx, (address,), app).get(address.mailbox)


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
