"""The preflight as a whole: the content, the letters of a month, the pages of the archive; nothing is stored or sent.

``pipeline`` judges the same things with the same rules on the way to a release; here they are judged at once, and a
fault in one of them hides nothing of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter import pipeline
from newsletter.checks import GATE, in_order, is_fixed, weighed
from newsletter.errors import HandlingError
from newsletter.findings import coming_month
from newsletter.model import Finding, Gravity, Place

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.model import Month, Preflight


def preflight(app: App, *, month: Month | None = None, letters: bool = True, pages: bool = True) -> Preflight:
    """Judge the content, the letters of ``month`` (the coming one) and the pages.

    Letters and pages wait until nothing stands in the content that nobody can answer for: they cannot be made before.

    Raises:
        ConfigError: a template or a setting is broken.
    """
    month = month or coming_month(app.settings)
    collected, found, editions = pipeline.looked(app, month)
    findings = list(found)
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
