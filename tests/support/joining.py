"""A site whose outbox tests look into: what would leave, and the tokens of the links in it."""

from __future__ import annotations

from dataclasses import dataclass

from newsletter import subscriptions
from newsletter.app import App
from newsletter.keys import grant_token
from newsletter.model import Language, Notice, Subscriber, Wish
from newsletter.parsing import parse_address
from newsletter.store import notices, subscribers
from newsletter.subscriptions import Asked

NETWORK = "192.0.2.1"


@dataclass(frozen=True)
class Outbox:
    """Whoever reads the mail of everybody."""

    app: App

    def waiting(self, kind: str = "", to: str = "") -> list[Notice]:
        """What would be sent now, oldest first."""
        with self.app.store.read() as tx:
            due = notices.due(tx, self.app.clock(), limit=10_000)
        return [one for one in due if one.kind.startswith(kind) and (not to or one.recipient == to)]

    def token(self, kind: str, to: str = "") -> str:
        """The token in the newest mail of this kind."""
        return grant_token(self.app.keys, self.waiting(kind, to)[-1].nonce)

    def deliver(self) -> None:
        """Everything that waits has left."""
        with self.app.store.begin() as tx:
            for one in self.waiting():
                notices.sent(tx, one.key, self.app.clock())

    def ask(self, address: str, wish: Wish = Wish.JOIN, *, network: str = NETWORK, **more: str) -> None:
        """Fill in a form, and let the clock look at it."""
        asked = Asked(address=parse_address(address), wish=wish, language=Language("en"), words="I agree.", form="1")
        subscriptions.ask(asked, self.app, network=network, **more)
        subscriptions.tend(self.app)

    def join(self, address: str) -> Subscriber:
        """Ask, and press the button of the mail that comes."""
        self.ask(address)
        return subscriptions.confirm(self.token("confirm", address), self.app).subscriber

    def person(self, address: str) -> Subscriber | None:
        """Who has this address."""
        with self.app.store.read() as tx:
            return subscribers.find(tx, address)
