"""The preflight: registries of rules over content that came through the door, letters as sent, pages as published."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from newsletter.checks import content, links, told, versions
from newsletter.checks.codes import EXTERNAL_RULES, GATE, WAIVER_RULES
from newsletter.checks.mails import MAIL_RULES, check_letter
from newsletter.checks.mails.letter import Letter
from newsletter.checks.pages import ARCHIVE_RULES, PAGE_RULES
from newsletter.checks.pages import check_pages as check_pages
from newsletter.checks.rule import Rule, by_code
from newsletter.checks.texts import TEXT_RULES
from newsletter.checks.waivers import weigh
from newsletter.model import Gravity
from newsletter.parsing import DOOR_RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from newsletter.checks.house import House
    from newsletter.model import Collected, Finding, Preflight

_BLOCK, _ADVISE = Gravity.BLOCK, Gravity.ADVISE

DOOR_ADVICE: Final = frozenset({"tlp-white"})  # all that the door says besides keeps a file out

CONTENT_RULES: Final[dict[str, Rule[Collected]]] = by_code(
    Rule("tlp-above-clearance", _ADVISE, "A label keeps it out of the public edition", content.above_clearance),
    Rule(
        "tlp-copied",
        _BLOCK,
        "No stricter sentence or title stands in a text for the public",
        told.copied,
        fixed=True,
    ),
    Rule("tlp-told", _ADVISE, "A label was there before the public was told", told.raised),
    Rule("summary-missing", _BLOCK, "An article has a summary", content.missing_summaries),
    Rule("title-too-long", _ADVISE, "A title is short enough for a subject line", content.long_titles),
    Rule("theme-unknown", _BLOCK, "Themes are those of the settings", content.unknown_themes, fixed=True),
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


REGISTRIES: Final[tuple[dict[str, Rule[Any]], ...]] = (CONTENT_RULES, TEXT_RULES, MAIL_RULES, PAGE_RULES, ARCHIVE_RULES)
RULES: Final[Mapping[str, Rule[Any]]] = ChainMap(*REGISTRIES)


def check_content(collected: Collected, house: House) -> tuple[Finding, ...]:
    """What the rules find, in the order of places. Content alone: nothing is read, rendered or fetched."""
    found = [finding for rule in CONTENT_RULES.values() for finding in rule.findings(collected, house)]
    # One file after the other: each is parsed once for all rules.
    for item in content.everything(collected):
        found += [finding for rule in TEXT_RULES.values() for finding in rule.findings(item, house)]
    return in_order(found)


def check_letters(letters: Iterable[tuple[str, bytes]], house: House) -> tuple[Finding, ...]:
    """What the rules find in letters as they will be sent, each under the name that ``report`` gives its files."""
    return tuple(finding for name, raw in letters for finding in check_letter(Letter(name, raw), house))


def weighed(findings: Iterable[Finding], collected: Collected, house: House, *, elsewhere: bool) -> Preflight:
    """What stands and what was waived, in the order of places; ``elsewhere`` as for ``weigh``."""
    waivable = {code: not is_fixed(code) for code, _, _ in rules()}
    parted = weigh(findings, collected, house, waivable=waivable, elsewhere=elsewhere)
    return replace(parted, findings=in_order(parted.findings))


def is_fixed(code: str) -> bool:
    """Whether nobody can answer for what this rule finds: what comes after relies on its absence."""
    rule = RULES.get(code)
    return (code in DOOR_RULES and code not in DOOR_ADVICE) or code == GATE or (rule is not None and rule.fixed)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By place, then by rule."""
    return tuple(sorted(findings, key=lambda finding: (finding.place, finding.rule, finding.message)))


def rules() -> tuple[tuple[str, Gravity, str], ...]:
    """Every rule as (code, gravity, title): the door's first."""
    door = [(code, Gravity.ADVISE if code in DOOR_ADVICE else Gravity.BLOCK, told) for code, told in DOOR_RULES.items()]
    ours = [(rule.code, rule.gravity, rule.title) for registry in REGISTRIES for rule in registry.values()]
    waivers = [(code, Gravity.ADVISE, told) for code, told in WAIVER_RULES.items()]
    asked = [(code, Gravity.ADVISE, told) for code, told in EXTERNAL_RULES.items()]
    gate = (GATE, Gravity.BLOCK, "Nothing rendered holds what its readers may not see")
    return (*door, *ours, *asked, gate, *waivers)


def rule_table() -> str:
    """Every rule in Markdown, as docs/editors.md prints it."""
    words = {Gravity.BLOCK: "blocks", Gravity.ADVISE: "advises"}
    rows = [f"| `{code}` | {words[gravity]} | {title} |" for code, gravity, title in rules()]
    return "\n".join(["| code | | how it should be |", "|---|---|---|", *rows])
