"""The picture in README.md: the sample site's real October letter, on a desk and on a phone in dark mode.

python scripts/picture.py docs/edition.png
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.support.browser import CHROMIUM, FLAGS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MONTH = "2026-10"
FRAME = """<!DOCTYPE html><title>picture</title><style>
body { margin: 0; padding: 48px; display: flex; gap: 40px; align-items: flex-start; background: #e9e7e1; width: 1180px }
img { display: block; border-radius: 6px; box-shadow: 0 12px 40px rgb(0 0 0 / .18) }
img.desk { width: 720px } img.phone { width: 375px; margin-top: 96px; border-radius: 24px }
</style><img class="desk" src="DESK"><img class="phone" src="PHONE">"""


def render(folder: Path) -> str:
    """The letter's HTML, made by the command line as anybody would."""
    newsletter = [sys.executable, "-m", "newsletter"]
    subprocess.run([*newsletter, "init", str(folder)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*newsletter, "report", MONTH, "--out", "out"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return (folder / "out" / f"{MONTH}.public.en.html").read_text(encoding="utf-8")


def photograph(browser: Browser, html: str, *, width: int, height: int, dark: bool = False) -> str:
    """The top of a page as a data address."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", device_scale_factor=1.5
    )
    page = context.new_page()
    page.set_content(html)
    picture = page.screenshot()
    context.close()
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def main() -> None:
    """Render, photograph twice, and put both into one picture."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        html = render(Path(name) / "site")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        desk = photograph(browser, html, width=720, height=1180)
        phone = photograph(browser, html, width=375, height=812, dark=True)
        page = browser.new_page(viewport={"width": 1276, "height": 1276}, device_scale_factor=1)
        page.set_content(FRAME.replace("DESK", desk).replace("PHONE", phone))
        page.screenshot(path=sys.argv[1])
        browser.close()


if __name__ == "__main__":
    main()
