"""``newsletter preview`` as a process of its own, as an editor starts it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from newsletter.cli import run
from tests.support.sites import stay_at_home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 60  # seconds until a process that does not end is a failure
FIRST = "articles/2026/first.en.md"
SECOND = "articles/2026/second.en.md"

ARTICLE = """---
title: "{title}"
date: 2026-10-06
summary: "About it."
themes: [{themes}]
tlp: CLEAR
---
{body}
"""


def article(title: str = "The first", body: str = "Some words.", themes: str = "accounts") -> str:
    """A file of October 2026."""
    return ARTICLE.format(title=title, body=body, themes=themes)


def small_site(folder: Path) -> Path:
    """A site with two articles in October 2026, the first of them long."""
    assert run(["init", "--empty", str(folder)]) == 0
    stay_at_home(folder)
    (folder / "articles" / "2026").mkdir()
    (folder / FIRST).write_text(article(body="A long paragraph.\n\n" * 80), encoding="utf-8")
    (folder / SECOND).write_text(article("The second"), encoding="utf-8")
    return folder


@contextmanager
def previewing(site: Path, *what: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address that was printed, and the process; it has to end well when it is asked to."""
    command = [sys.executable, "-m", "newsletter", "preview", *what, "--no-browser"]
    process = subprocess.Popen(command, cwd=site, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.terminate()
        code = process.wait(PATIENCE)
        process.stdout.close()
    assert code == 0
