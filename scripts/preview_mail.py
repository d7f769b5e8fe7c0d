"""Look at the letter: renders the sample reports into out/mail and photographs them with Debian's Chromium.

PYTHONPATH=. .venv/bin/python scripts/preview_mail.py
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from newsletter.render.environment import Templates
from newsletter.render.mail import render_report
from tests.support.browser import CHROMIUM, FLAGS
from tests.support.samples import EN, FR, sample_publication, sample_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTHS = (320, 375, 1024)
THEMES = ("light", "dark")


def photograph(browser: Browser, page_file: Path) -> None:
    """One picture of the whole letter for each width and theme."""
    for width, theme in product(WIDTHS, THEMES):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, java_script_enabled=False
        )
        page = context.new_page()
        page.goto(page_file.as_uri())
        picture = page_file.with_name(f"{page_file.stem}-{width}-{theme}.png")
        page.screenshot(path=picture, full_page=True)
        context.close()
        print(picture)


def main() -> None:
    """Both languages, a full month and a quiet one."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/mail")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for language, quiet in product((EN, FR), (False, True)):
            report = sample_report(language=language, quiet=quiet)
            variant = render_report(report, sample_publication(), Templates([]))
            name = f"{language}-quiet" if quiet else language
            (folder / f"{name}.html").write_text(variant.html, encoding="utf-8")
            (folder / f"{name}.txt").write_text(f"{variant.subject}\n\n{variant.text}", encoding="utf-8")
            photograph(browser, folder / f"{name}.html")
        browser.close()


if __name__ == "__main__":
    main()
