"""Delivers what is due of the October mailing, as a process of its own: URL, lock folder, host, port of the relay."""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime
from pathlib import Path

from newsletter.deliver.dispatch import Dispatch, Uncertain
from newsletter.deliver.engine import deliver_due
from newsletter.deliver.relay import Relay, Tls
from newsletter.store import mailings
from newsletter.store.database import Store
from tests.support.ledger import KEYS, OCTOBER
from tests.support.samples import sample_publication

CONNECTIONS = 3


def main(url: str, folder: str, host: str, port: str) -> None:
    """One run of the engine."""
    store = Store(url, folder=Path(folder))
    with store.read() as tx:
        mailing = mailings.get(tx, OCTOBER)
    assert mailing is not None
    deliver_due(
        store,
        mailing,
        Dispatch(
            relays=(Relay(host=host, port=int(port), tls=Tls.NONE),),
            return_path=sample_publication().from_address,
            connections=CONNECTIONS,
            uncertain=Uncertain.AGAIN,
        ),
        keys=KEYS,
        publication=sample_publication(),
        clock=lambda: datetime.now(UTC),
        stop=lambda: False,
        progress=lambda _: None,
        rng=random.Random(1),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
