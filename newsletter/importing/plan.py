"""Decides, without writing, which file each text becomes, what it translates, and whether the door takes it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from newsletter.checks.texts.wording import SHORTCODE
from newsletter.html import markdown_faults, plain_text, to_html
from newsletter.importing.closing import blocks_of, fingerprint, repeated, without_close
from newsletter.importing.crossings import crossings_of
from newsletter.importing.dates import day_in_name, month_in, month_of_folder
from newsletter.importing.handmade import without_sites
from newsletter.importing.naming import name_and_pair
from newsletter.importing.nouns import Found, Kind, Outcome, RefusedSource, State
from newsletter.importing.pictures import Pictures, with_links, with_pictures
from newsletter.importing.tongue import guess_language, primary
from newsletter.model import Gravity, Status, Tlp, article_path
from newsletter.parsing import parse_article
from newsletter.parsing.fields import MAX_ITEMS, label, old_address, web_address
from newsletter.parsing.frontmatter import ABSENT
from newsletter.parsing.validate import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from newsletter.collect.fetch import FeedLimits
    from newsletter.importing.crossings import Crossings
    from newsletter.importing.nouns import Wishes
    from newsletter.model import Article, Language, Publication

MARKED: Final = re.compile(r"^[\W_]*(TLP:(?:RED|AMBER\+STRICT|AMBER|GREEN))[\W_]*$", re.MULTILINE)  # a line of its own
MAX_SUMMARY: Final = 300
MIN_SENTENCE: Final = 30
MAX_TRIED: Final = 5
MAX_REASON: Final = 400
MAX_SHOWN: Final = 80
MAX_NAME_BEFORE_DATE: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A text whose name, language, day and label are settled."""

    found: Found
    slug: str
    pair: str
    language: Language
    day: date
    tlp: Tlp
    guessed: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the site has already: the file of every slug and language, and what each holds as bytes."""

    publication: Publication
    holders: Mapping[tuple[str, str], str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    bytes_of: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One import: what is asked, what stands, and what has been decided so far.

    ``limits`` bound the fetching of pictures; None means that nothing is fetched.
    """

    wishes: Wishes
    ground: Ground
    limits: FeedLimits | None
    crossings: Crossings
    aliases: dict[str, str] = field(default_factory=dict)
    coming: dict[str, bytes] = field(default_factory=dict)

    @property
    def publication(self) -> Publication:
        """The site's own words."""
        return self.ground.publication


def place(
    results: Iterable[Found | tuple[str, RefusedSource]], wishes: Wishes, publication: Publication
) -> tuple[list[Placed], list[Outcome]]:
    """Settle what each text says of itself or must be guessed; what cannot be settled is refused with one message."""
    placed: list[Placed] = []
    refused: list[Outcome] = []
    everything = tuple(results)
    for result in everything:
        if not isinstance(result, Found):
            shown, why = result
            refused.append(Outcome(source=shown, state=State.REFUSED, problem=one_line(why)))
    for found in without_sites([result for result in everything if isinstance(result, Found)]):
        try:
            placed.append(_placed(found, wishes, publication))
        except RefusedSource as reason:
            refused.append(_refusal(found, reason))
    return _unclosed(placed, wishes), refused


def plan_articles(placed: Sequence[Placed], wishes: Wishes, ground: Ground, limits: FeedLimits | None) -> list[Outcome]:
    """The file that each article becomes. ``limits``: fetch pictures from allowed hosts within these; None: do not."""
    groups, outcomes = _grouped(placed, ground.publication)
    crossings = crossings_of(groups, ground.publication)
    run = Run(wishes=wishes, ground=ground, limits=limits, crossings=crossings, aliases=dict(ground.aliases))
    for slug, group in groups.items():
        outcomes += _plan_group(slug, group, run)
    return outcomes


