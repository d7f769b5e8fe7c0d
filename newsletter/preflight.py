"""The preflight as a whole: the content, the letters of a month, the pages of the archive; nothing is stored or sent.

``pipeline`` judges the same things with the same rules on the way to a release; here they are judged at once, and a
fault in one of them hides nothing of the others.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from newsletter import pipeline
from newsletter.checks import check_letters, in_order, is_fixed, weighed
from newsletter.checks.codes import GATE
from newsletter.checks.mails.letter import MAX_BYTES as MAX_MAIL_BYTES
from newsletter.config_rules import read_small
from newsletter.errors import HandlingError, UsageError
from newsletter.findings import STATE_FOLDER
from newsletter.model import Collected, Finding, Gravity, Month, Place
from newsletter.store import mailings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from newsletter.app import App
    from newsletter.model import Preflight

LINKS: Final = "links.json"  # below var/: what was learned about links to elsewhere
LINK_CONNECT_SECONDS: Final = 5
LINK_SECONDS: Final = 10


def preflight(
    app: App, *, month: Month | None = None, letters: bool = True, pages: bool = True, links: bool = False
) -> Preflight:
    """Judge the content, the letters of ``month`` (the coming one) and the pages; ``links``: ask the network too.

    Letters and pages wait until nothing stands in the content that nobody can answer for: they cannot be made before.

    Raises:
        ConfigError: a template or a setting is broken.
    """
    month = month or coming_month(app)
    collected, found, editions = pipeline.looked(app, month)
    findings = list(found)
    if links:
        findings += _asked(collected, app)
    if any(finding.gravity is Gravity.BLOCK and is_fixed(finding.rule) for finding in findings):
        return weighed(findings, collected, app.house, elsewhere=False)
    try:
        if letters:
            findings += pipeline.judged_letters(month, app, collected, editions)
        if pages:
            findings += pipeline.judged_pages(app, collected, editions)
    except HandlingError as error:
        fix = "take it out of the templates and settings; the report itself leaves it out"
        findings.append(Finding(GATE, Gravity.BLOCK, Place(str(month)), str(error), fix))
    return weighed(in_order(findings), collected, app.house, elsewhere=letters and pages)


def coming_month(app: App) -> Month:
    """The month that editors work at: after the last one that was released or cancelled, but none before the first."""
    settled = [app.settings.first_month.shift(-1)]
    for path in app.editions_folder.glob("[0-9]*"):
        with suppress(ValueError):
            settled.append(Month.parse(path.name))
    if app.has_store():
        with app.store.read() as tx:
            settled += (one.month for one in mailings.every(tx) if one.state in pipeline.SETTLED)
    return max(settled).shift(1)


def preflight_mails(app: App, paths: Iterable[Path], *, month: Month | None = None) -> Preflight:
    """Judge mails that lie in files, by the rules for letters; each is named like its file, without the ending.

    What the content says now, and the feeds of ``month`` (the coming one), is nothing that a template left over.

    Raises:
        UsageError: a file cannot be read, or is larger than any mail that is looked at.
    """
    letters = [(_name(path), _mail(path)) for path in paths]
    collected, _, _ = pipeline.collect(app, month or coming_month(app))
    found = check_letters(letters, app.house.with_texts(collected))
    return weighed(found, Collected(), app.house, elsewhere=False)  # whether content waives in vain is not asked here


def _name(path: Path) -> str:
    return path.stem.encode("utf-8", "replace").decode()  # a name may hold any byte; places are printed


def _mail(path: Path) -> bytes:
    """The file, whole; a pipe is not waited for."""
    if not path.is_file():
        raise UsageError(f"{path} is no file; name a mail as it was saved, with all of its headers")
    try:
        return read_small(path, MAX_MAIL_BYTES)
    except ValueError as error:
        raise UsageError(f"a mail {error}; look at its rights, and that it is a single mail") from error


def _asked(collected: Collected, app: App) -> tuple[Finding, ...]:
    """What is found about links to elsewhere; what was learned is kept for a while."""
    from newsletter.checks.external import LinkLimits, check_links  # noqa: PLC0415  # loads ssl, for this alone

    fetch = replace(app.feed_limits, connect_seconds=LINK_CONNECT_SECONDS, total_seconds=LINK_SECONDS)
    cache = app.root / STATE_FOLDER / LINKS
    return check_links(collected, app.house, LinkLimits(fetch=fetch), cache, app.clock)
