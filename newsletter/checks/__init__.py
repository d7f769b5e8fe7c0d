"""The preflight: a registry of rules over content that came through the door, later over mails and pages too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.checks import content, links, told, versions
from newsletter.checks.rule import Rule
from newsletter.model import Gravity
from newsletter.parsing import DOOR_RULES

if TYPE_CHECKING:
    from newsletter.model import Collected, Finding, Publication

_BLOCK, _ADVISE = Gravity.BLOCK, Gravity.ADVISE

DOOR_ADVICE: Final = frozenset({"tlp-white"})  # all that the door says besides keeps a file out

RULES: Final[dict[str, Rule]] = {
    rule.code: rule
    for rule in (
        Rule("tlp-above-clearance", _ADVISE, "A label keeps it out of the public edition", content.above_clearance),
        Rule("tlp-copied", _BLOCK, "No stricter sentence or title stands in a text for the public", told.copied),
        Rule("tlp-told", _ADVISE, "A label was there before the public was told", told.raised),
        Rule("summary-missing", _BLOCK, "An article has a summary", content.missing_summaries),
        Rule("title-too-long", _ADVISE, "A title is short enough for a subject line", content.long_titles),
        Rule("theme-unknown", _BLOCK, "Themes are those of the settings", content.unknown_themes),
        Rule("order-unknown", _BLOCK, "A note's order names what exists", content.unknown_order),
        Rule("translation-missing", _ADVISE, "Articles and notes exist in every language", versions.missing),
        Rule("translation-stale", _ADVISE, "A translation is of the text as it is now", versions.stale),
        Rule("link-internal-dead", _BLOCK, "Links into the archive lead somewhere", links.dead),
        Rule("link-internal-hidden", _ADVISE, "Links lead to what the public can see already", links.hidden),
        Rule("address-lost", _BLOCK, "Articles that reports link to are there, or have moved", told.lost),
        Rule("link-unusable", _BLOCK, "Links are web, mail or relative addresses; images are ours", links.unusable),
        Rule("image-words-missing", _ADVISE, "Images in a text have words for who cannot see them", links.wordless),
        Rule("image-not-shown", _ADVISE, "Images stand in articles: a report tells their words", links.not_shown),
    )
}


def check_content(collected: Collected, publication: Publication) -> tuple[Finding, ...]:
    """What the rules find, in the order of places. Content alone: nothing is read, rendered or fetched."""
    found = [finding for rule in RULES.values() for finding in rule.findings(collected, publication)]
    return tuple(sorted(found, key=lambda finding: (finding.place, finding.rule, finding.message)))


def rule_table() -> str:
    """Every rule in Markdown, as docs/editors.md prints it: the door's first."""
    rows = [(code, Gravity.ADVISE if code in DOOR_ADVICE else Gravity.BLOCK, told) for code, told in DOOR_RULES.items()]
    rows += [(rule.code, rule.gravity, rule.title) for rule in RULES.values()]
    words = {Gravity.BLOCK: "blocks", Gravity.ADVISE: "advises"}
    return "\n".join(
        ["| code | | how it should be |", "|---|---|---|"]
        + [f"| `{code}` | {words[gravity]} | {title} |" for code, gravity, title in rows]
    )
