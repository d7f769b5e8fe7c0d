"""Signatures in worker processes: an RSA signature costs more than everything else about a letter together.

Workers are told the keys once, and with each batch its variants and what is personal in it; they give back the
signatures and never see the ledger. Few letters are signed in this process: starting workers would take longer.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from hashlib import sha256
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from newsletter.deliver.dispatch import Signing
from newsletter.deliver.dkim import DkimKey, DkimSigner
from newsletter.deliver.letters import make_form, sign
from newsletter.deliver.smime import SmimeSigner
from newsletter.errors import DeliveryError
from newsletter.model import Format

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from newsletter.deliver.letters import Form, Personal, Signature
    from newsletter.model import CompiledVariant, Language

WORKERS_FROM: Final = 1_000  # letters; a worker needs half a second to start
CHUNK: Final = 100  # letters handed to a worker at once

FormKey: TypeAlias = tuple[str, "Language", Format]  # audience, language, format
Variants: TypeAlias = dict[tuple[str, "Language"], "CompiledVariant"]  # by audience and language


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of one mailing, each made when it is first asked for."""

    variants: Mapping[tuple[str, Language], CompiledVariant]
    date: datetime
    base_url: str
    smime: bool
    made: dict[FormKey, Form]

    def key(self, audience: str, language: Language, wanted: Format, first: Language) -> FormKey | None:
        """In the wanted language or, where there is none, in the publication's first; None when there is neither."""
        for tongue in (language, first):
            if (audience, tongue) in self.variants:
                return audience, tongue, wanted
        return None

    def __getitem__(self, key: FormKey) -> Form:
        form = self.made.get(key)
        if form is None:
            audience, language, wanted = key
            variant = self.variants[audience, language]
            form = make_form(variant, wanted, date=self.date, base_url=self.base_url, smime=self.smime)
            self.made[key] = form
        return form


def signers_identity(signing: Signing) -> bytes:
    """By whom letters are signed, as 32 bytes: other keys are other signatures."""
    names = [key.dns_record() for key in signing.dkim.keys]
    certificate = signing.smime.certificate.fingerprint(SHA256()) if signing.smime else b""
    return sha256(repr(names).encode() + certificate).digest()


class Signers:
    """Signs batches of letters; ``expected`` is how many there will be in all. Close it when done."""

    def __init__(self, signing: Signing, forms: Forms, *, expected: int) -> None:
        self._signing = signing
        self._forms = forms
        self._pool = _pool(signing, forms) if signing and signing.workers and expected >= WORKERS_FROM else None

    async def sign(self, batch: Sequence[tuple[FormKey, Personal]]) -> list[Signature]:
        """One signature for each letter, in their order.

        Raises:
            DeliveryError: a worker died; nothing was sent of this batch.
        """
        at = int(self._forms.date.timestamp())
        if self._pool is None:
            return await asyncio.to_thread(_sign_all, self._forms, self._signing, batch, at)
        chunks = [batch[start : start + CHUNK] for start in range(0, len(batch), CHUNK)]
        try:
            futures = [
                asyncio.wrap_future(self._pool.submit(_sign_in_worker, _needed(self._forms, chunk), chunk, at))
                for chunk in chunks
            ]
            return [signature for signed in await asyncio.gather(*futures) for signature in signed]
        except BrokenProcessPool as error:
            raise DeliveryError("a process that signs letters died; start again") from error

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _sign_all(forms: Forms, signing: Signing, batch: Sequence[tuple[FormKey, Personal]], at: int) -> list[Signature]:
    return [sign(forms[key], personal, signing, at=at) for key, personal in batch]


def _needed(forms: Forms, batch: Sequence[tuple[FormKey, Personal]]) -> Variants:
    return {key[:2]: forms.variants[key[:2]] for key, _ in batch}


# --- the workers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Keys:
    """Keys as another process can be told them."""

    dkim: tuple[tuple[bytes, str, str], ...] = field(repr=False)  # PEM, selector, domain
    smime: tuple[bytes, bytes] | None = field(repr=False)  # certificates and key, both PEM


@dataclass(slots=True)
class _Worker:
    variants: Variants
    forms: Forms  # of these variants
    signing: Signing


_worker: list[_Worker] = []  # filled in a worker process, once


def _pool(signing: Signing, forms: Forms) -> ProcessPoolExecutor:
    # spawn, not fork: this process has threads and a database open.
    context = multiprocessing.get_context("spawn")
    # Without the variants: a parent that writes more than a pipe holds waits for ever when its new child has died.
    bare = Forms({}, forms.date, forms.base_url, forms.smime, {})
    return ProcessPoolExecutor(
        signing.workers, mp_context=context, initializer=_begin, initargs=(bare, _as_pem(signing), signing.workers)
    )


def _as_pem(signing: Signing) -> _Keys:
    dkim = tuple(
        (key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), key.selector, key.domain)
        for key in signing.dkim.keys
    )
    if signing.smime is None:
        return _Keys(dkim, None)
    certificates = (signing.smime.certificate, *signing.smime.chain)
    return _Keys(
        dkim,
        (
            b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates),
            signing.smime.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        ),
    )


def _begin(forms: Forms, keys: _Keys, workers: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; our parent ends us in order
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Thread(target=_end_with_parent, daemon=True).start()
    dkim = DkimSigner(tuple(DkimKey.load(pem, selector=selector, domain=domain) for pem, selector, domain in keys.dkim))
    smime = SmimeSigner.load(*keys.smime) if keys.smime else None
    variants: Variants = {}
    _worker.append(
        _Worker(variants, replace(forms, variants=variants), Signing(dkim=dkim, smime=smime, workers=workers))
    )


def _end_with_parent() -> None:
    """A worker waits for work for ever, and would outlive a parent that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _sign_in_worker(variants: Variants, batch: Sequence[tuple[FormKey, Personal]], at: int) -> list[Signature]:
    worker = _worker[0]
    worker.variants.update(variants)
    return _sign_all(worker.forms, worker.signing, batch, at)
