"""Whole sites for journeys: made by ``newsletter init``, used through the command line's front door."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from newsletter import subscriptions
from newsletter.app import App, build_app
from newsletter.cli import run
from newsletter.config import load_settings

READER = "ann@people.example"


@dataclass
class Site:
    """A site's folder, and a person in front of a terminal in it."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""
    log: list[str] = field(default_factory=list)

    def newsletter(self, *args: str) -> int:
        """Run a command; what it printed is in ``out`` and ``err``."""
        self.capsys.readouterr()
        code = run(args)
        self.out, self.err = self.capsys.readouterr()
        return code

    def must(self, *args: str) -> str:
        """Run a command that has to work; returns its stdout."""
        assert self.newsletter(*args) == 0, self.err or self.out
        return self.out

    def json(self, *args: str) -> dict[str, Any]:
        """The one JSON object that a reading command prints."""
        parsed: dict[str, Any] = json.loads(self.must(*args, "--json"))
        return parsed

    def write(self, name: str, text: str) -> Path:
        """Put a file into the site."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def subscribe(self, *addresses: str, language: str = "en") -> None:
        """Put people on the list."""
        rows = "".join(f"{address},{language}\n" for address in addresses)
        people = self.write("people.csv", f"address,language\n{rows}")
        self.must("subscribers", "import", str(people), "--consent", "a test", "--yes")


def stay_at_home(folder: Path) -> None:
    """Let the site's feeds lie where nothing answers: a test asks no name server, and contacts only loopback."""
    settings = folder / "newsletter.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(
        re.sub(r'url = "https://[a-z]+\.example\.org/', 'url = "https://127.0.0.1:1/', text), encoding="utf-8"
    )


ARTICLE = """---
title: "{title}"
date: 2026-10-06
summary: "About {title}."
themes: [accounts]
tlp: {tlp}
---
Some words about *{title}*.
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Site:
    """An empty site with one article in October 2026, current folder and all; nobody has to approve."""
    assert run(["init", "--empty", str(tmp_path / "site")]) == 0
    stay_at_home(tmp_path / "site")
    monkeypatch.chdir(tmp_path / "site")
    monkeypatch.setenv("NEWSLETTER_SCHEDULE_APPROVAL", "false")
    made = Site(tmp_path / "site", capsys)
    made.write("articles/2026/first.en.md", ARTICLE.format(title="The first", tlp="CLEAR"))
    return made


class Clock:
    """Shows what a test says."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def small_app(folder: Path, clock: Clock, *, settings: str = "", **environment: str) -> Iterator[App]:
    """A site with one article in October 2026 and one subscriber, and its App under a clock that tests set.

    ``settings`` are lines that are added to its newsletter.toml.
    """
    assert run(["init", "--empty", str(folder)]) == 0
    stay_at_home(folder)
    with (folder / "newsletter.toml").open("a", encoding="utf-8") as file:
        file.write(settings)
    (folder / "articles" / "first.en.md").write_text(ARTICLE.format(title="The first", tlp="CLEAR"), encoding="utf-8")
    with closing(build_app(load_settings(folder, environment), clock=clock)) as app:
        app.ready_store()
        subscriptions.add(READER, app, language="en", text_format="html", consent="a test")
        yield app
