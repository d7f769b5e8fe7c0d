"""The preflight: a registry of rules over content that came through the door, later over mails and pages too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.checks import content, links, versions
from newsletter.checks.rule import Rule
from newsletter.model import Gravity

if TYPE_CHECKING:
    from newsletter.model import Collected, Finding, Publication

_BLOCK, _ADVISE = Gravity.BLOCK, Gravity.ADVISE

RULES: Final[dict[str, Rule]] = {
    rule.code: rule
    for rule in (
        Rule("tlp-above-clearance", _ADVISE, "A label keeps it out of the public edition", content.above_clearance),
        Rule("summary-missing", _BLOCK, "An article has a summary", content.missing_summaries),
        Rule("title-too-long", _ADVISE, "A title is short enough for a subject line", content.long_titles),
        Rule("theme-unknown", _BLOCK, "Themes are those of the settings", content.unknown_themes),
        Rule("order-unknown", _BLOCK, "A note's order names what exists", content.unknown_order),
        Rule("translation-missing", _ADVISE, "Articles and notes exist in every language", versions.missing),
        Rule("translation-stale", _ADVISE, "A translation is of the text as it is now", versions.stale),
        Rule("link-internal-dead", _BLOCK, "Links into the archive lead somewhere", links.dead),
        Rule("link-unusable", _BLOCK, "Links are web, mail or relative addresses; images are ours", links.unusable),
        Rule("image-words-missing", _ADVISE, "Images in a text have words for who cannot see them", links.wordless),
        Rule("image-not-shown", _ADVISE, "Images stand in articles: a report tells their words", links.not_shown),
    )
}


def check_content(collected: Collected, publication: Publication) -> tuple[Finding, ...]:
    """What the rules find, in the order of places. Content alone: nothing is read, rendered or fetched."""
    found = [finding for rule in RULES.values() for finding in rule.findings(collected, publication)]
    return tuple(sorted(found, key=lambda finding: (finding.place, finding.rule, finding.message)))
