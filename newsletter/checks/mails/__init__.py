"""The rules over letters as they would be sent: headers, parts, HTML, styles, text. Hostile letters raise nothing."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from newsletter.checks.mails import css, head, links, look, markup, plain, sizes, words
from newsletter.model import Finding, Gravity, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from newsletter.checks.house import House
    from newsletter.checks.mails.letter import Letter
    from newsletter.checks.rule import Problem

MAX_PROBLEMS: Final = 50  # of one rule in one letter: whoever has mended fifty will ask again

_BLOCK, _ADVISE = Gravity.BLOCK, Gravity.ADVISE


class MailRule(NamedTuple):
    """One thing that we look for in a letter. Codes are stable: waivers and reports name them."""

    code: str
    gravity: Gravity
    title: str
    function: Callable[[Letter, House], Iterator[Problem]]

    def findings(self, letter: Letter, house: House) -> Iterator[Finding]:
        """The first ``MAX_PROBLEMS`` that it finds in this letter."""
        for problem in islice(self.function(letter, house), MAX_PROBLEMS):
            place = Place(problem.path, problem.line, problem.column)
            yield Finding(self.code, self.gravity, place, problem.message, problem.fix)


MAIL_RULES: Final[tuple[MailRule, ...]] = (
    MailRule("mail-markup", _BLOCK, "The HTML is whole: nothing for a browser to repair", markup.broken),
    MailRule("mail-doctype", _BLOCK, "It begins with the doctype of HTML5, in capitals", markup.doctype),
    MailRule("mail-language", _BLOCK, "It says its language, inside of the body too", markup.language),
    MailRule("mail-direction", _BLOCK, "It says its direction, inside of the body too", markup.direction),
    MailRule("mail-title", _BLOCK, "It has a title", markup.title),
    MailRule("mail-charset", _BLOCK, "Its head begins with the charset", markup.charset),
    MailRule("mail-color-scheme", _BLOCK, "It says twice that it knows both themes", markup.colour_metas),
    MailRule(
        "mail-viewport", _BLOCK, "Telephones show it in their own width, and let readers enlarge it", markup.viewport
    ),
    MailRule("mail-table-role", _BLOCK, "Tables for layout say so, tables of data do not", markup.table_roles),
    MailRule("mail-table-head", _BLOCK, "Heads of tables say whether of a column or a row", markup.table_heads),
    MailRule("mail-image", _BLOCK, "Images have words, and a size as attribute", markup.images),
    MailRule("mail-image-foreign", _BLOCK, "The one image is the logo, and travels inside", markup.images_ours),
    MailRule("mail-heading", _BLOCK, "One h1, and no level of headings left out", markup.headings),
    MailRule("mail-forbidden", _BLOCK, "No script, form, frame, drawing, player or base", markup.forbidden),
    MailRule("mail-handler", _BLOCK, "Nothing in it runs", markup.handlers),
    MailRule("mail-remote", _BLOCK, "Opening it contacts nobody", markup.remote),
    MailRule(
        "mail-conditional", _BLOCK, "Comments for Outlook are closed, and so is what they open", markup.conditionals
    ),
    MailRule("mail-hidden", _BLOCK, "No text is hidden", look.hidden),
    MailRule("mail-text-small", _BLOCK, "No text is smaller than 13 pixels", look.small),
    MailRule("mail-body-small", _BLOCK, "Running text has 16 pixels or more", look.body_small),
    MailRule("mail-line-height", _ADVISE, "Lines of running text stand 1.4 apart or more", look.leading),
    MailRule("mail-contrast-light", _BLOCK, "Text can be read in the light theme", look.contrast_light),
    MailRule("mail-contrast-dark", _BLOCK, "Text can be read in the dark theme", look.contrast_dark),
    MailRule("mail-contrast-inverted", _BLOCK, "Text can be read where colours are inverted", look.contrast_inverted),
    MailRule("mail-link-scheme", _BLOCK, "Links are https or mailto", links.schemes),
    MailRule("mail-link-differs", _BLOCK, "Words that look like an address are that address", links.differs),
    MailRule("mail-link-tracked", _BLOCK, "Nobody counts who follows a link", links.tracked),
    MailRule("mail-link-wordless", _BLOCK, "Links have words", links.wordless),
    MailRule("mail-link-parity", _BLOCK, "Text and HTML have the same links", links.parity),
    MailRule("mail-css-unreadable", _BLOCK, "Styles have no mistakes", css.unreadable),
    MailRule("mail-css-unsupported", _BLOCK, "Styles are what mail programs know", css.unsupported),
    MailRule("mail-css-inline", _BLOCK, "Styles stand on the elements too", css.unsaid),
    MailRule("mail-clipped", _BLOCK, "Gmail shows it whole", sizes.clipped),
    MailRule("mail-large", _ADVISE, "Its HTML has less than 70 KB", sizes.large),
    MailRule("mail-css-dropped", _BLOCK, "Gmail keeps its style blocks", sizes.styles_dropped),
    MailRule("mail-css-large", _ADVISE, "Its style blocks have less than 8 KB", sizes.styles_large),
    MailRule("mail-heavy", _BLOCK, "The message has at most 300 KB", sizes.heavy),
    MailRule("mail-placeholder", _BLOCK, "Nothing is left over from templates", words.placeholders),
    MailRule("mail-unsubscribe-link", _BLOCK, "Both parts have the link to leave the list", words.unsubscribe_link),
    MailRule("mail-invisible", _BLOCK, "No character is invisible", words.invisible),
    MailRule("mail-tlp", _BLOCK, "The label stands at the top of both parts", words.label),
    MailRule("mail-tlp-part", _BLOCK, "No part is marked more strictly than the letter", words.label_of_parts),
    MailRule("mail-text-missing", _BLOCK, "It has a text part", plain.missing),
    MailRule("mail-text-wide", _BLOCK, "Lines of the text have at most 78 characters", plain.wide),
    MailRule("mail-text-markup", _BLOCK, "The text has neither HTML nor Markdown", plain.markup),
    MailRule("mail-heading-parity", _BLOCK, "The text has the headings of the HTML", plain.heads_told),
    MailRule("mail-word-parity", _BLOCK, "Text and HTML say the same", plain.same_words),
    MailRule("mail-header-form", _BLOCK, "Lines end with CRLF and are ASCII, at most 998 long", head.form),
    MailRule("mail-header-once", _BLOCK, "Each header that must be there is there once", head.once),
    MailRule("mail-header-people", _BLOCK, "One author, one reader, and the addresses of the settings", head.people),
    MailRule("mail-header-moment", _BLOCK, "Date and Message-ID have their form", head.moment),
    MailRule("mail-header-long", _ADVISE, "Header lines are folded at 78", head.long_lines),
    MailRule("mail-encoded-word", _BLOCK, "Encoded-words are whole, short, and in no address", head.encoded_words),
    MailRule("mail-unsubscribe", _BLOCK, "One click leaves the list (RFC 8058)", head.unsubscribe),
    MailRule("mail-list", _BLOCK, "The headers of a list are there, in their form", head.listed),
    MailRule("mail-archived", _BLOCK, "A public letter says where it stays", head.archived),
    MailRule("mail-feedback", _BLOCK, "Feedback-ID has Gmail's form and names nobody", head.feedback),
    MailRule("mail-parts", _BLOCK, "First text, then HTML, in UTF-8; nothing is attached", head.parts),
    MailRule("mail-body-lines", _BLOCK, "The body has 7 bits and lines that no relay changes", head.body_lines),
    MailRule("mail-subject", _ADVISE, "The subject has 10 to 78 characters", head.subject),
)


def check_letter(letter: Letter, house: House) -> tuple[Finding, ...]:
    """What the rules find in a letter, in the order of places."""
    found = [finding for rule in MAIL_RULES for finding in rule.findings(letter, house)]
    return tuple(sorted(found, key=lambda finding: (finding.place, finding.rule, finding.message)))
