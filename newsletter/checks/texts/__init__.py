"""Rules over single texts: what leaks, what misleads, what was left behind, and style.

A rule gets one content file and the house that it is for. A leak, a lie or a marker left behind blocks; style advises.
"""

from __future__ import annotations

from typing import Final

from newsletter.checks.texts import anchors, indicators, personal, secrets, style, wording
from newsletter.checks.texts.text import TextRule
from newsletter.model import Gravity

__all__ = ["TEXT_RULES", "TextRule"]

_BLOCK, _ADVISE = Gravity.BLOCK, Gravity.ADVISE

TEXT_RULES: Final = (
    TextRule("secret", _BLOCK, "No key, token or password stands in any file", secrets.found),
    TextRule("personal-address", _BLOCK, "Mailboxes in print are the team's, or declared public", personal.addresses),
    TextRule("personal-phone", _BLOCK, "Telephone numbers in print are declared public", personal.phones),
    TextRule("private-name", _BLOCK, "Names that the house keeps to itself are not printed", personal.names),
    TextRule("live-indicator", _BLOCK, "An incident's addresses are defanged, ours, or links", indicators.in_incidents),
    TextRule("address-live", _ADVISE, "Addresses in articles and notes are links, or defanged", indicators.elsewhere),
    TextRule("marker-left", _BLOCK, "Nothing is left for later: no TODO, TK or [à compléter]", wording.marker_left),
    TextRule("word-banned", _BLOCK, "Words that the house bans are not printed", wording.word_banned),
    TextRule("link-text-lies", _BLOCK, "A link whose words are an address leads there", anchors.text_lies),
    TextRule("link-shortener", _BLOCK, "Links show where they lead", anchors.shortened),
    TextRule("link-text-vague", _ADVISE, "The words of a link say where it leads", anchors.text_vague),
    TextRule("link-text-repeated", _ADVISE, "The same words lead to the same place", anchors.text_repeated),
    TextRule("link-long", _ADVISE, "Addresses are short enough to be printed", anchors.long),
    TextRule("link-plain-http", _ADVISE, "Links are encrypted", anchors.plain_http),
    TextRule(
        "heading-order", _ADVISE, "Headings begin at ##, in incidents at ###, and skip no level", style.heading_order
    ),
    TextRule("heading-repeated", _ADVISE, "No two headings of a text have the same words", style.heading_repeated),
    TextRule("heading-empty", _BLOCK, "Headings have words", style.heading_empty),
    TextRule("alt-weak", _ADVISE, "An image's words say in a sentence what one sees", style.alt_weak),
    TextRule("title-shouts", _ADVISE, "Titles are not all capitals", style.title_shouts),
    TextRule("title-ends", _ADVISE, "Titles do not end with a full stop", style.title_ends),
    TextRule("summary-long", _ADVISE, "A summary is two or three sentences", style.summary_long),
    TextRule("summary-is-title", _ADVISE, "A summary tells more than the title", style.summary_is_title),
    TextRule("sentence-long", _ADVISE, "Sentences have at most 40 words", wording.sentence_long),
    TextRule("too-long", _ADVISE, "Texts are as short as the house wants them", wording.too_long),
    TextRule(
        "reading-level", _ADVISE, "Texts can be read with the schooling that the house expects", wording.reading_level
    ),
)
