"""The rules over letters as they would be sent: headers, parts, HTML, styles, text. Hostile letters raise nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.checks.mails import css, head, links, look, markup, plain, sizes, words
from newsletter.checks.rule import Rule, by_code
from newsletter.model import Gravity

if TYPE_CHECKING:
    from newsletter.checks.house import House
    from newsletter.checks.mails.letter import Letter
    from newsletter.model import Finding

MAX_PROBLEMS: Final = 50  # of one rule in one letter: whoever has mended fifty will ask again

_BLOCK, _ADVISE = Gravity.BLOCK, Gravity.ADVISE


MAIL_RULES: Final[dict[str, Rule[Letter]]] = by_code(
    Rule("mail-markup", _BLOCK, "The HTML is whole: nothing for a browser to repair", markup.broken),
    Rule("mail-doctype", _BLOCK, "It begins with the doctype of HTML5, in capitals", markup.doctype),
    Rule("mail-language", _BLOCK, "It says its language, inside of the body too", markup.language),
    Rule("mail-direction", _BLOCK, "It says its direction, inside of the body too", markup.direction),
    Rule("mail-title", _BLOCK, "It has a title", markup.title),
    Rule("mail-charset", _BLOCK, "Its head begins with the charset", markup.charset),
    Rule("mail-color-scheme", _BLOCK, "It says twice that it knows both themes", markup.colour_metas),
    Rule("mail-viewport", _BLOCK, "Telephones show it in their own width, and let readers enlarge it", markup.viewport),
    Rule("mail-table-role", _BLOCK, "Tables for layout say so, tables of data do not", markup.table_roles),
    Rule("mail-table-head", _BLOCK, "Heads of tables say whether of a column or a row", markup.table_heads),
    Rule("mail-image", _BLOCK, "Images have words, and a size as attribute", markup.images),
    Rule("mail-image-foreign", _BLOCK, "The one image is the logo, and travels inside", markup.images_ours),
    Rule("mail-heading", _BLOCK, "One h1, and no level of headings left out", markup.headings),
    Rule("mail-forbidden", _BLOCK, "No script, form, frame, drawing, player or base", markup.forbidden),
    Rule("mail-handler", _BLOCK, "Nothing in it runs", markup.handlers),
    Rule("mail-remote", _BLOCK, "Opening it contacts nobody", markup.remote),
    Rule("mail-conditional", _BLOCK, "Comments for Outlook are closed, and so is what they open", markup.conditionals),
    Rule("mail-hidden", _BLOCK, "No text is hidden", look.hidden),
    Rule("mail-text-small", _BLOCK, "No text is smaller than 13 pixels", look.small),
    Rule("mail-body-small", _BLOCK, "Running text has 16 pixels or more", look.body_small),
    Rule("mail-line-height", _ADVISE, "Lines of running text stand 1.4 apart or more", look.leading),
    Rule("mail-contrast-light", _BLOCK, "Text can be read in the light theme", look.contrast_light),
    Rule("mail-contrast-dark", _BLOCK, "Text can be read in the dark theme", look.contrast_dark),
    Rule("mail-contrast-inverted", _BLOCK, "Text can be read where colours are inverted", look.contrast_inverted),
    Rule("mail-link-scheme", _BLOCK, "Links are https or mailto", links.schemes),
    Rule("mail-link-differs", _BLOCK, "Words that look like an address are that address", links.differs),
    Rule("mail-link-tracked", _BLOCK, "Nobody counts who follows a link", links.tracked),
    Rule("mail-link-wordless", _BLOCK, "Links have words", links.wordless),
    Rule("mail-link-parity", _BLOCK, "Text and HTML have the same links", links.parity),
    Rule("mail-css-unreadable", _BLOCK, "Styles have no mistakes", css.unreadable),
    Rule("mail-css-unsupported", _BLOCK, "Styles are what mail programs know", css.unsupported),
    Rule("mail-css-inline", _BLOCK, "Styles stand on the elements too", css.unsaid),
    Rule("mail-css-outweighed", _BLOCK, "Styles for the dark and for telephones win", css.outweighed),
    Rule("mail-clipped", _BLOCK, "Gmail shows it whole", sizes.clipped),
    Rule("mail-large", _ADVISE, "Its HTML has less than 70 KB", sizes.large),
    Rule("mail-css-dropped", _BLOCK, "Gmail keeps its style blocks", sizes.styles_dropped),
    Rule("mail-css-large", _ADVISE, "Its style blocks have less than 8 KB", sizes.styles_large),
    Rule("mail-heavy", _BLOCK, "The message has at most 300 KB", sizes.heavy),
    Rule("mail-placeholder", _BLOCK, "Nothing is left over from templates", words.placeholders),
    Rule("mail-unsubscribe-link", _BLOCK, "Both parts have the link to leave the list", words.unsubscribe_link),
    Rule("mail-invisible", _BLOCK, "No character is invisible", words.invisible),
    Rule("mail-tlp", _BLOCK, "The label stands at the top of both parts", words.label),
    Rule("mail-tlp-part", _BLOCK, "No part is marked more strictly than the letter", words.label_of_parts),
    Rule("mail-text-missing", _BLOCK, "It has a text part", plain.missing),
    Rule("mail-text-wide", _ADVISE, "Lines of the text have at most 78 characters", plain.wide),
    Rule("mail-text-markup", _ADVISE, "The text has neither HTML nor Markdown", plain.markup),
    Rule("mail-heading-parity", _BLOCK, "The text has the headings of the HTML", plain.heads_told),
    Rule("mail-word-parity", _BLOCK, "Text and HTML say the same", plain.same_words),
    Rule("mail-header-form", _BLOCK, "Lines end with CRLF and are ASCII, at most 998 long", head.form),
    Rule("mail-header-once", _BLOCK, "Each header that must be there is there once", head.once),
    Rule("mail-header-people", _BLOCK, "One author, one reader, and the addresses of the settings", head.people),
    Rule("mail-header-moment", _BLOCK, "Date and Message-ID have their form", head.moment),
    Rule("mail-header-long", _ADVISE, "Header lines are folded at 78", head.long_lines),
    Rule("mail-encoded-word", _BLOCK, "Encoded-words are whole, short, and in no address", head.encoded_words),
    Rule("mail-unsubscribe", _BLOCK, "One click leaves the list (RFC 8058)", head.unsubscribe),
    Rule("mail-list", _BLOCK, "The headers of a list are there, in their form", head.listed),
    Rule("mail-archived", _BLOCK, "A public letter says where it stays", head.archived),
    Rule("mail-feedback", _BLOCK, "Feedback-ID has Gmail's form and names nobody", head.feedback),
    Rule("mail-parts", _BLOCK, "First text, then HTML, in UTF-8; nothing is attached", head.parts),
    Rule("mail-body-lines", _BLOCK, "The body has 7 bits and lines that no relay changes", head.body_lines),
    Rule("mail-subject", _ADVISE, "The subject has 10 to 78 characters", head.subject),
    most=MAX_PROBLEMS,
)


def check_letter(letter: Letter, house: House) -> tuple[Finding, ...]:
    """What the rules find in a letter, in the order of places."""
    found = [finding for rule in MAIL_RULES.values() for finding in rule.findings(letter, house)]
    return tuple(sorted(found, key=lambda finding: (finding.place, finding.rule, finding.message)))
