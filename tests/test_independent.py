"""Checkers that we did not write find nothing either in what our preflight lets pass, and do find what is planted.

The Nu checker and caniemail's linter are installed by scripts/checkers.sh; axe-core is in tests/vendor. What they say
beyond us, and why it does not count, stands in the three tables here and nowhere else.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from newsletter import pipeline
from newsletter.app import build_app
from newsletter.checks.mails import check_letter, css
from newsletter.checks.mails.letter import Letter
from newsletter.config import load_settings
from newsletter.render.environment import Templates
from newsletter.render.web import render_site
from tests.rules.letters import REPOSITORY, good, own_letters
from tests.rules.mail_examples import EXAMPLES, add
from tests.support.archive import OURS, sample_site
from tests.support.browser import serious, violations, visiting
from tests.support.databases import missing
from tests.support.demo import Demo
from tests.support.notices import LANGUAGES, WITH_HTML, message

pytestmark = pytest.mark.slow

CHECKERS = REPOSITORY / ".bench" / "checkers" / "node_modules"
LINTER = Path(__file__).parent / "support" / "caniemail.mjs"
LONGEST = 300  # seconds, for a whole archive on a busy machine

NU_PASSES = {
    "Resource violates Content Security Policy": "it reads files, and 'self' is the origin of none",
    "CSS: “mso-": "classic Outlook's own names, which all others ignore",
    "Section lacks heading": "comrak puts footnotes into a section; they follow the text that they belong to",
}
AXE_PASSES = {
    "landmark-one-main": "a letter stands inside the page of a mail program, which has the landmarks",
    "region": "likewise",
}
# Of caniemail's features; what is the style's is among our ENHANCEMENTS, under the name that the rule gives it.
CANIEMAIL_PASSES = {
    "overflow-wrap": "overflow-wrap",
    "overflow": "overflow-wrap",  # it takes one for the other
    "@media": "@media",
    "border-spacing": "border-spacing",
    "table-layout": "table-layout",
    "white-space": "white-space",
    "height property": "height",
    "Type selector": "styles stand on the elements too",
    "Class selector": "styles stand on the elements too",
    "Grouping selectors": "styles stand on the elements too",
    "Descendant combinator": "styles stand on the elements too",
    "Chaining selectors": "it counts classes over a whole selector: .trend .spark; styles stand on the elements too",
    "<style> element": "styles stand on the elements too",
    "<body> element": "replaced by another element, and the ground is said on the next one too",
    "color-scheme meta tag": "ignored where unknown",
    "@media (prefers-color-scheme)": "@media (prefers-color-scheme)",
    "!important keyword": "!important",
    "hyphens": "hyphens",
    "aria-label attribute": "ignored where unknown; the words are in the subject",
    "aria-hidden attribute": "where it is dropped, bars are read as nothing: their cells hold a blank",
}


@pytest.fixture(scope="module")
def checkers() -> Path:
    """Where npm put them."""
    if not CHECKERS.is_dir() or not shutil.which("java") or not shutil.which("node"):
        missing("the independent checkers are not there (sh scripts/checkers.sh)")
    return CHECKERS


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The HTML of every letter of the repository, and of every notice."""
    folder = tmp_path_factory.mktemp("letters")
    notices = {f"{kind}.{language}": message(kind, language) for kind in WITH_HTML for language in LANGUAGES}
    mails = own_letters() | notices
    return [written(folder / f"{name}.html", Letter(name, raw).html) for name, raw in mails.items()]


@pytest.fixture(scope="module")
def captured(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The HTML of one letter in each language as the demo's mailbox has it: released, signed, sent and received."""
    folder = tmp_path_factory.mktemp("captured")
    letters = [Letter("2026-10", raw) for raw in demo.letters()]
    found = {letter.language: letter.html for letter in letters if letter.html}
    assert found.keys() == {"en", "fr"}
    return [written(folder / f"captured.{language}.html", html) for language, html in sorted(found.items())]


def written(path: Path, html: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8")
    return path


def nu(checkers: Path, files: list[Path]) -> list[str]:
    """What the Nu checker says of these files, without what does not count."""
    jar = checkers / "vnu-jar" / "build" / "dist" / "vnu.jar"
    command = ["java", "-jar", jar, "--format", "json", "--exit-zero-always", *files]
    done = subprocess.run(command, capture_output=True, timeout=LONGEST, check=True)
    said = json.loads(done.stderr)["messages"]
    return [
        f"{Path(one['url']).name}:{one.get('lastLine')}: {one['message']}"
        for one in said
        if not one["message"].startswith(tuple(NU_PASSES))
    ]


def caniemail(checkers: Path, files: list[Path]) -> dict[str, dict[str, list[str]]]:
    """The features that some program does not know, by file."""
    command = ["node", LINTER, checkers / "caniemail", *files]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, timeout=LONGEST, check=True).stdout)
    return found


