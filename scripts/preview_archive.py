"""Look at the archive: builds the sample site's own content into out/archive, and photographs its kinds of pages.

PYTHONPATH=. .venv/bin/python scripts/preview_archive.py [FOLDER]
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import sync_playwright

from newsletter.collect.files import collect_files
from newsletter.compose import compose
from newsletter.config import load_settings
from newsletter.handling import for_audience
from newsletter.model import PUBLIC_AUDIENCE, UNSUBSCRIBE_SLOT, Month, PublishedEdition, Status
from newsletter.publish.archive import publish
from newsletter.render.environment import Templates
from newsletter.render.mail import render_report
from newsletter.render.site import Site
from newsletter.render.web import render_site
from tests.support.archive import served
from tests.support.browser import CHROMIUM, FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playwright.sync_api import Browser

    from newsletter.model import Collected, Publication

ROOT = Path(__file__).parent.parent
MONTHS = tuple(Month(2026, number) for number in (8, 9, 10))
PAGES = {
    "door": "",
    "front": "en/",
    "front-fr": "fr/",
    "article": "en/articles/social-media-dos-and-donts/",
    "article-fr": "fr/articles/usb-stick-found/",
    "fallback": "fr/articles/secrets-in-git/",
    "articles": "en/articles/",
    "themes": "en/themes/",
    "theme": "en/themes/phishing/",
    "year": "en/2026/",
    "reports": "en/reports/",
    "report": "en/reports/2026-10/",
    "report-fr": "fr/reports/2026-10/",
    "nowhere": "404.html",
}
WIDTHS = (1280, 375)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def sample(publication: Publication, templates: Templates) -> Site:
    """The repository's articles, and three reports as if they had been sent."""
    collected, _ = collect_files(ROOT, publication.languages)
    articles = (a for a in for_audience(collected.articles, PUBLIC_AUDIENCE) if a.status is not Status.DRAFT)
    editions = (edition(month, collected, publication, templates) for month in MONTHS)
    return Site(publication, tuple(articles), tuple(editions))


def edition(month: Month, collected: Collected, publication: Publication, templates: Templates) -> PublishedEdition:
    """One month, composed and rendered as today's files have it; its digest is invented."""
    reports, files = {}, {}
    for language in publication.languages:
        report = compose(month, collected, audience=PUBLIC_AUDIENCE, language=language, publication=publication)
        variant = render_report(report, publication, templates)
        reports[language] = report
        files[f"{language}.html"] = variant.html.replace(UNSUBSCRIBE_SLOT, "not-shown").encode()
        files[f"{language}.txt"] = variant.text.replace(UNSUBSCRIBE_SLOT, "not-shown").encode()
    return PublishedEdition(
        month=month,
        digest=f"{month.month:x}" * 64,
        previous=f"{month.shift(-1).month:x}" * 64 if month != MONTHS[0] else None,
        released=datetime.combine(month.shift(1).first_day.replace(day=6), datetime.min.time(), UTC),
        reports=reports,
        files=files,
    )


def photograph(browser: Browser, address: str, folder: Path) -> Iterable[Path]:
    """Every kind of page, wide and narrow, light and dark."""
    for width, theme in product(WIDTHS, THEMES):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, java_script_enabled=False
        )
        for name, path in PAGES.items():
            page = context.new_page()
            page.goto(f"{address}/{path}")
            picture = folder / f"{name}-{width}-{theme}.png"
            page.screenshot(path=picture, full_page=True)
            page.close()
            yield picture
        context.close()


def main() -> None:
    """Build, say where, photograph."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/archive")
    publication, templates = load_settings(ROOT, {}).publication, Templates([])
    print(publish(render_site(sample(publication, templates), templates), folder))
    pictures = folder.with_name(f"{folder.name}-pictures")
    pictures.mkdir(exist_ok=True)
    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for picture in photograph(browser, address, pictures):
            print(picture)
        browser.close()


if __name__ == "__main__":
    main()
