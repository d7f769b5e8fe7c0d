"""Debian's Chromium, driven by Playwright: one browser for all tests, a fresh context for each page.

``visiting`` allows only the site under test: every other request is aborted and noted in ``visit.outside``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect, sync_playwright

from tests.support.databases import missing

AXE_SOURCE = (Path(__file__).parent.parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
CHROMIUM = shutil.which("chromium")
PATIENCE = 180_000  # ms; what takes half a second alone may take a minute beside all other tests

expect.set_options(timeout=PATIENCE)


class Visit:
    """What happened while a page was open: requests to elsewhere, console errors (CSP reports among them)."""

    def __init__(self) -> None:
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.requests: list[str] = []


# Not longer than a module: while Playwright is there, its event loop counts as running in this thread, and nobody else,
# the delivery engine for one, can run another.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        missing("Debian's package chromium is not there (apt-get install chromium)")
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chrome
        chrome.close()


@contextmanager
def visiting(
    browser: Browser,
    url: str,
    *,
    width: int = 1024,
    height: int = 900,
    dark: bool = False,
    javascript: bool = True,
    cookie: tuple[str, str] | None = None,
) -> Iterator[tuple[Page, Visit]]:
    """Open ``url`` in a fresh context, which may have a cookie of its site; only its own origin may be contacted."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=javascript,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    visit = Visit()
    origin = "/".join(url.split("/", 3)[:3])

    def route(route: Route, request: Request) -> None:
        visit.requests.append(request.url)
        if request.url.startswith((origin, "data:", "blob:")):
            route.continue_()
        else:
            visit.outside.append(request.url)
            route.abort()

    if cookie:
        context.add_cookies([{"name": cookie[0], "value": cookie[1], "url": origin}])
    context.route("**/*", route)
    page = context.new_page()
    page.on("console", lambda message: visit.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.goto(url)
    try:
        yield page, visit
    finally:
        context.close()


def violations(page: Page, *, disabled_rules: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """axe-core's violations on the open page; evaluate() is not bound by the page's CSP."""
    page.evaluate(AXE_SOURCE)
    rules = {rule: {"enabled": False} for rule in disabled_rules}
    found: list[dict[str, Any]] = page.evaluate("options => axe.run(options)", {"rules": rules})["violations"]
    return found


def serious(found: list[dict[str, Any]]) -> list[str]:
    """The serious and critical ones, one readable line each."""
    return [
        f"{item['id']}: {node['html'][:160]}"
        for item in found
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]
