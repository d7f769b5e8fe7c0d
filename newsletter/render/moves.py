"""Old addresses: an alias answers with a small page that leads on, and the list tells a server to say 301."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from newsletter.errors import ContentError
from newsletter.model import article_path
from newsletter.render.press import POLICY
from newsletter.render.site import INDEXES, LEAVES, Page

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from newsletter.model import Article, Language
    from newsletter.render.press import Press
    from newsletter.render.site import Shelf

FOR_EVER: Final = 301
FOR_NOW: Final = 302
REDIRECTS: Final = "_redirects"
LATEST: Final = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An old address, and the one that answers now; both are paths below the base. ``file`` answers at the old one."""

    old: str
    new: str
    title: str
    language: Language
    status: int
    file: str


def moves(articles: Iterable[Article], shelves: Sequence[Shelf], taken: Collection[str]) -> Iterator[Move]:
    """The aliases of every article, then /language/reports/latest/. ``taken`` are the files of real pages.

    ContentError names every alias that is somebody else's address; two languages of one article may share an alias.
    """
    owners: dict[str, Article] = {}
    problems = []
    order = {shelf.language: position for position, shelf in enumerate(shelves)}
    for article in sorted(articles, key=lambda a: (a.slug, order.get(a.language, len(order)))):
        for alias in article.aliases:
            file = _file(alias)
            if file in taken:
                problems.append(f"{article.path}: alias {alias} is the address of a page; remove it")
            elif owners.setdefault(file, article).slug != article.slug:
                problems.append(f"{article.path}: alias {alias} belongs to {owners[file].path}; remove one of them")
            elif owners[file] is article:
                yield _alias(alias, article, file)
    if problems:
        raise ContentError(problems)
    for shelf in shelves:
        if shelf.issues:
            folder = f"/{shelf.language}/reports/"
            yield Move(
                old=f"{folder}{LATEST}/",
                new=f"{folder}{shelf.issues[0].month}/",
                title=shelf.issues[0].title,
                language=shelf.language,
                status=FOR_NOW,
                file=_file(f"{folder}{LATEST}/"),
            )


def _alias(address: str, article: Article, file: str) -> Move:
    return Move(
        old=address,
        new=article_path(article.language, article.slug),
        title=article.title,
        language=article.language,
        status=FOR_EVER,
        file=file,
    )


def redirect_pages(press: Press, moved: Iterable[Move]) -> Iterator[Page]:
    """A page at each old address, for hosts that know no redirects."""
    for move in moved:
        html = press.render(
            move.language,
            "redirect.html",
            language=move.language,
            policy=POLICY,
            stylesheet=press.url(f"/{press.stylesheet.path}"),
            icon=press.url(f"/{press.icon.path}"),
            href=press.url(move.new),
            address=press.publication.url(move.new),
            title=move.title,
        )
        yield Page(move.file, html.encode(), LEAVES if move.status == FOR_EVER else INDEXES)


def redirect_list(press: Press, moved: Iterable[Move]) -> Page:
    """The file ``_redirects``: old address, new address and status in each line."""
    lines = [f"{quote(press.url(move.old), safe='/%')} {press.url(move.new)} {move.status}\n" for move in moved]
    return Page(REDIRECTS, "".join(lines).encode(), INDEXES)


def _file(address: str) -> str:
    """The file that answers: a/b/index.html for /a/b/ and /a/b, and /a/b.html is its own."""
    path = unquote(address)
    if not path.endswith("/") and "." in path.rpartition("/")[2]:
        return path.lstrip("/")
    return f"{path.strip('/')}/index.html".lstrip("/")
