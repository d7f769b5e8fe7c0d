"""Whom nobody may write to: by address (kept as a keyed hash) and by domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.keys import address_hash
from newsletter.model import Suppressed
from newsletter.store import suppressions

if TYPE_CHECKING:
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
    found = suppressions.find(tx, (address_key(address, app), domain_key(address.domain))).values()
    return next((one.reason for one in found if one.reason is not Suppressed.ERASED), None) or next(
        (one.reason for one in found), None
    )
