"""Whose newsletter it is, and by which standards its content is judged."""

from __future__ import annotations

from dataclasses import dataclass, field

from newsletter.model.names import DERIVED, Language
from newsletter.model.time import Month


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Everything about the organisation that words and pages show; all of it comes from the site's settings.

    ``has_forms``: people may join and choose by themselves, on pages below ``base_url``. It is what
    ``subscribers.open`` says, and no setting of its own.
    """

    name: str
    organisation: str
    team: dict[Language, str]
    base_url: str
    website: str
    contact: str
    from_address: str
    reply_to: str
    languages: tuple[Language, ...]
    description: dict[Language, str] = field(default_factory=dict)
    license: str = ""
    list_id: str = ""
    logo: str | None = None
    logo_alt: str = ""
    accent: str = "#1f4e79"
    accent_dark: str = "#9cc4ee"
    zone: str = "UTC"
    themes: dict[str, dict[Language, str]] = field(default_factory=dict)
    verify: dict[Language, str] = field(default_factory=dict)
    full_articles: int = 1
    max_elsewhere: int = 7
    has_forms: bool = field(default=False, metadata=DERIVED)

    @property
    def first_language(self) -> Language:
        """The language that everything exists in, and that missing translations fall back to."""
        return self.languages[0]

    def url(self, path: str) -> str:
        """An absolute address below the base: ``url('/en/')``."""
        return self.base_url.rstrip("/") + path


def article_path(language: Language, slug: str) -> str:
    """The archive address of an article: /en/articles/slug/ (published addresses answer for ever)."""
    return f"/{language}/articles/{slug}/"


def report_path(language: Language, month: Month) -> str:
    """The archive address of a monthly report: /en/reports/2026-10/."""
    return f"/{language}/reports/{month}/"


def subscribe_path(language: Language) -> str:
    """Where people ask for the report: /en/subscribe/. The application answers, not the archive."""
    return f"/{language}/subscribe/"


def preferences_path(language: Language) -> str:
    """Where people ask for the link to their preferences: /en/preferences/. The application answers."""
    return f"/{language}/preferences/"


def theme_path(language: Language, theme: str) -> str:
    """The archive address of a theme: /en/themes/phishing/."""
    return f"/{language}/themes/{theme}/"


def year_path(language: Language, year: int) -> str:
    """The archive address of a year: /en/2026/."""
    return f"/{language}/{year}/"
