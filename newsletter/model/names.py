"""Names and numbers that the nouns share."""

from __future__ import annotations

import re
from typing import Final, NewType

Language = NewType("Language", str)
SubscriberId = NewType("SubscriberId", int)
MailingId = NewType("MailingId", int)
ENGLISH: Final = Language("en")  # what a source is written in unless somebody says otherwise
PUBLIC: Final = "public"
SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
MAX_SLUG: Final = 100
MIN_PERCENT_BASE: Final = 10
FIRST_YEAR_TO_LAST: Final = range(1900, 9999)
# Personal links are spliced into finished bytes, so the slot is exactly as long as a token (see keys.py).
TOKEN_LENGTH: Final = 34
UNSUBSCRIBE_SLOT: Final = "__UNSUBSCRIBE_TOKEN__".ljust(TOKEN_LENGTH, "_")
DERIVED: Final = {"derived": True}  # metadata of a field of the settings that follows from others, and is not written
