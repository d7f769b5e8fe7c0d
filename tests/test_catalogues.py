"""Every fixed word exists in every language: what templates and Python say is compared with the catalogues."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from newsletter.errors import ConfigError
from newsletter.model import Extent, Language, Month, Precision, RsitClass, Severity, When
from newsletter.render.words import CATALOGUES, catalogue_files, translations, words
from newsletter.resources import packaged
from newsletter.rsit import TAXONOMY

PACKAGE = Path(__file__).parent.parent / "newsletter"
METHODS = [("**.py", "python"), ("**.html", "jinja2"), ("**.txt", "jinja2"), ("**.xml", "jinja2")]
OPTIONS = {"**.html": {"trimmed": "true"}, "**.txt": {"trimmed": "true"}, "**.xml": {"trimmed": "true"}}
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "marked": None,
    "counted": (1, 2),
}
FRENCH = Language("fr")
# Before these French sets a no-break space, so that no line begins with them.
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
DOUBLE_SIGNS = re.compile(r"(?<![\u00a0\u202f%])[:;!?»](?!//)|«(?!\u00a0)")


def spoken() -> Catalog:
    """Every message id of the package and its templates, and the names of the taxonomy."""
    catalogue = Catalog()
    for folder in (PACKAGE, packaged("templates")):
        found = extract_from_dir(str(folder), METHODS, OPTIONS, KEYWORDS)
        for path, line, message, _comments, context in found:
            catalogue.add(message, locations=[(path, line)], context=context)
    for name, types in TAXONOMY.values():
        for label in (name, *types.values()):
            catalogue.add(label)
    return catalogue


def written(language: Language) -> dict[str, list[Message]]:
    """The messages of each catalogue file of a language, by file name."""
    files = {}
    for path in catalogue_files(language):
        with path.open("rb") as source:
            files[path.name] = [m for m in read_po(source, locale=language, abort_invalid=True) if m.id]
    return files


def key(message: Message) -> tuple[str | None, str]:
    """Context and (first) id."""
    return message.context, message.id[0] if isinstance(message.id, tuple) else message.id


def strings(message: Message) -> tuple[str, ...]:
    """The translations: one, or one for each plural form."""
    return message.string if isinstance(message.string, tuple) else (message.string,)


@pytest.fixture(scope="module")
def french() -> list[Message]:
    return [message for messages in written(FRENCH).values() for message in messages]


def test_french_has_every_word(french: list[Message]) -> None:
    """What templates or Python say and French does not know would be printed in English."""
    known = {key(message) for message in french if all(strings(message))}
    missing = sorted(str(key(m)[1]) for m in spoken() if m.id and key(m) not in known)
    assert not missing, "add to newsletter.po or web.po:\n" + "\n".join(missing)


def test_french_has_no_word_that_nobody_says(french: list[Message]) -> None:
    """A translation that nothing prints any more is a trap for the next translator."""
    said = {key(message) for message in spoken() if message.id}
    assert not [key(message) for message in french if key(message) not in said]


def test_french_has_no_doubtful_word(french: list[Message]) -> None:
    """Fuzzy entries are guesses; they are not printed, so they may not stay."""
    assert not [key(message) for message in french if message.fuzzy]


def test_catalogue_files_say_nothing_twice() -> None:
    """Two files, one word each: which of two translations is printed must never depend on the order of files."""
    keys = [key(message) for messages in written(FRENCH).values() for message in messages]
    assert len(keys) == len(set(keys))


def test_translations_have_the_placeholders_of_their_message(french: list[Message]) -> None:
    """A placeholder that was lost or misspelt in translation would lose a number or stop the month."""
    for message in french:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        known = [set(PLACEHOLDER.findall(one)) for one in ids]
        for string in strings(message):
            # A plural form may say "one" in words; nothing else may differ.
            assert set(PLACEHOLDER.findall(string)) in known, message.id
            assert "%" not in PLACEHOLDER.sub("", string).replace("%%", ""), message.id


def test_french_typography_keeps_signs_with_their_word(french: list[Message]) -> None:
    """Colon, semicolon, exclamation and question mark, and guillemets stand after a no-break space."""
    wrong = [s for m in french for s in strings(m) if DOUBLE_SIGNS.search(PLACEHOLDER.sub("x", s))]
    assert not wrong


def test_french_uses_the_typographic_apostrophe(french: list[Message]) -> None:
    """An apostrophe, not the mark of an inch."""
    assert not [s for m in french for s in strings(m) if "'" in s]


def test_every_catalogue_belongs_to_a_language() -> None:
    """Every folder under locale/ can be loaded, and nothing else lies there."""
    languages = sorted(folder.name for folder in CATALOGUES.iterdir())
    assert languages == ["en", "fr"]
    assert [translations(Language(language)) is not None for language in languages] == [True, True]


@pytest.mark.parametrize("language", ["xx", "not a language", "../en", "de"])
def test_language_without_words_is_refused(language: str) -> None:
    """A site cannot be written in a language that we have no words for: the setting is named."""
    with pytest.raises(ConfigError, match="languages"):
        words(Language(language))


# --- dates, numbers, names -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "english", "french_text"),
    [
        (Precision.YEAR, "2026", "2026"),
        (Precision.MONTH, "October 2026", "octobre 2026"),
        (Precision.DAY, "1 October 2026", "1er octobre 2026"),
        (Precision.MINUTE, "1 October 2026, 09:05", "1er octobre 2026, 09:05"),
    ],
)
def test_moments_are_as_precise_as_they_are_known(precision: Precision, english: str, french_text: str) -> None:
    """A month that is all we know does not become the first of that month (VERIS)."""
    when = When(datetime(2026, 10, 1, 9, 5), precision)
    assert words(Language("en")).when(when) == english
    assert words(FRENCH).when(when) == french_text


def test_numbers_follow_the_language() -> None:
    """Separators of thousands and decimals, signs of a change, ranges."""
    english, french_words = words(Language("en")), words(FRENCH)
    assert (english.number(12345), french_words.number(12345)) == ("12,345", "12\u202f345")
    assert (english.mean(4), french_words.mean(4.25)) == ("4.0", "4,2")
    assert (english.percent(20), french_words.percent(-8)) == ("+20%", "\u22128\u00a0%")
    assert english.extent(Extent(10, 20)) == "10\u201320"
    assert english.extent(Extent(14, 14)) == "14"


def test_taxonomy_and_severities_are_said_in_words() -> None:
    """RSIT's class and type, and the word for a severity, in the reader's language."""
    assert words(Language("en")).rsit(RsitClass("fraud", "phishing")) == "Fraud, Phishing"
    assert words(FRENCH).rsit(RsitClass("fraud", "phishing")) == "Fraude, Hameçonnage"
    assert words(Language("en")).rsit(RsitClass("test", "test")) == "Test"
    assert [words(FRENCH).severity(s) for s in Severity] == ["faible", "moyenne", "élevée", "critique"]


def test_months_have_a_short_and_a_long_name() -> None:
    """For sentences, and for the heads of columns."""
    september = Month(2026, 9)
    assert words(Language("en")).month(september) == "September 2026"
    assert words(FRENCH).short_month(september) == "sept. 2026"
    assert words(FRENCH).month_name(september) == "septembre"