def one_line(reason: object) -> str:
    """A message as one line of a bearable length, whatever it quotes."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(reason)).split())[:MAX_REASON]


def _refusal(found: Found, reason: object, **told: object) -> Outcome:
    values: dict[str, Any] = {"title": found.title, "day": found.day, "language": found.language} | told
    return Outcome(source=found.shown, state=State.REFUSED, problem=one_line(reason), **values)


# --- one text -------------------------------------------------------------------------------------------------


def _placed(found: Found, wishes: Wishes, publication: Publication) -> Placed:
    guessed = list(found.guessed)
    slug, pair, by_name = name_and_pair(found, publication.languages)
    if not slug:
        raise RefusedSource("no file name can be made of its name or title; rename it with letters a-z or digits")
    language = by_name or _own_language(found, publication) or wishes.language or ""
    if not language and (language := guess_language(found.body)):
        guessed.append("language: its commonest words")
    if not language:
        language = publication.first_language
        guessed.append("language: the site's first one")
    if language not in publication.languages:
        raise RefusedSource(f"its language {language!r} is none of this site's ({', '.join(publication.languages)})")
    day = _day(found, wishes, guessed)
    return Placed(
        found=found,
        slug=slug,
        pair=pair,
        language=publication.languages[publication.languages.index(language)],
        day=day,
        tlp=_tlp(found, wishes),
        guessed=tuple(guessed),
        remarks=found.remarks,
    )


def _own_language(found: Found, publication: Publication) -> str:
    """What the source says; a language that the site does not have stays, to be refused."""
    if not found.language:
        return ""
    return primary(found.language, publication.languages) or found.language.lower()[:20]


def _day(found: Found, wishes: Wishes, guessed: list[str]) -> date:
    """When it appeared. Never when its file was changed: a copied archive would be this month's news."""
    if found.day:
        return found.day
    for day, why in _likely_days(found):
        if day:
            guessed.append(f"date: {why}")
            return day
    if wishes.day:
        return wishes.day
    raise RefusedSource("no date was found; put one into its name, like 2019-05-12-usb-stick, or say --date")


def _likely_days(found: Found) -> Iterator[tuple[date | None, str]]:
    """What its names say, the surest first; of a month alone its first day, of a report's its last."""
    path = found.file.path
    if found.file.kind is Kind.REPORT and (month := month_in(found.title) or month_in(path.stem)):
        yield month.last_day, "the last day of its month"
    yield day_in_name(path.stem), "the file's name"
    yield day_in_name(found.address) or day_in_name(found.file.shown), "its old address or folder"
    if month := month_in(path.stem):
        yield month.first_day, "the month in the file's name"
    if month := month_of_folder(path.parent.as_posix()) or month_of_folder(urlsplit(found.address).path):
        yield month.first_day, "the month of its folder or old address"


def _tlp(found: Found, wishes: Wishes) -> Tlp:
    """Only its source may loosen a label, so its own word counts, then what the person says."""
    if found.tlp:
        try:
            return label(found.tlp)
        except FieldError as error:
            raise RefusedSource(f'its "tlp" {error}; {error.fix}') from None
    if wishes.tlp is None:
        raise RefusedSource("it has no TLP label; say --tlp CLEAR if everybody may read it")
    for mark in MARKED.findall(found.body):
        if wishes.tlp < Tlp(mark.removeprefix("TLP:")):
            raise RefusedSource(f"its text is marked {mark}, which --tlp {wishes.tlp.value} would loosen")
    return wishes.tlp


def _unclosed(placed: Sequence[Placed], wishes: Wishes) -> list[Placed]:
    """Without what stands at the end of every article; who signed is the author."""
    blocks = [blocks_of(one.found.body) for one in placed]
    known = frozenset(fingerprint(block) for block in wishes.close) | repeated(blocks)
    return [_without_close(one, parts, known) for one, parts in zip(placed, blocks, strict=True)]


def _without_close(one: Placed, blocks: Sequence[str], known: frozenset[str]) -> Placed:
    kept, names, dropped = without_close(blocks, known, page=one.found.file.kind is Kind.PAGE)
    if len(kept) == len(blocks):
        return one
    found = replace(one.found, body="\n\n".join(kept), authors=one.found.authors or names)
    told = tuple(f"standing close left out: {' '.join(block.split())[:60]}" for block in reversed(dropped))
    return replace(one, found=found, remarks=one.remarks + told)


# --- names and pairs ------------------------------------------------------------------------------------------


