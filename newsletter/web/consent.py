"""The sentence that whoever subscribes agrees to, and the version of the form that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.render.words import marked, words

if TYPE_CHECKING:
    from newsletter.model import Language, Publication

FORM: Final = "2026-11"  # changes with every change of the sentence or of what stands around it
CONSENT: Final = marked("Send me the %(name)s of %(organisation)s by mail. I can end this at any time.")


def consent_words(publication: Publication, language: Language) -> str:
    """The sentence in one language, as it is shown and kept as evidence."""
    sentence = words(language).gettext(CONSENT)
    return sentence % {"name": publication.name, "organisation": publication.organisation}
