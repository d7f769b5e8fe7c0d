"""Small pieces of content for tests: one function for each noun, everything overridable."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from newsletter.model import (
    Article,
    EditorNote,
    FeedEntry,
    Incident,
    Language,
    Month,
    Precision,
    Publication,
    RsitClass,
    Severity,
    Tlp,
    When,
)

EN = Language("en")
FR = Language("fr")
OCTOBER = Month(2026, 10)


def publication(**changes: Any) -> Publication:
    """The settings of a laboratory that does not exist."""
    values: dict[str, Any] = {
        "name": "Monthly Security Report",
        "organisation": "Meridian Laboratory",
        "team": {EN: "the Computer Security Team", FR: "l'équipe de sécurité informatique"},
        "base_url": "https://security.meridian.example",
        "website": "https://security.meridian.example/",
        "contact": "Computer.Security@meridian.example",
        "from_address": "Computer.Security@meridian.example",
        "reply_to": "Computer.Security@meridian.example",
        "languages": (EN, FR),
        "list_id": "monthly-report.security.meridian.example",
        "zone": "Europe/Zurich",
    }
    return Publication(**(values | changes))


def article(slug: str = "passwords", day: str = "2026-10-06", **changes: Any) -> Article:
    """A CLEAR article in English."""
    language = changes.pop("language", EN)
    values: dict[str, Any] = {
        "slug": slug,
        "language": language,
        "title": f"About {slug}",
        "date": date.fromisoformat(day),
        "summary": f"What everybody should know about {slug}.",
        "body": f"Some words about **{slug}**.",
        "tlp": Tlp.CLEAR,
        "path": f"articles/{day[:4]}/{slug}.{language}.md",
    }
    return Article(**(values | changes))


def on(day: str) -> When:
    """A moment with the precision that its text has: 2026-10 or 2026-10-03."""
    if len(day) == len("2026-10"):
        return When(datetime.fromisoformat(f"{day}-01"), Precision.MONTH)
    return When(datetime.fromisoformat(day), Precision.DAY)


def incident(number: int = 1, day: str = "2026-10-03", **changes: Any) -> Incident:
    """A CLEAR phishing incident in English."""
    language = changes.pop("language", EN)
    values: dict[str, Any] = {
        "id": f"INC-{day[:4]}-{number:03d}",
        "language": language,
        "title": f"Incident number {number}",
        "rsit": RsitClass("fraud", "phishing"),
        "severity": Severity.LOW,
        "tlp": Tlp.CLEAR,
        "detected": on(day),
        "public_summary": f"What happened in incident number {number}.",
        "path": f"incidents/{day[:4]}/inc-{number:03d}.{language}.md",
    }
    return Incident(**(values | changes))


def note(month: Month = OCTOBER, **changes: Any) -> EditorNote:
    """A CLEAR editor's note in English."""
    language = changes.pop("language", EN)
    values: dict[str, Any] = {
        "month": month,
        "language": language,
        "tlp": Tlp.CLEAR,
        "path": f"reports/{month}.{language}.md",
        "title": "A quiet month",
        "body": "Dear colleagues.",
    }
    return EditorNote(**(values | changes))


def entry(name: str = "patch", published: str | None = "2026-10-10", **changes: Any) -> FeedEntry:
    """An entry of the feed ``vendor``, seen two days after it was published."""
    values: dict[str, Any] = {
        "source": "vendor",
        "guid": f"urn:{name}",
        "title": f"News of {name}",
        "link": f"https://vendor.example/{name}",
        "published": datetime.fromisoformat(published).replace(tzinfo=UTC) if published else None,
        "first_seen": datetime(2026, 10, 12, tzinfo=UTC),
    }
    return FeedEntry(**(values | changes))
