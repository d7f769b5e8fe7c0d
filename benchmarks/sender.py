"""Our sender as a process of its own: ``main(ACTION, JOB)`` does one thing with a ledger and prints a JSON object.

``sign``: make all signatures ahead. ``deliver``: the engine, until nothing is due. ``scale``: release, read the list,
deliver. Everything counts from the call, once all is imported, to its return; CPU with that of the workers, which have
ended by then.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import random
import resource
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from ledgers import KEYS, PUBLICATION, find, open_store, release_prepared

from newsletter.deliver.dispatch import Dispatch, Signing
from newsletter.deliver.dkim import DkimKey, DkimSigner
from newsletter.deliver.engine import deliver_due
from newsletter.deliver.relay import Relay, Tls
from newsletter.store import subscribers

if TYPE_CHECKING:
    from collections.abc import Callable

    from newsletter.deliver.run import Tally
    from newsletter.store.database import Store

FULL: Final = 2  # PRAGMA synchronous


def cpu_seconds() -> float:
    """User and system, of this process and of its children that have ended; to the microsecond, unlike os.times."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_mb() -> float:
    """This process's own peak so far. Not ru_maxrss, which Linux lets a process inherit from whoever started it."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this kernel does not tell VmHWM")


def deliver(store: Store, job: dict[str, Any], *, only_sign: bool = False) -> Tally:
    """Everything that is due, through the engine; or its signatures alone, which are kept."""
    return deliver_due(
        store,
        find(store),
        dispatch(job),
        keys=KEYS,
        publication=PUBLICATION,
        clock=lambda: datetime.now(UTC),
        stop=lambda: False,
        progress=lambda _: None,
        rng=random.Random(1),
        only_sign=only_sign,
    )


def dispatch(job: dict[str, Any]) -> Dispatch:
    """A relay without TLS on this machine; signing as the job says: none, inline or ahead."""
    signing = Signing()
    if job["signing"] != "none":
        domain = PUBLICATION.from_address.rpartition("@")[2]
        key = DkimKey.load(Path(job["key"]).read_bytes(), selector="bench", domain=domain)
        signing = Signing(dkim=DkimSigner((key,)), ahead=job["signing"] == "ahead")
    relay = Relay(host="127.0.0.1", port=job["port"], tls=Tls.NONE)
    chosen = {"connections": job["connections"]} if "connections" in job else {}
    return Dispatch(relays=(relay,), return_path=PUBLICATION.from_address, signing=signing, **chosen)


def check_durable(store: Store) -> None:
    """What is measured is the ledger at FULL, in WAL: SystemExit when it is not."""
    with store.read() as tx:
        found = [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "journal_mode")]
    if found != [FULL, "wal"]:
        raise SystemExit(f"the ledger is at synchronous, journal_mode = {found}: this would measure nothing")


def timed(name: str, work: Callable[[], int]) -> dict[str, float]:
    """What a piece of work returns, its seconds, and its CPU seconds with those of its workers."""
    begin, cpu = time.perf_counter(), cpu_seconds()
    count = work()
    seconds, used = time.perf_counter() - begin, cpu_seconds() - cpu
    if multiprocessing.active_children():
        raise SystemExit(f"{name}: workers are still there, so that their CPU is not counted")
    return {name: count, f"{name}_seconds": seconds, f"{name}_cpu": used}


def read_list(store: Store) -> int:
    """Through everybody on the list, as ``newsletter subscribers`` does."""
    with store.read() as tx:
        return sum(1 for _ in subscribers.iterate(tx))


def main(action: str, job: dict[str, Any]) -> None:
    """One action; the JSON object is the last line."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    result: dict[str, float] = {}
    with closing(open_store(Path(job["path"]))) as store:
        check_durable(store)
        if action == "scale":
            result |= timed("release", lambda: release_prepared(store))
            result |= timed("list", lambda: read_list(store))
        if action == "sign":
            result |= timed("signed", lambda: deliver(store, job, only_sign=True).signed)
        else:
            result |= timed("accepted", lambda: deliver(store, job).accepted)
    print(json.dumps(result | {"peak_mb": peak_mb()}))
