"""The signatures of a run: those that were stored ahead of it where they still fit, the others made now.

What was stored makes sending free of RSA, and a letter that is sent again the same to the byte. A signature whose
letter has changed since (another address, another language) does not fit its seal any more and is made anew.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from newsletter.deliver.feeder import address, due_batches
from newsletter.deliver.letters import Signature, seal
from newsletter.deliver.signing import signers_identity
from newsletter.store import deliveries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from newsletter.deliver.feeder import Addressed
    from newsletter.deliver.ledger import Ledger
    from newsletter.deliver.run import Run
    from newsletter.deliver.signing import Signers
    from newsletter.model import MailingId, SubscriberId


class Signatures:
    """Where a run gets its signatures from."""

    def __init__(self, run: Run, ledger: Ledger, signers: Signers) -> None:
        self._run = run
        self._ledger = ledger
        self._signers = signers
        self._signed_by = signers_identity(run.dispatch.signing)

    async def of(self, letters: Sequence[Addressed]) -> list[Signature]:
        """One for each letter, in their order; empty ones when nothing is to be signed."""
        if not self._run.dispatch.signing or not letters:
            return [Signature()] * len(letters)
        kept = await self._kept(letters)
        missing = [one for one in letters if one[2].subscriber not in kept]
        made = iter(await self._make(missing))
        return [kept.get(personal.subscriber) or next(made) for _, _, personal in letters]

    async def make_missing(self) -> None:
        """Make and store those of the letters that are due; what fits already is left alone.

        Nothing is looked at when every letter has one: what does not fit any more is found when it is to be sent.
        """
        run = self._run
        if not await self._ledger.ask(lambda tx: deliveries.count_unsigned(tx, run.mailing.id, run.clock())):
            run.count.sign(run.count.tally.total)
            return
        async for batch in due_batches(run, self._ledger):
            letters = address(run, self._ledger, batch)
            kept = await self._kept(letters)
            missing = [one for one in letters if one[2].subscriber not in kept]
            made = await self._make(missing)
            rows = [
                (personal.subscriber, self._seal((letter, key, personal)), signature.dkim, signature.smime)
                for (letter, key, personal), signature in zip(missing, made, strict=True)
            ]
            await self._ledger.do(partial(_keep, run.mailing.id, rows))
            run.count.sign(len(letters))

    async def _make(self, letters: Sequence[Addressed]) -> list[Signature]:
        return await self._signers.sign([(key, personal) for _, key, personal in letters]) if letters else []

    async def _kept(self, letters: Sequence[Addressed]) -> dict[SubscriberId, Signature]:
        numbers = [personal.subscriber for _, _, personal in letters]
        mailing = self._run.mailing.id
        stored = await self._ledger.ask(lambda tx: deliveries.kept_signatures(tx, mailing, numbers))
        found = {}
        for one in letters:
            number = one[2].subscriber
            if number in stored and stored[number][0] == self._seal(one):
                found[number] = Signature(*stored[number][1:])
        return found

    def _seal(self, one: Addressed) -> bytes:
        _, key, personal = one
        return seal(self._run.forms[key], personal, self._signed_by)


def _keep(mailing: MailingId, rows: Sequence[tuple[SubscriberId, bytes, bytes, bytes]], tx: Connection) -> None:
    deliveries.keep_signatures(tx, mailing, rows)
