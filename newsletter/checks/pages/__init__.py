"""The rules over the archive's pages as they would be published: each by itself, and all together."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from newsletter.checks.pages import looks, whole
from newsletter.checks.pages.view import SiteView
from newsletter.model import Finding, Gravity, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from newsletter.checks.house import House
    from newsletter.checks.pages.view import PageView
    from newsletter.checks.rule import Problem
    from newsletter.render.site import Page

MAX_PROBLEMS: Final = 50  # of one rule in one page, or of one rule over all of them

_BLOCK, _ADVISE = Gravity.BLOCK, Gravity.ADVISE


class PageRule(NamedTuple):
    """One thing that we look for in a page. Codes are stable: waivers and reports name them."""

    code: str
    gravity: Gravity
    title: str
    function: Callable[[PageView, House], Iterator[Problem]]

    def findings(self, page: PageView, house: House) -> Iterator[Finding]:
        """The first ``MAX_PROBLEMS`` that it finds in this page."""
        return _found(self.code, self.gravity, self.function(page, house))


class SiteRule(NamedTuple):
    """One thing that we look for in all pages together."""

    code: str
    gravity: Gravity
    title: str
    function: Callable[[SiteView, House], Iterator[Problem]]

    def findings(self, site: SiteView, house: House) -> Iterator[Finding]:
        """The first ``MAX_PROBLEMS`` that it finds."""
        return _found(self.code, self.gravity, self.function(site, house))


PAGE_RULES: Final[tuple[PageRule, ...]] = (
    PageRule("page-markup", _BLOCK, "The HTML is whole: nothing for a browser to repair", looks.broken),
    PageRule("page-title", _BLOCK, "Each page has a title", looks.title),
    PageRule("page-description", _ADVISE, "Each page has a description of 10 to 320 characters", looks.description),
    PageRule("page-heading", _BLOCK, "One h1, and no level of headings left out", looks.headings),
    PageRule("page-language", _BLOCK, "Each page says its language, which the site has", looks.language),
    PageRule("page-address", _BLOCK, "Canonical address and other languages are pages that there are", looks.addresses),
    PageRule("page-inline", _BLOCK, "No script or style inside pages", looks.inline),
    PageRule("page-policy", _BLOCK, "Each page carries a policy without holes", looks.policy),
    PageRule("page-image", _BLOCK, "Images have words and a file", looks.images),
    PageRule("page-remote", _BLOCK, "Opening a page contacts nobody else", looks.remote),
    PageRule("page-link-dead", _BLOCK, "Links into the archive lead somewhere", looks.links),
    PageRule("page-placeholder", _BLOCK, "Nothing is left over from templates", looks.placeholders),
)

SITE_RULES: Final[tuple[SiteRule, ...]] = (
    SiteRule("page-title-twice", _ADVISE, "No two pages of a language have one title", whole.titles),
    SiteRule("page-feed", _BLOCK, "Feeds are valid Atom (RFC 4287)", whole.feeds),
    SiteRule("page-sitemap", _BLOCK, "The sitemap names every article and report, and nothing twice", whole.sitemap),
)


def check_pages(pages: Iterable[Page], house: House) -> tuple[Finding, ...]:
    """What the rules find in these pages, which are the whole archive, in the order of places."""
    site = SiteView(pages, house.publication.base_url)
    found = [finding for page in site for rule in PAGE_RULES for finding in rule.findings(page, house)]
    found += [finding for rule in SITE_RULES for finding in rule.findings(site, house)]
    return tuple(sorted(found, key=lambda finding: (finding.place, finding.rule, finding.message)))


def _found(code: str, gravity: Gravity, problems: Iterable[Problem]) -> Iterator[Finding]:
    for problem in islice(problems, MAX_PROBLEMS):
        yield Finding(code, gravity, Place(problem.path, problem.line, problem.column), problem.message, problem.fix)
