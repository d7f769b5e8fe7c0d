"""The sentence that whoever subscribes agrees to, and the version of the form that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.render.words import marked, words

if TYPE_CHECKING:
    from newsletter.model import Language, Publication

# Kept with every consent. Whoever changes what the form says or asks gives it a new name, so that an old consent can
# be read beside the form that it was given on.
FORM: Final = "subscribe/2026-11-28"
CONSENT: Final = marked(
    "I would like to receive the %(name)s of %(organisation)s by mail, once a month. I can leave at any time, with the "
    "link in every report."
)


def consent_words(publication: Publication, language: Language) -> str:
    """The sentence in one language, as it is shown and kept as evidence."""
    sentence = words(language).gettext(CONSENT)
    return sentence % {"name": publication.name, "organisation": publication.organisation}
