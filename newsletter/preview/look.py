"""One subject as readers will get it: the letter in which it comes first, and its page. Reads pictures, nothing else.

The letter is composed, rendered and inlined as for a release, so that what is looked at is what will be sent.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from newsletter import pipeline
from newsletter.collect.metadata import kind_of
from newsletter.collect.pictures import read_pictures
from newsletter.compose import NOT_PRINTED, compose
from newsletter.handling import for_audience, may_read
from newsletter.model import (
    PUBLIC,
    PUBLIC_AUDIENCE,
    UNSUBSCRIBE_SLOT,
    Article,
    Audience,
    EditorNote,
    Incident,
    Month,
    PublishedEdition,
    Status,
    Tlp,
)
from newsletter.pipeline import NOBODYS_TOKEN
from newsletter.render.mail import LOGO, render_report
from newsletter.render.press import Press
from newsletter.render.site import Site, shelve
from newsletter.render.web import article_page, report_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from newsletter.app import App
    from newsletter.collect.memory import Memory
    from newsletter.model import Collected, Language, Report
    from newsletter.preview.subject import Subject
    from newsletter.render.site import Page, Shelf

Shown: TypeAlias = Article | Incident | EditorNote
T = TypeVar("T")

NO_DIGEST: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Stock:
    """What looks are made of: the site, and everything that was collected from it."""

    app: App
    collected: Collected
    editions: tuple[PublishedEdition, ...]
    memory: Memory


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the month, by its address in the preview."""

    address: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What readers would get. ``html`` and ``text`` are the letter's; ``assets`` are what the page needs, by path.

    ``remarks`` say where this is not what the public gets; ``heading`` is where the subject begins in the letter;
    ``digest`` knows the text again after its file was renamed.
    """

    title: str
    language: Language
    month: Month
    subject_line: str
    html: str
    text: str
    page: bytes
    assets: Mapping[str, bytes]
    remarks: tuple[str, ...]
    entries: tuple[Entry, ...]
    heading: str = ""
    digest: str = ""


def noun_of(subject: Subject, collected: Collected) -> Shown | None:
    """What the subject's file became; None for a month, and for a file that is gone or not understood."""
    nouns: Iterable[Shown] = (*collected.articles, *collected.incidents, *collected.notes)
    return next((noun for noun in nouns if noun.path == subject.path), None)


def moved_to(digest: str, subject: Subject, collected: Collected) -> str:
    """The path at which the same text stands now; nothing if it is nowhere."""
    nouns: tuple[Article | Incident, ...] = (*collected.articles, *collected.incidents)
    same = (noun.path for noun in nouns if noun.digest == digest and noun.language == subject.language)
    return next(same, "")


def look_at(subject: Subject, stock: Stock, *, prefix: str) -> Look:
    """The subject as it is now; ``prefix`` is where its page's links begin.

    Raises:
        ConfigError: a template or a setting is broken.
        LookupError: the subject is not there.
    """
    app = stock.app
    noun = noun_of(subject, stock.collected)
    month = subject.month or month_of(noun)
    stock = replace(stock, collected=_brought_forward(noun, month, stock.collected))
    report = _report(month, noun, subject.language, stock)
    letter = render_report(report, app.publication, app.templates)
    press = Press(app.publication, app.templates, prefix=prefix)
    if isinstance(noun, Article):
        page, pictures = _article_page(noun, stock, press)
    else:
        reports = {language: _report(month, noun, language, stock) for language in app.publication.languages}
        page, pictures = _month_page(month, reports, subject.language, stock, press), {}
    return Look(
        title=noun.title if isinstance(noun, Article | Incident) else letter.subject,
        language=subject.language,
        month=month,
        subject_line=letter.subject,
        html=_as_read(letter.html, app),
        text=letter.text.replace(UNSUBSCRIBE_SLOT, NOBODYS_TOKEN),
        page=page.content,
        assets={asset.path: asset.content for asset in (press.stylesheet, press.icon)} | pictures,
        remarks=tuple(_remarks(noun)),
        entries=tuple(_entries(report, stock.collected, month)),
        heading=noun.title if isinstance(noun, Article | Incident) else "",
        digest=noun.digest if isinstance(noun, Article | Incident) else "",
    )


def month_of(noun: Shown | None) -> Month:
    """The month whose report tells of it. LookupError where there is nothing."""
    if noun is None:
        raise LookupError("a month or a file is needed")
    if isinstance(noun, Article):
        return Month.of(noun.date)
    return noun.month if isinstance(noun, EditorNote) else noun.detected.month


# --- the letter -------------------------------------------------------------------------------