def test_nu_checker_agrees_about_letters(checkers: Path, letters: list[Path]):
    """Every month and every notice, both languages: valid HTML after the inliner."""
    assert nu(checkers, letters) == []


def test_nu_checker_agrees_about_letters_of_the_demo(checkers: Path, captured: list[Path]):
    """What arrived is as valid as what was rendered."""
    assert nu(checkers, captured) == []


def test_nu_checker_agrees_about_pages(checkers: Path, tmp_path: Path):
    """The repository's archive and the sample one, which has editions, charts and redirects."""
    app = build_app(load_settings(REPOSITORY))
    collected, _, editions = pipeline.gather(app)
    own = pipeline.rendered(app, collected, editions)
    sample = render_site(sample_site(), Templates([]))
    files = [
        written(tmp_path / name / page.path, page.content.decode())
        for name, pages in (("own", own), ("sample", sample))
        for page in pages
        if page.path.endswith(".html") and OURS not in page.path
    ]
    assert nu(checkers, files) == []


def test_nu_checker_finds_what_our_rule_finds(checkers: Path, tmp_path: Path):
    """Faults planted for mail-markup are faults to it as well, so that its silence means something."""
    drafts = [bad.change(good()) for bad in EXAMPLES["mail-markup"].bad]
    files = [written(tmp_path / f"{number}.html", draft.html) for number, draft in enumerate(drafts)]
    said = nu(checkers, files)
    assert {one.partition(":")[0] for one in said} == {file.name for file in files}


@pytest.mark.parametrize("source", ["letters", "captured"])
def test_caniemail_agrees_about_letters(checkers: Path, request: pytest.FixtureRequest, source: str):
    """Nothing beyond what we declared to be enhancements, and what no style can help; in the demo's mailbox too."""
    letters: list[Path] = request.getfixturevalue(source)
    found = caniemail(checkers, letters)
    assert len(found) == len(letters)
    assert {feature for features in found.values() for feature in features} - CANIEMAIL_PASSES.keys() == set()


def test_caniemail_finds_what_our_rule_finds(checkers: Path, tmp_path: Path):
    """The same data read by somebody else's code."""
    html = add('<p style="position:absolute;opacity:0.5">x</p>')(good()).html
    (features,) = caniemail(checkers, [written(tmp_path / "bad.html", html)]).values()
    assert {"position", "opacity"} <= features.keys()


def test_our_own_rules_agree_about_letters_of_the_demo(demo: Demo):
    """Signed and addressed to everybody, text-only ones among them: what arrived still has nothing to mend."""
    found = [str(one) for raw in demo.letters() for one in check_letter(Letter("2026-10", raw), demo.app.house)]
    assert found == []


def test_enhancements_are_used():
    """What the letters no longer use must not stay allowed."""
    used = {feature for name, raw in own_letters().items() for _, feature, _ in css._used(Letter(name, raw))}
    assert css.ENHANCEMENTS.keys() - used == set()


@pytest.mark.parametrize("dark", [False, True])
def test_axe_agrees_about_letters(captured: list[Path], letters: list[Path], browser: Browser, *, dark: bool):
    """In both themes, those of the demo's mailbox too: no violation of any weight but what belongs to the program."""
    for letter in (*letters, *captured):
        with visiting(browser, letter.as_uri(), dark=dark) as (page, visit):
            assert violations(page, disabled_rules=tuple(AXE_PASSES)) == []
            assert visit.outside == []


@pytest.mark.parametrize(("code", "dark"), [("mail-contrast-light", False), ("mail-contrast-dark", True)])
def test_axe_finds_what_our_contrast_rules_find(browser: Browser, tmp_path: Path, *, code: str, dark: bool):
    """Chromium's own cascade and axe's own formula come to the same verdict, on either side of the limit."""
    for example, is_bad in [
        *((b.change, True) for b in EXAMPLES[code].bad),
        *((g, False) for g in EXAMPLES[code].good),
    ]:
        letter = written(tmp_path / "letter.html", example(good()).html)
        with visiting(browser, letter.as_uri(), dark=dark) as (page, _):
            found = [one for one in serious(violations(page)) if one.startswith("color-contrast:")]
            assert bool(found) == is_bad, example
