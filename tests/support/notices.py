"""Every kind of notice with facts as the house gives them, rendered and as a message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from newsletter.deliver.message import compile_notice
from newsletter.model import Month
from newsletter.render.environment import Templates
from newsletter.render.notices import facts_of, render_notice
from tests.support.samples import EN, FR, sample_publication

if TYPE_CHECKING:
    from newsletter.model import Language, NoticeText, Publication

DATE: Final = datetime(2026, 11, 3, 8, 0, tzinfo=UTC)
UNTIL: Final = {"until": datetime(2026, 11, 10, 9, 0, tzinfo=ZoneInfo("Europe/Zurich"))}
TOKEN: Final = "Zx3-notARealTokenButOfItsLength_"
LEAVE: Final = "https://security.meridian.example/u/notARealTokenEither"
# Whose link gives a right, and what they are told beyond it.
PERSONAL: Final[dict[str, dict[str, Any]]] = {
    "confirm": UNTIL,
    "already-subscribed": UNTIL,
    "preferences": UNTIL,
    "invitation": {"audience": "Members of the laboratory", **UNTIL},
    "goodbye": UNTIL,
    "move-old": UNTIL,
    "move-new": UNTIL,
    "export-ready": UNTIL,
}
OTHERS: Final[dict[str, dict[str, Any]]] = {
    "welcome": {"month": Month(2026, 10), "audience": "", "leave": LEAVE},
    "reminder-draft-ready": {
        "month": Month(2026, 10),
        "at": DATE,
        "days": 5,
        "failures": ["a source was away"],
        "blocking": 1,
    },
    "reminder-held": {
        "month": Month(2026, 10),
        "reason": "blocked",
        "detail": "",
        "findings": ["tlp-missing a.en.md:1: no label"],
        "more": 1,
    },
    "alarm-surge": {"count": 412, "at": DATE, "days": 7},
}
KINDS: Final = PERSONAL | OTHERS
WITH_HTML: Final = (*PERSONAL, "welcome")
LANGUAGES: Final = (EN, FR)
PACKAGED: Final = Templates([])


def notice(
    kind: str,
    language: Language,
    *,
    publication: Publication | None = None,
    templates: Templates = PACKAGED,
    **facts: Any,
) -> NoticeText:
    """A notice as it is read, its facts changed."""
    return render_notice(
        kind,
        language,
        facts_of(KINDS[kind] | facts),
        publication or sample_publication(),
        templates,
        token=TOKEN if kind in PERSONAL else "",
    )


def message(kind: str, language: Language) -> bytes:
    """A notice as it is sent."""
    publication = sample_publication()
    return compile_notice(
        notice(kind, language),
        publication,
        recipient="reader@example.org",
        date=DATE,
        message_id=f"<notice.1@{publication.from_address.rpartition('@')[2]}>",
    )
