"""What a relay's reply means for a letter, and when a letter that was not taken is tried again: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.model import DeliveryState, Mark

if TYPE_CHECKING:
    import random
    from datetime import datetime, timedelta

    from newsletter.deliver.dispatch import Retry
    from newsletter.deliver.smtp import Reply
    from newsletter.model import Letter

JITTER: Final = 0.25  # of the wait, to both sides: letters that were deferred together do not come back together
MAX_DOUBLINGS: Final = 16  # far beyond any longest wait


def judge(reply: Reply, letter: Letter, retry: Retry, *, released: datetime, now: datetime, rng: random.Random) -> Mark:
    """The mark that a reply leads to; times are aware.

    The enhanced status code decides where there is one (RFC 3463): accepted, refused for good, or tried again until the
    letter is older than anybody wants it.
    """
    number = letter.subscriber.id
    if reply.accepted:
        return Mark(subscriber=number, state=DeliveryState.ACCEPTED, reply=str(reply))
    if not reply.transient:
        return Mark(subscriber=number, state=DeliveryState.REFUSED, reply=str(reply))
    attempts, age = letter.attempts + 1, now - released
    if age >= retry.give_up_after and attempts >= retry.min_attempts:
        told = f"given up after {attempts} attempts in {age.days} days: {reply}"
        return Mark(subscriber=number, state=DeliveryState.REFUSED, reply=told)
    wait = backoff(attempts, retry) * rng.uniform(1 - JITTER, 1 + JITTER)
    return Mark(subscriber=number, state=DeliveryState.DEFERRED, reply=str(reply), next_attempt=now + wait)


def backoff(attempts: int, retry: Retry) -> timedelta:
    """How long to wait after this many attempts have failed: twice as long each time, within a limit."""
    wait: timedelta = retry.first * 2 ** min(max(attempts, 1) - 1, MAX_DOUBLINGS)
    return min(wait, retry.longest)
