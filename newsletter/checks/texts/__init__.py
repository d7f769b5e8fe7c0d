"""Rules over single texts: what leaks, what misleads, what was left behind, and style.

A rule gets one content file and the house that it is for. A leak, a lie or a marker left behind blocks; style advises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.checks.rule import Rule, by_code
from newsletter.checks.texts import anchors, indicators, personal, secrets, style, wording
from newsletter.model import Gravity

if TYPE_CHECKING:
    from newsletter.checks.texts.text import Item

_BLOCK, _ADVISE = Gravity.BLOCK, Gravity.ADVISE

TEXT_RULES: Final[dict[str, Rule[Item]]] = by_code(
    Rule("secret", _BLOCK, "No key, token or password stands in any file", secrets.found),
    Rule("personal-address", _BLOCK, "Mailboxes in print are the team's, or declared public", personal.addresses),
    Rule("personal-phone", _BLOCK, "Telephone numbers in print are declared public", personal.phones),
    Rule("private-name", _BLOCK, "Names that the house keeps to itself are not printed", personal.names),
    Rule("live-indicator", _BLOCK, "An incident's addresses are defanged, ours, or links", indicators.in_incidents),
    Rule("address-live", _ADVISE, "Addresses in articles and notes are links, or defanged", indicators.elsewhere),
    Rule("marker-left", _BLOCK, "Nothing is left for later: no TODO, TK or [à compléter]", wording.marker_left),
    Rule(
        "shortcode-left",
        _BLOCK,
        "No mark of a template or of an older tool is left, but in code",
        wording.shortcode_left,
    ),
    Rule("direction-turned", _BLOCK, "No invisible character turns the direction of words", wording.direction_turned),
    Rule("word-banned", _BLOCK, "Words that the house bans are not printed", wording.word_banned),
    Rule("link-text-lies", _BLOCK, "A link whose words are an address leads there", anchors.text_lies),
    Rule("link-shortener", _BLOCK, "Links show where they lead", anchors.shortened),
    Rule("link-text-vague", _ADVISE, "The words of a link say where it leads", anchors.text_vague),
    Rule("link-text-repeated", _ADVISE, "The same words lead to the same place", anchors.text_repeated),
    Rule("reference-missing", _ADVISE, "What a text refers to in brackets stands in it", anchors.reference_missing),
    Rule("link-long", _ADVISE, "Addresses are short enough to be printed", anchors.long),
    Rule("link-plain-http", _ADVISE, "Links are encrypted", anchors.plain_http),
    Rule("heading-order", _ADVISE, "Headings begin at ##, in incidents at ###, and skip no level", style.heading_order),
    Rule("heading-repeated", _ADVISE, "No two headings of a text have the same words", style.heading_repeated),
    Rule("heading-empty", _BLOCK, "Headings have words", style.heading_empty),
    Rule("alt-weak", _ADVISE, "An image's words say in a sentence what one sees", style.alt_weak),
    Rule("title-shouts", _ADVISE, "Titles are not all capitals", style.title_shouts),
    Rule("title-ends", _ADVISE, "Titles do not end with a full stop", style.title_ends),
    Rule("summary-long", _ADVISE, "A summary is two or three sentences", style.summary_long),
    Rule("summary-is-title", _ADVISE, "A summary tells more than the title", style.summary_is_title),
    Rule("sentence-long", _ADVISE, "Sentences have at most 40 words", wording.sentence_long),
    Rule("too-long", _ADVISE, "Texts are as short as the house wants them", wording.too_long),
    Rule(
        "reading-level", _ADVISE, "Texts can be read with the schooling that the house expects", wording.reading_level
    ),
)
