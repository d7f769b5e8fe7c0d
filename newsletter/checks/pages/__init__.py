"""The rules over the archive's pages as they would be published: each by itself, and all together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from newsletter.checks.pages import looks, whole
from newsletter.checks.pages.view import SiteView
from newsletter.checks.rule import Rule, by_code
from newsletter.model import Gravity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from newsletter.checks.house import House
    from newsletter.checks.pages.view import PageView
    from newsletter.model import Finding
    from newsletter.render.site import Page

MAX_PROBLEMS: Final = 50  # of one rule in one page, or of one rule over all of them

_BLOCK, _ADVISE = Gravity.BLOCK, Gravity.ADVISE


PAGE_RULES: Final[dict[str, Rule[PageView]]] = by_code(
    Rule("page-markup", _BLOCK, "The HTML is whole: nothing for a browser to repair", looks.broken),
    Rule("page-title", _BLOCK, "Each page has a title", looks.title),
    Rule("page-description", _ADVISE, "Each page has a description of 10 to 320 characters", looks.description),
    Rule("page-heading", _BLOCK, "One h1, and no level of headings left out", looks.headings),
    Rule("page-language", _BLOCK, "Each page says its language, which the site has", looks.language),
    Rule("page-address", _BLOCK, "Canonical address and other languages are pages that there are", looks.addresses),
    Rule("page-inline", _BLOCK, "No script or style inside pages", looks.inline),
    Rule("page-policy", _BLOCK, "Each page carries a policy without holes", looks.policy),
    Rule("page-image", _BLOCK, "Images have words and a file", looks.images),
    Rule("page-remote", _BLOCK, "Opening a page contacts nobody else", looks.remote),
    Rule("page-link-dead", _BLOCK, "Links into the archive lead somewhere", looks.links),
    Rule("page-placeholder", _BLOCK, "Nothing is left over from templates", looks.placeholders),
    most=MAX_PROBLEMS,
)

ARCHIVE_RULES: Final[dict[str, Rule[SiteView]]] = by_code(
    Rule("page-title-twice", _ADVISE, "No two pages of a language have one title", whole.titles),
    Rule("page-feed", _BLOCK, "Feeds are valid Atom (RFC 4287)", whole.feeds),
    Rule("page-sitemap", _BLOCK, "The sitemap names every article and report, and nothing twice", whole.sitemap),
    most=MAX_PROBLEMS,
)


def check_pages(pages: Iterable[Page], house: House) -> tuple[Finding, ...]:
    """What the rules find in these pages, which are the whole archive, in the order of places."""
    site = SiteView(pages, house.publication.base_url)
    found: list[Finding] = []
    for page in site:
        found += [finding for rule in PAGE_RULES.values() for finding in rule.findings(page, house)]
        page.forget()
    found += [finding for rule in ARCHIVE_RULES.values() for finding in rule.findings(site, house)]
    # What several pages show of one file is found there once.
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: (finding.place, finding.rule, finding.message)))