def _grouped(placed: Sequence[Placed], publication: Publication) -> tuple[dict[str, list[Placed]], list[Outcome]]:
    """Language versions by their common slug; texts that want a name which another one has are told apart by date."""
    families: defaultdict[str, list[Placed]] = defaultdict(list)
    names = _families(placed)
    for one, name in zip(placed, names, strict=True):
        families[name].append(one)
    groups: dict[str, list[Placed]] = {}
    outcomes: list[Outcome] = []
    for family in sorted(families.values(), key=lambda group: (min(one.day for one in group), group[0].found.shown)):
        versions: dict[str, Placed] = {}
        for one in family:
            if one.language in versions:
                other = versions[one.language].found.shown
                outcomes.append(_refusal(one.found, f"{other} is the same article in the same language; take one away"))
            else:
                versions[one.language] = one
        first = versions.get(publication.first_language) or next(iter(versions.values()))
        slug = (
            first.slug if first.slug not in groups else f"{first.slug[:MAX_NAME_BEFORE_DATE].rstrip('-')}-{first.day}"
        )
        if slug in groups:
            other = groups[slug][0].found.shown
            outcomes += [
                _refusal(one.found, f"{other} has the same name and date; rename one of the two")
                for one in versions.values()
            ]
            continue
        told = (f"name: {first.slug} was taken",) if slug != first.slug else ()
        groups[slug] = [replace(one, guessed=one.guessed + told) for one in versions.values()]
    return groups, outcomes


def _families(placed: Sequence[Placed]) -> list[str]:
    """For each text the name of its family: by what its name says, or by the addresses of its translations."""
    family = {one.pair: one.pair for one in placed}

    def head(pair: str) -> str:
        while family[pair] != pair:
            pair = family[pair]
        return pair

    by_address = {_bare(one.found.address): one for one in placed if one.found.address}
    for one in placed:
        for other in one.found.others:
            sibling = by_address.get(_bare(other))
            if sibling is not None and sibling.language != one.language:
                family[head(one.pair)] = head(sibling.pair)
    return [head(one.pair) for one in placed]


def _bare(address: str) -> str:
    return re.sub(r"^https?://", "", address.partition("#")[0]).rstrip("/")


# --- one article in its languages -----------------------------------------------------------------------------


def _plan_group(slug: str, group: Sequence[Placed], run: Run) -> list[Outcome]:
    """The original first, since its translations name its digest and share its facts."""
    first = run.publication.first_language
    original = next((one for one in group if one.language == first), None)
    outcomes: list[Outcome] = []
    text = None
    if original is not None:
        outcome, text = _article(slug, original, None, run)
        outcomes.append(outcome)
    elif (slug, first) in run.ground.holders:
        text = _standing(slug, run.ground)
    for one in group:
        if one is original:
            continue
        if text is not None and one.tlp > text.tlp:
            reason = f"it is {one.tlp}, but its original {text.path} is {text.tlp}; label both alike"
            outcomes.append(_refusal(one.found, reason, day=one.day, language=one.language))
        elif text is not None:
            outcomes.append(_article(slug, one, text, run)[0])
        elif original is not None:
            reason = f"its original {original.found.shown} was refused, and a translation cannot stand alone"
            outcomes.append(_refusal(one.found, reason, day=one.day, language=one.language))
        else:
            reason = f"there is no version in the site's first language ({first}); import that one with it"
            outcomes.append(_refusal(one.found, reason, day=one.day, language=one.language))
    return outcomes


def _standing(slug: str, ground: Ground) -> Article | None:
    """The original that the site has already."""
    first = ground.publication.first_language
    path = ground.holders.get((slug, first), "")
    data = ground.bytes_of.get(path)
    return parse_article(data, path, first).value if data is not None else None


def _article(slug: str, one: Placed, original: Article | None, run: Run) -> tuple[Outcome, Article | None]:
    """What becomes of one text, and the article that it is if the door takes it and nothing stands in its place."""
    found, remarks = one.found, list(one.remarks)
    day = original.date if original else one.day
    if day != one.day:
        remarks.append(f"date of its original, {day}, instead of {one.day}")
    target = f"articles/{day.year}/{slug}.{one.language}.md"
    pictures = Pictures(found.file, slug, found.address, run.wishes.hosts, run.limits)
    body = with_pictures(found.body, pictures)
    body, lost = with_links(body, lambda target: run.crossings.now(target, one))
    head, guessed = _head(replace(one, slug=slug, found=replace(found, body=body)), original, run, remarks, pictures)
    data = _document(head, guessed, body).encode(errors="replace")
    outcome = Outcome(
        source=found.shown,
        state=State.NEW,
        target=target,
        title=found.title,
        day=day,
        language=one.language,
        guessed=guessed,
        pictures=len(pictures.taken) + len(pictures.remote),
        remarks=(*remarks, *pictures.remarks, *lost),
        files={f"articles/{day.year}/{name}": content for name, content in pictures.taken.items()} | {target: data},
    )
    parsed = parse_article(data, target, one.language)
    if parsed.value is None:
        finding = next(finding for finding in parsed.findings if finding.gravity is Gravity.BLOCK)
        where = f"line {finding.place.line} as it would be written"
        reason = f"the door refuses it ({where}): {finding.message}; {finding.fix}"
        return replace(outcome, state=State.REFUSED, problem=one_line(reason), files={}), None
    outcome = _against(outcome, slug, run, unseen=bool(pictures.remote))
    return outcome, None if outcome.state is State.CONFLICT else parsed.value


