"""A site with its web application running, and a portal that speaks to its JSON API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from newsletter import subscriptions
from newsletter.app import App
from newsletter.cli.serve import web_app
from newsletter.keys import grant_token
from newsletter.model import AudienceRule, Language, Notice, Scope, Subscriber
from newsletter.store import notices, subscribers
from newsletter.subscriptions.portals import register
from tests.support.sites import Clock, small_app
from tests.support.webserver import Answer, ask, serving

BOTH = frozenset(Scope)
MEMBERS = AudienceRule(name="members", title={Language("en"): "Members"}, domains=("members.example",))


@dataclass
class Portal:
    """Where the API is, the App behind it, and the token to speak with."""

    at: str
    app: App
    clock: Clock
    token: str

    def call(self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """One request, with token and JSON unless ``headers`` say otherwise; bytes are sent as they are."""
        said = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **(headers or {})}
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        kept = {name: value for name, value in said.items() if value}
        return ask(f"{self.at}/api/v1/{path}", method=method, body=raw, headers=kept)

    def post(self, path: str, body: object, **headers: str) -> Answer:
        """POST some JSON."""
        return self.call("POST", path, body, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def other(self, name: str, *scopes: Scope) -> Portal:
        """Another portal on the same site."""
        return replace(self, token=register(name, scopes, self.app))

    def subscribed(self, address: str, *, language: str = "en") -> Subscriber:
        """Somebody whom an operator put on the list."""
        subscriptions.add(address, self.app, language=language, text_format="html", consent="a test")
        return self.person(address)

    def person(self, address: str) -> Subscriber:
        """Whoever has this address."""
        with self.app.store.read() as tx:
            found = subscribers.find(tx, address)
        assert found
        return found

    def mails(self, address: str) -> list[Notice]:
        """The notices that wait for this address, once what was asked for is decided."""
        subscriptions.tend(self.app)
        with self.app.store.read() as tx:
            return [notice for notice in notices.due(tx, self.clock.now, 1_000) if notice.recipient == address]

    def link(self, notice: Notice) -> str:
        """The token in a notice's link."""
        return grant_token(self.app.keys, notice.nonce)


@contextmanager
def a_portal(folder: Path, *audiences: AudienceRule, **environment: str) -> Iterator[Portal]:
    """A site with these audiences, and a portal with both scopes."""
    clock = Clock(datetime(2026, 11, 28, 12, 0, tzinfo=UTC))
    with small_app(folder, clock, **environment) as small:
        rules = replace(small.settings.subscribers, audiences=audiences)
        app = replace(small, settings=replace(small.settings, subscribers=rules))
        with serving(web_app(app)) as at:
            yield Portal(at, app, clock, register("intranet", BOTH, app))


def told(answer: Answer) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.body)