def _brought_forward(noun: Shown | None, month: Month, collected: Collected) -> Collected:
    """The content with this noun first in its month, if it is one that a month lists; nothing else above CLEAR."""
    if noun is None or isinstance(noun, EditorNote):
        return collected
    name = _name(noun)
    others = tuple(note for note in collected.notes if note.month != month)
    notes = tuple(
        replace(note, order=(name, *note.order))
        for note in for_audience(collected.notes, PUBLIC_AUDIENCE)
        if note.month == month
    )
    if not notes:
        notes = (EditorNote(month=month, language=noun.language, tlp=Tlp.CLEAR, path="", order=(name,)),)
    return replace(
        collected,
        articles=tuple(
            replace(article, status=Status.PUBLISHED) if article.slug == name else article
            for article in collected.articles
            if article.slug == name or may_read(PUBLIC_AUDIENCE, article.tlp)
        ),
        incidents=tuple(i for i in collected.incidents if i.id == name or may_read(PUBLIC_AUDIENCE, i.tlp)),
        notes=(*others, *notes),
    )


def _report(month: Month, noun: Shown | None, language: Language, stock: Stock) -> Report:
    clearance = noun.tlp if isinstance(noun, Article | Incident) else PUBLIC_AUDIENCE.clearance
    audience = Audience(PUBLIC, max(clearance, PUBLIC_AUDIENCE.clearance))
    return compose(month, stock.collected, audience=audience, language=language, publication=stock.app.publication)


def _as_read(html: str, app: App) -> str:
    """The HTML as it comes out of the mail: CRLF, a personal link that is nobody's, the logo where browsers see it."""
    html = html.rstrip("\n") + "\n"
    html = html.replace(UNSUBSCRIBE_SLOT, NOBODYS_TOKEN).replace("\n", "\r\n")
    logo = pipeline.logo(app) if LOGO in html else None
    if logo is None:
        return html
    return html.replace(LOGO, f"data:image/{kind_of(logo)};base64,{base64.b64encode(logo).decode()}")


def _name(noun: Article | Incident) -> str:
    return noun.slug if isinstance(noun, Article) else noun.id


def _remarks(noun: Shown | None) -> Iterable[str]:
    if noun is None:
        return
    if not may_read(PUBLIC_AUDIENCE, noun.tlp):
        yield f"{noun.tlp}: the public gets nothing of this, in no mail and on no page"
    if isinstance(noun, Article) and noun.status is not Status.PUBLISHED:
        yield f"status: {noun.status}: the coming report leaves it out"
    if isinstance(noun, Incident) and (noun.status in NOT_PRINTED or noun.rsit.name == "test"):
        yield "no report prints it: it is a test, a duplicate or a false positive"


def _entries(report: Report, collected: Collected, month: Month) -> Iterable[Entry]:
    """The files of the month in the letter's order, the note first."""
    for note in collected.notes:
        if note.month == month and note.path:
            yield Entry(note.path, note.title or f"Editor's note ({note.language})")
    incidents = {(i.id, i.language): i.path for i in collected.incidents}
    articles = {(a.slug, a.language): a.path for a in collected.articles}
    for incident in report.incidents:
        yield Entry(incidents[incident.id, incident.language], incident.title)
    for article in report.articles:
        yield Entry(articles[article.slug, article.language], article.title)


# --- the page ---------------------------------------------------------------------------------


def _shelf(stock: Stock, language: Language, press: Press, *, slug: str = "") -> Shelf:
    """The archive with what the public may read, and the article that is looked at whatever it says of itself."""
    articles = tuple(
        article
        for article in stock.collected.articles
        if article.slug == slug or (may_read(PUBLIC_AUDIENCE, article.tlp) and article.status is not Status.DRAFT)
    )
    return shelve(Site(stock.app.publication, articles, stock.editions), language, press.prefix)


def _article_page(noun: Article, stock: Stock, press: Press) -> tuple[Page, dict[str, bytes]]:
    shelf = _shelf(stock, noun.language, press, slug=noun.slug)
    place = next(n for n, shown in enumerate(shelf.articles) if shown.article.slug == noun.slug)
    shown = shelf.articles[place]
    if noun.status is Status.WITHDRAWN:  # it was brought forward as if it were not, for the letter's sake
        shown = replace(shown, article=noun)
    newer, older = _neighbours(shelf.articles, place)
    pictures, _ = read_pictures(stock.app.root, [noun], stock.memory)
    files = {f"{noun.language}/articles/{slug}/{name}": content for (slug, name), content in pictures.items()}
    return article_page(press, shelf, shown, newer=newer, older=older), files


def _month_page(month: Month, reports: dict[Language, Report], language: Language, stock: Stock, press: Press) -> Page:
    """The report's page as it will be once it was sent."""
    coming = PublishedEdition(
        month=month,
        digest=NO_DIGEST,
        previous=None,
        released=pipeline.planned_date(month, stock.app),
        reports=reports,
        files={},
    )
    others = (edition for edition in stock.editions if edition.month != month)
    shelf = _shelf(replace(stock, editions=(*others, coming)), language, press)
    place = next(n for n, issue in enumerate(shelf.issues) if issue.month == month)
    newer, older = _neighbours(shelf.issues, place)
    return report_page(press, shelf, shelf.issues[place], newer=newer, older=older)


def _neighbours(newest_first: tuple[T, ...], place: int) -> tuple[T | None, T | None]:
    newer = newest_first[place - 1] if place else None
    older = newest_first[place + 1] if place + 1 < len(newest_first) else None
    return newer, older