def _against(outcome: Outcome, slug: str, run: Run, *, unseen: bool) -> Outcome:
    """The outcome beside what the site has, and what this import will make: never over it.

    ``unseen``: pictures were not fetched, so what stands cannot be compared with what would come.
    """
    ground = run.ground
    holder = ground.others.get(slug) or ground.holders.get((slug, outcome.language))
    if holder and holder != outcome.target:
        return _conflict(outcome, f"{holder} has its name already, and stays")
    if holder and unseen:
        told = "not compared with what stands: its pictures are fetched with --write only"
        return replace(outcome, state=State.UNCHANGED, guessed=(), remarks=(told,), files={})
    for path, data in outcome.files.items():
        if ground.bytes_of.get(path, data) != data:
            return _conflict(outcome, f"{path} exists with another content, and is not overwritten")
        if run.coming.get(path, data) != data:
            return _conflict(outcome, f"{path} would be written with another content by another source")
    if all(path in ground.bytes_of for path in outcome.files):
        return replace(outcome, state=State.UNCHANGED, guessed=(), remarks=(), files={})
    run.coming.update(outcome.files)
    return outcome


def _conflict(outcome: Outcome, problem: str) -> Outcome:
    return replace(outcome, state=State.CONFLICT, problem=problem, files={})


# --- front matter ---------------------------------------------------------------------------------------------


def _head(
    one: Placed, original: Article | None, run: Run, remarks: list[str], pictures: Pictures
) -> tuple[list[tuple[str, object]], tuple[str, ...]]:
    """The fields in their order, and what of them was guessed. A translation has its original's facts."""
    found, guessed = one.found, list(one.guessed)
    summary = _summary(found, guessed, remarks)
    canonical, old = _addresses(one, run, remarks)
    day = original.date if original else one.day
    tlp = original.tlp if original else one.tlp
    status = original.status if original else _status(one, run.wishes, remarks)
    head: list[tuple[str, object]] = [
        ("title", found.title),
        ("date", day),
        ("updated", found.updated if found.updated and found.updated > day else None),
        ("authors", found.authors[:MAX_ITEMS]),
        ("summary", summary),
        ("themes", original.themes if original else _themes(found, run.publication, remarks)),
        ("tlp", tlp.value),
        ("license", found.license),
        *_lead_picture(found, remarks, pictures),
        ("aliases", old),
        ("canonical", canonical),
        ("status", status.value if status is not Status.PUBLISHED else ""),
        ("translates", original.digest if original else ""),
    ]
    return head, tuple(guessed)


def _status(one: Placed, wishes: Wishes, remarks: list[str]) -> Status:
    """Hugo, Jekyll and Pelican hide what is dated in the future; our archive shows all that is no draft."""
    if one.found.status is Status.PUBLISHED and wishes.today and one.day > wishes.today:
        remarks.append("a draft, since its date is still to come; take `status: draft` away when it may be read")
        return Status.DRAFT
    return one.found.status


def _summary(found: Found, guessed: list[str], remarks: list[str]) -> str:
    """What stands in lists and letters: its own, else its beginning, else its title."""
    summary = _without_shortcodes(found.summary, found, remarks) if found.summary.lower() not in ABSENT else ""
    if summary:
        return summary
    if summary := _without_shortcodes(first_sentences(found.body), found, remarks):
        guessed.append("summary: its first sentences")
        return summary
    guessed.append("summary: its title")
    return found.title


def _without_shortcodes(summary: str, found: Found, remarks: list[str]) -> str:
    """Letters would print them; in other texts than Markdown they are what the text is about."""
    codes = SHORTCODE.findall(summary) if found.file.kind is Kind.MARKDOWN else []
    if not codes:
        return summary
    remarks.append(f"left out of the summary, since only its old tool understood it: {codes[0][:MAX_SHOWN]}")
    return " ".join(SHORTCODE.sub("", summary).split())


