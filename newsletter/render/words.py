"""Fixed words, dates, numbers and names in one language: gettext catalogues and CLDR, both read through Babel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.support import Translations

from newsletter.errors import ConfigError
from newsletter.model import Precision, Severity
from newsletter.resources import HERE

if TYPE_CHECKING:
    from datetime import date, datetime
    from pathlib import Path

    from newsletter.model import Extent, Language, Month, RsitClass, When

CATALOGUES: Final = HERE / "locale"
# British English: "14 October 2026, 09:12", and the spelling of RSIT ("unauthorised").
LOCALES: Final = {"en": "en_GB"}
# CLDR writes "1 octobre"; French says "1er octobre".
FIRST_OF_MONTH: Final = {"fr": "1er"}


def marked(word: str) -> str:
    """Mark a word for the catalogue where it is defined; it is translated where it is printed."""
    return word


def counted(one: str, many: str) -> tuple[str, str]:
    """Mark both forms of a counted word for the catalogue; ``ngettext(*forms, count)`` prints it."""
    return one, many


SEVERITIES: Final = {
    Severity.LOW: marked("low"),
    Severity.MEDIUM: marked("medium"),
    Severity.HIGH: marked("high"),
    Severity.CRITICAL: marked("critical"),
}


def catalogue_files(language: Language) -> tuple[Path, ...]:
    """The catalogues of a language: newsletter.po, and what the pages of the archive add in web.po."""
    return tuple(sorted((CATALOGUES / language / "LC_MESSAGES").glob("*.po")))


@cache
def translations(language: Language) -> Translations:
    """All catalogues of a language in one; read at run time, so that no compiled file can grow stale.

    Raises ConfigError if there is none.
    """
    files = catalogue_files(language)
    if not files:
        known = ", ".join(sorted(folder.name for folder in CATALOGUES.iterdir() if folder.is_dir()))
        raise ConfigError(f"languages: there are no words for {language!r}; choose from {known}")
    merged = _translations(files[0], language)
    for path in files[1:]:
        merged.merge(_translations(path, language))
    return merged


def _translations(path: Path, language: Language) -> Translations:
    with path.open("rb") as source:
        catalogue = read_po(source, locale=language, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words. Templates have the methods from ``date`` on as filters of the same name."""

    language: Language
    locale: Locale
    catalogue: Translations

    def gettext(self, message: str) -> str:
        """The translation of a fixed word or sentence."""
        return str(self.catalogue.gettext(message))

    def ngettext(self, one: str, many: str, count: int) -> str:
        """The translation that agrees with a number."""
        return str(self.catalogue.ngettext(one, many, count))

    def date(self, day: date) -> str:
        """14 October 2026."""
        return _long_date(day, self)

    def month(self, month: Month) -> str:
        """October 2026, as it stands in a sentence (French months are lower case)."""
        return format_date(month.first_day, "MMMM y", locale=self.locale)

    def short_month(self, month: Month) -> str:
        """Oct 2026, for the head of a column."""
        return format_date(month.first_day, "MMM y", locale=self.locale)

    def month_name(self, month: Month) -> str:
        """October, without its year."""
        return format_date(month.first_day, "LLLL", locale=self.locale)

    def moment(self, at: datetime) -> str:
        """14 October 2026, 09:12: in the zone that ``at`` is in."""
        return f"{_long_date(at, self)}, {format_datetime(at, 'HH:mm', locale=self.locale)}"

    def when(self, when: When) -> str:
        """A moment as exactly as it is known: 2026; October 2026; 14 October 2026; 14 October 2026, 09:12."""
        if when.precision is Precision.YEAR:
            return str(when.start.year)
        if when.precision is Precision.MONTH:
            return self.month(when.month)
        return self.date(when.start) if when.precision is Precision.DAY else self.moment(when.start)

    def number(self, value: float) -> str:
        """1,234 or 4.3, with at most one decimal."""
        return format_decimal(value, format="#,##0.#", locale=self.locale)

    def mean(self, value: float) -> str:
        """4.0, always with one decimal."""
        return format_decimal(value, format="#,##0.0", locale=self.locale)

    def percent(self, change: int) -> str:
        """A change of so many percent, with its sign."""
        sign = "+" if change > 0 else "\N{MINUS SIGN}" if change < 0 else "\N{PLUS-MINUS SIGN}"
        return sign + format_percent(abs(change) / 100, format=None, locale=self.locale)

    def extent(self, extent: Extent) -> str:
        """14, or 10-20 with an en dash."""
        low, high = self.number(extent.low), self.number(extent.high)
        return low if low == high else f"{low}\N{EN DASH}{high}"

    def severity(self, severity: Severity) -> str:
        """The word for a severity."""
        return self.gettext(SEVERITIES[severity])

    def rsit(self, rsit: RsitClass) -> str:
        """Class and type in words: Fraud, Phishing."""
        names = (rsit.label, rsit.type_label)
        return ", ".join(dict.fromkeys(self.gettext(name) for name in names if name))

    def language_name(self, language: Language) -> str:
        """The name of another language: French."""
        return Locale.parse(language).get_display_name(self.locale) or language

    def own_name(self, language: Language) -> str:
        """What speakers of a language call it, as it stands alone: Français."""
        return words(language).sentence(words(language).language_name(language))

    def sentence(self, text: str) -> str:
        """The text with its first letter as a capital, and nothing else changed."""
        return text[:1].upper() + text[1:]


@cache
def words(language: Language) -> Words:
    """The words of a language; ConfigError if it is no language, or has no catalogue."""
    try:
        locale = Locale.parse(LOCALES.get(language, language))
    except (ValueError, UnknownLocaleError) as error:
        raise ConfigError(f"languages: {language!r} is no language; write it like en or fr") from error
    return Words(language, locale, translations(language))


def _long_date(day: date, speech: Words) -> str:
    text = format_date(day, "long", locale=speech.locale)
    if day.day == 1 and speech.language in FIRST_OF_MONTH:
        return FIRST_OF_MONTH[speech.language] + text.removeprefix("1")
    return text
