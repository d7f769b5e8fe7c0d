"""The door: from what people write to nouns, every fault at once, each with its line and how to mend it."""

from __future__ import annotations

from newsletter.parsing.address import parse_address
from newsletter.parsing.article import parse_article
from newsletter.parsing.faults import DOOR_RULES, Faults, Parsed
from newsletter.parsing.incident import parse_incident
from newsletter.parsing.note import parse_note
from newsletter.parsing.validate import validated

__all__ = [
    "DOOR_RULES",
    "Faults",
    "Parsed",
    "parse_address",
    "parse_article",
    "parse_incident",
    "parse_note",
    "validated",
]