def _lead_picture(found: Found, remarks: list[str], pictures: Pictures) -> list[tuple[str, object]]:
    """A picture above the text needs words for who cannot see it, and those are not invented."""
    if found.image and not found.image_alt:
        remarks.append(f"picture left out, since nothing says what it shows: {found.image[:MAX_SHOWN]}")
    elif found.image and (name := pictures.take(found.image)):
        return [("image", name), ("image_alt", found.image_alt)]
    return []


def first_sentences(markdown: str) -> str:
    """The beginning of a text in words, for its summary: of its first paragraph, else of whatever has words."""
    blocks = blocks_of(markdown)
    prose = [block for block in blocks if not re.match(r"[#>|`~!\-*]|\d+[.)]", block)]
    for block in (*prose[:MAX_TRIED], *blocks[:MAX_TRIED]):
        text = plain_text(to_html(block)) if not markdown_faults(block) else ""
        if re.search(r"\w", text) and text.lower() not in ABSENT:
            return _shortened(text)
    return ""


def _shortened(text: str) -> str:
    if len(text) <= MAX_SUMMARY:
        return text
    end = max((found.end() for found in re.finditer(r"[.!?](?=\s)", text[:MAX_SUMMARY])), default=0)
    if end >= MIN_SENTENCE:
        return text[:end]
    cut = text[: MAX_SUMMARY - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:") + "\N{HORIZONTAL ELLIPSIS}"


def _themes(found: Found, publication: Publication, remarks: list[str]) -> tuple[str, ...]:
    """Those of the site, by their names in any language; other words are told, not kept."""
    names = {_plain(name): theme for theme, said in publication.themes.items() for name in (theme, *said.values())}
    kept = dict.fromkeys(names[_plain(word)] for word in found.themes if _plain(word) in names)
    unknown = [word for word in dict.fromkeys(found.themes) if _plain(word) not in names]
    if unknown:
        remarks.append(f"tags that are no themes of this site: {', '.join(unknown)[:120]}")
    return tuple(kept)


def _plain(word: str) -> str:
    return " ".join(re.findall(r"\w+", word.casefold().replace("-", " ").replace("_", " ")))


def _addresses(one: Placed, run: Run, remarks: list[str]) -> tuple[str, tuple[str, ...]]:
    """Where it first appeared, if that is another host; and the old paths of ours that lead here now."""
    found, canonical, paths, ours = one.found, "", list(one.found.aliases), urlsplit(run.publication.base_url)
    if found.address and urlsplit(found.address).hostname == ours.hostname:
        paths.insert(0, urlsplit(found.address).path.removeprefix(ours.path.rstrip("/")))
    elif found.address:
        try:
            canonical = web_address(found.address.partition("#")[0])
        except FieldError as error:
            remarks.append(f"its old address {error}")
    kept: list[str] = []
    own = article_path(one.language, one.slug)
    for path in dict.fromkeys(path if path.startswith("/") else f"/{path}" for path in paths if "://" not in path):
        try:
            usable = old_address(path)
        except FieldError:
            remarks.append(f"old address left out, since it cannot be served: {path[:MAX_SHOWN]}")
            continue
        if usable.rstrip("/") in ("", own.rstrip("/")):
            continue
        owner = run.aliases.setdefault(usable.rstrip("/"), f"{one.slug}.{one.language}")
        if owner != f"{one.slug}.{one.language}":
            remarks.append(f"old address left out, since {owner} has it: {path[:MAX_SHOWN]}")
        else:
            kept.append(usable)
    return canonical, tuple(kept[:MAX_ITEMS])


def _document(head: Sequence[tuple[str, object]], guessed: Sequence[str], body: str) -> str:
    """The file: what was guessed stands in comments, for whoever looks it through."""
    lines = [f"{name}: {_yaml(value)}" for name, value in head if value]
    comments = [f"# guessed: {' '.join(one.split())}" for one in guessed]
    return "\n".join(["---", *lines, *comments, "---", body.strip("\n"), ""])


def _yaml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_quoted, value))}]"
    if isinstance(value, date) or (isinstance(value, str) and re.fullmatch(r"[A-Z+]+|[a-z]+", value)):
        return str(value) if not isinstance(value, str) or value not in ("null", "n") else _quoted(value)
    return _quoted(str(value))


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'
