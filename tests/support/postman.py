"""What becomes of the mails in the outbox: our own sender carries them to a relay that answers as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter import subscriptions
from newsletter.deliver.outbox import _send_notice
from newsletter.deliver.smtp import Reply
from newsletter.keys import grant_token
from newsletter.model import Language, Notice, NoticeText
from newsletter.store import notices
from tests.support.roster import Roster

KINDS = {"confirm": "confirm", "invitation": "confirm", "goodbye": "undo", "move-old": "move", "move-new": "move",
         "preferences": "preferences", "already-subscribed": "preferences"}  # fmt: skip
# As long as a link of this sort may be used: what the mails themselves promise.
LIVES = {"confirm": timedelta(days=7), "undo": timedelta(days=7), "move": timedelta(days=1)}
LIVES["preferences"] = LIVES["move"]
WORDS = NoticeText(subject="A notice", text="Some words.", language=Language("en"))


@dataclass(frozen=True)
class Trouble:
    """How the relay answers one mail; ``kept`` when it took it, and only the answer was lost."""

    reply: Reply
    kept: bool = False


FINE = Trouble(Reply(250, "2.0.0", "taken"), kept=True)
TROUBLES = (
    Trouble(Reply(451, "4.3.0", "later")),
    Trouble(Reply(550, "5.1.1", "never")),
    Trouble(Reply(0, "", "the connection was lost")),
    Trouble(Reply(0, "", "the connection was lost behind the text"), kept=True),
)


@dataclass(frozen=True)
class Link:
    """What somebody finds in their mailbox or on a page: whose it is, since when and until when, what they wanted then.

    ``moment`` is when it was made: a mail that is late brings an old link.
    """

    token: str
    owner: str
    moment: int
    until: datetime
    before: bool | None = None
    target: str = ""


class Postman:
    """Stands where ``deliver.smtp.Session`` stands; ``troubles`` are its next answers, and then all is fine again."""

    def __init__(self, roster: Roster, moments: Iterator[int]) -> None:
        self._roster, self._moments = roster, moments
        self._posting = roster.app.posting
        self._made: dict[str, Link] = {}
        self._took = False
        self.troubles: list[Trouble] = []
        self.links: dict[str, list[Link]] = {name: [] for name in LIVES}

    def send(self, _return_path: str, _recipient: str, _message: bytes) -> Reply:
        """One mail, as a session with a relay sends it."""
        trouble = self.troubles.pop() if self.troubles else FINE
        self._took = trouble.kept
        return trouble.reply

    def carry(self, *, target: str = "", before: bool | None = None) -> list[str]:
        """Try everything that is due: its links are in ``links`` once the relay took it. Returns whom it reached."""
        reached = []
        while due := self._due():
            for notice in due:
                if notice.kind in KINDS and notice.key not in self._made:
                    self._made[notice.key] = self._link(notice, before=before, target=target)
                self._took = False
                self._send(notice)
                if self._took:
                    reached.append(notice.recipient.lower())
                    if notice.kind in KINDS:
                        self.links[KINDS[notice.kind]].append(self._made[notice.key])
        return reached

    def _due(self) -> tuple[Notice, ...]:
        now = self._roster.clock()
        with self._roster.app.store.begin() as tx:
            notices.expire(tx, now)
            return notices.due(tx, now)

    def _send(self, notice: Notice) -> None:
        app = self._roster.app
        _send_notice(
            app.store,
            self,
            notice,
            lambda _: WORDS,
            lambda one: subscriptions.is_silent(one, app),
            publication=app.publication,
            dispatch=self._posting,
            now=app.clock(),
        )

    def _link(self, notice: Notice, *, before: bool | None, target: str) -> Link:
        token = grant_token(self._roster.app.keys, notice.nonce)
        until = self._roster.clock.now + LIVES[KINDS[notice.kind]]
        return Link(token, notice.recipient.lower(), next(self._moments), until, before, target)
