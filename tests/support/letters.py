"""The letter of the sample report, and what a test wants to know about a letter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from newsletter.render.environment import Templates
from newsletter.render.mail import render_report
from newsletter.render.markup import Element, parse_fragment
from tests.support.browser import visiting
from tests.support.samples import EN, FR, sample_publication, sample_report

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from newsletter.model import Language, Report, Variant
    from tests.support.browser import Visit

PUBLICATION = sample_publication()
PACKAGED = Templates([])
SECTIONS = [
    "In brief",
    "Action of the month",
    "From the editors",
    "Incidents",
    "Figures",
    "Articles",
    "From elsewhere",
    "Corrections",
    "How to verify, and how to reach us",
]


@pytest.fixture(scope="session")
def letters() -> dict[Language, Variant]:
    """The sample letter in both languages."""
    return {language: letter(sample_report(language=language)) for language in (EN, FR)}


@pytest.fixture(scope="session")
def english(letters: dict[Language, Variant]) -> Variant:
    """The sample letter in English."""
    return letters[EN]


@pytest.fixture(scope="session")
def french(letters: dict[Language, Variant]) -> Variant:
    """The sample letter in French."""
    return letters[FR]


def letter(report: Report | None = None, **changes: object) -> Variant:
    """The sample report, changed, as a letter."""
    return render_report(replace(report or sample_report(), **changes), PUBLICATION, PACKAGED)


def elements(variant: Variant) -> list[Element]:
    """Every element of the HTML, in order."""
    return list(parse_fragment(variant.html).walk())


def texts(variant: Variant, *tags: str) -> list[str]:
    """The words of every element of these tags."""
    return [" ".join(e.text().split()) for e in elements(variant) if e.tag in tags]


def words_of(variant: Variant) -> str:
    """All words of the HTML, folded."""
    page = variant.html.replace("<td", " <td").replace("<th", " <th").replace("<br>", "<br> ")
    body = next(e for e in parse_fragment(page).walk() if e.tag == "body")
    return " ".join(body.text().split())


def hrefs(variant: Variant) -> list[str]:
    """Every link of the HTML."""
    return [e.get("href") for e in elements(variant) if e.get("href")]


def opened(
    browser: Browser, folder: Path, variant: Variant, *, width: int = 1024, dark: bool = False
) -> AbstractContextManager[tuple[Page, Visit]]:
    """The letter in a browser that may contact nobody."""
    file = folder / "letter.html"
    file.write_text(variant.html, encoding="utf-8")
    return visiting(browser, file.as_uri(), width=width, dark=dark)
