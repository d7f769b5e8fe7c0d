"""collect -> compose -> render -> publish -> deliver: the only file that knows the order of the stages.

``run_month`` is the main job. It may be called at any time, any number of times, from any number of processes: what
was done stays done, and the store's rows say what comes next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any, Final

import structlog

from newsletter import schedule
from newsletter.checks import check_content, check_letters, check_pages, is_fixed, weighed
from newsletter.collect.editions import REPORT_JSON, past_editions, read_editions
from newsletter.collect.files import collect_files
from newsletter.collect.pictures import ENDINGS, read_pictures
from newsletter.compose import compose
from newsletter.deliver.engine import deliver_due
from newsletter.deliver.letters import address_letter
from newsletter.deliver.message import as_sent, compile_variant, edition_digest
from newsletter.errors import ConfigError, ConflictError, ContentError, PreflightError, RefusedError
from newsletter.handling import Gate, for_audience, forbidden_phrases
from newsletter.model import (
    PUBLIC_AUDIENCE,
    TOKEN_LENGTH,
    Address,
    Forced,
    Gravity,
    MailingState,
    PublishedEdition,
    Status,
    Subscriber,
    SubscriberId,
    report_path,
)
from newsletter.publish.archive import publish
from newsletter.publish.editions import edition_files, export_edition, manifest_of
from newsletter.render.mail import render_report
from newsletter.render.site import Site
from newsletter.render.web import render_site
from newsletter.store import feeds, mailings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from newsletter.app import App
    from newsletter.checks.house import House
    from newsletter.collect.editions import Manifest
    from newsletter.collect.memory import Memory
    from newsletter.deliver.run import Progress, Tally
    from newsletter.model import (
        Collected,
        CompiledVariant,
        Finding,
        Mailing,
        Month,
        Preflight,
        Publication,
        Report,
        Variant,
    )
    from newsletter.publish.archive import Published
    from newsletter.render.site import Page

log = structlog.get_logger(__name__)

# Once here, a mailing's bytes are decided: preparing again continues it instead of making another.
OUT: Final = frozenset({MailingState.RELEASED, MailingState.SENT})
SETTLED: Final = OUT | {MailingState.CANCELLED}  # nobody works at such a month any more
DECIDED: Final = SETTLED | {MailingState.RELEASING}

RELEASE_LOCK: Final = "release"
NOBODY: Final = SubscriberId(0)
NOBODYS_TOKEN: Final = "0" * TOKEN_LENGTH
PICTURE_ENDINGS: Final = tuple(f".{ending}" for endings in ENDINGS.values() for ending in endings)


@dataclass(frozen=True, slots=True)
class Force:
    """Somebody lets a month pass although something blocks it, and says why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """One month as it would leave now: the letters of every language, and what an editor should know about it."""

    month: Month
    variants: tuple[Variant, ...]
    compiled: tuple[CompiledVariant, ...]
    collected: Collected
    preflight: Preflight

    @property
    def digest(self) -> str:
        """The edition's digest: what an approval is bound to."""
        return edition_digest(self.compiled)


def run_month(
    month: Month,
    app: App,
    *,
    expected: str | None = None,
    force: Force | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = lambda _: None,
) -> Mailing:
    """Bring the month's report as far as it may go: to the wait for approval, or to the last letter that is due.

    ``expected`` is the digest that somebody said yes to: ConflictError when the edition is another one by now.
    ``force`` lets it pass the preflight.
    """
    mailing = prepare(month, app, force=force)
    if expected and mailing.digest != expected:
        raise ConflictError(f"the report of {month} changed meanwhile: look at it again; nothing was sent")
    keep_word(mailing, app)
    if waits_for_approval(mailing, app):
        log.info("waits for approval", month=str(month), digest=mailing.digest)
        return mailing
    release(mailing, app, force=force)
    deliver(month, app, stop=stop, progress=progress)
    return current(month, app)


# --- collect, compose, render -----------------------------------------------------------------


def gather(app: App, month: Month | None = None) -> tuple[Collected, Preflight, tuple[PublishedEdition, ...]]:
    """Everything that a report may be composed of, what the preflight says about it, and the editions released before.

    Feed entries come with a ``month`` only: those that were first seen shortly before it, and later.

    Raises:
        ContentError: some file cannot be read, or nothing can be made of it; everything that blocks at once.
    """
    collected, findings, editions = looked(app, month)
    preflight = weighed(findings, collected, app.house, elsewhere=False)
    _refuse(preflight.blocking)
    return collected, preflight, editions


def looked(app: App, month: Month | None = None) -> tuple[Collected, tuple[Finding, ...], tuple[PublishedEdition, ...]]:
    """As ``gather``, but nothing is refused: what is found in the content is told."""
    collected, findings, editions = collect(app, month)
    return collected, (*findings, *check_content(collected, app.house)), editions


def collect(
    app: App, month: Month | None = None, memory: Memory | None = None
) -> tuple[Collected, tuple[Finding, ...], tuple[PublishedEdition, ...]]:
    """As ``gather``, but nothing is judged: there are findings only about what could not be read.

    ``memory`` is of the last time, if there was one.
    """
    collected, findings = collect_files(app.root, app.publication.languages, memory)
    editions = read_editions(app.editions_folder, memory)
    followed = _from_store(app, month) if month else {}
    collected = replace(collected, past=past_editions(editions), sources=app.settings.feeds.sources, **followed)
    return collected, findings, editions


def draft(month: Month, app: App, *, only: frozenset[tuple[str, str]] | None = None) -> Draft:
    """The month as it would leave now; stores and sends nothing. ``only``: no feed entries but these (source, guid).

    Raises:
        ContentError: as ``gather``.
        HandlingError: something rendered holds what its readers may not see.
    """
    collected, found, editions = looked(app, month)
    _refuse(weighed(found, collected, app.house, elsewhere=False).blocking)
    if only is not None:
        collected = replace(collected, entries=tuple(e for e in collected.entries if (e.source, e.guid) in only))
    variants, compiled = _letters(month, app, collected, editions)
    findings = (*found, *_judged(month, compiled, app.house.with_texts(collected), app))
    return Draft(month, variants, compiled, collected, weighed(findings, collected, app.house, elsewhere=False))


def judged_letters(
    month: Month, app: App, collected: Collected, editions: Iterable[PublishedEdition]
) -> tuple[Finding, ...]:
    """What is found in the month's letters as they would be sent; HandlingError as for ``draft``."""
    return _judged(month, _letters(month, app, collected, editions)[1], app.house.with_texts(collected), app)


def judged_pages(app: App, collected: Collected, editions: Iterable[PublishedEdition]) -> tuple[Finding, ...]:
    """What is found in the archive's pages; HandlingError as for ``draft``."""
    return check_pages(rendered(app, collected, editions), app.house.with_texts(collected))


def draft_letter(compiled: CompiledVariant, month: Month, app: App) -> bytes:
    """The letter as one reader would get it: addressed to the sender, with a personal link that is nobody's."""
    sender = Address(app.publication.from_address, app.publication.from_address)
    return address_letter(
        compiled,
        Subscriber(id=NOBODY, address=sender, language=compiled.language),
        token=NOBODYS_TOKEN,
        message_id=f"<{compiled.digest[:32]}@{mail_domain(app.publication)}>",
        base_url=app.publication.base_url,
        date=planned_date(month, app),
    )


def variant_name(month: Month, compiled: CompiledVariant) -> str:
    """What the files of a variant are called, up to their endings: 2026-10.public.en."""
    return f"{month}.{compiled.audience}.{compiled.language}"


def _judged(month: Month, compiled: Iterable[CompiledVariant], house: House, app: App) -> tuple[Finding, ...]:
    letters = ((variant_name(month, variant), draft_letter(variant, month, app)) for variant in compiled)
    return check_letters(letters, house)


def _letters(
    month: Month, app: App, collected: Collected, editions: Iterable[PublishedEdition]
) -> tuple[tuple[Variant, ...], tuple[CompiledVariant, ...]]:
    """Every variant of the month, past the gate, and compiled."""
    variants = tuple(
        render_report(
            compose(month, collected, audience=PUBLIC_AUDIENCE, language=language, publication=app.publication),
            app.publication,
            app.templates,
        )
        for language in app.publication.languages
    )
    gate = _gate(collected, [e for e in editions if e.month != month])
    for variant in variants:
        for part in ("subject", "text", "html"):
            gate.check(f"{month} {variant.report.language} {part}", getattr(variant, part))
        gate.check(f"{month} {variant.report.language} data", _report_json(variant.report))
    compiled = tuple(
        compile_variant(
            variant,
            app.publication,
            logo=logo(app),
            archived_at=app.publication.url(report_path(variant.report.language, month)),
        )
        for variant in variants
    )
    return variants, compiled


def prepare(month: Month, app: App, *, force: Force | None = None) -> Mailing:
    """Freeze the month's candidate in the store, or return the one whose bytes are decided already.

    Other bytes than before void an approval; the same bytes change nothing. What feeds brought after an approval does
    not count as a change: it waits for the next month.

    What ``force`` lets pass is in the mailing that comes back, and on record only after ``keep_word``: somebody may
    still say no.

    Raises:
        ContentError, HandlingError: as ``draft``.
        PreflightError: something blocks that was neither waived nor forced.
    """
    mailing = _find(month, app)
    if mailing and mailing.state in DECIDED:
        return mailing
    made = draft(month, app, only=_approved_entries(mailing, app))
    on_record = mailing.forced if mailing and mailing.digest == made.digest else None
    forced = _let_pass(made.preflight, on_record, force)
    try:
        return replace(_save(made, on_record, app), forced=forced)
    except ConflictError:
        mailing = _find(month, app)
        if mailing is None or mailing.state not in DECIDED:
            raise
        return mailing  # another process went ahead meanwhile: its bytes are the ones


def keep_word(mailing: Mailing, app: App) -> None:
    """Put on record what was forced in this mailing."""
    if mailing.forced and mailing.state not in DECIDED:
        with app.store.begin() as tx:
            mailings.force(tx, mailing.id, mailing.forced)


def approve(month: Month, app: App, *, digest: str, by: str, force: Force | None = None) -> Mailing:
    """Record that ``by`` approves exactly these bytes.

    Raises:
        ConflictError: the candidate has other bytes by now.
        PreflightError: something blocks in the pages as they will be, and was neither waived nor forced.
    """
    mailing = current(month, app)
    if mailing.state not in DECIDED and mailing.digest == digest:
        _check_pages(mailing, _edition(mailing, app, planned_date(month, app))[0], force, app)
    with app.store.begin() as tx:
        return mailings.approve(tx, month, digest, by=by, now=app.clock())


# --- publish, release -------------------------------------------------------------------------


def publish_archive(app: App, *, force: bool = False) -> Published:
    """Build the archive from files alone: articles, editions, templates, settings. Mails nothing.

    Raises:
        ContentError: as ``gather``.
        PreflightError: something in the content blocks, was not waived, and is not forced.
    """
    collected, preflight, editions = gather(app)
    if not force:
        _stop_at(preflight.blocking)
    return publish(rendered(app, collected, editions), app.settings.archive_folder)


def release(mailing: Mailing, app: App, *, force: Force | None = None) -> Mailing:
    """Publish the month, then release it: one letter for each active subscriber, written in one transaction.

    From the first step on the bytes are decided. Killed anywhere, the next call goes on; a second process finds the
    work done.

    Raises:
        BusyError: another process is releasing.
        PreflightError: something blocks that was neither waived nor forced.
        RefusedError: the mailing may not be released.
    """
    with app.store.lock(RELEASE_LOCK):
        mailing = current(mailing.month, app)
        if mailing.state in OUT:
            return mailing
        if mailing.state is MailingState.CANCELLED:
            raise ConflictError(f"the report of {mailing.month} was cancelled; nothing of it is sent any more")
        _ = app.dispatch  # a key that cannot be used is told before anything is decided
        check_ended(mailing.month, app)
        released = mailing.released or app.clock()
        edition, manifest, files = _edition(mailing, app, released)
        if mailing.state is not MailingState.RELEASING:
            # Rendered once for nothing: a broken template has to show itself before anything is decided.
            mailing = _check_pages(mailing, edition, force, app)
        with app.store.begin() as tx:
            if not mailings.begin_release(tx, mailing.month, mailing.digest, released):
                raise ConflictError(f"the report of {mailing.month} changed meanwhile; look at it again")
        export_edition(app.editions_folder, manifest, files)
        collected, _, editions = gather(app)
        publish(rendered(app, collected, editions), app.settings.archive_folder)
        with app.store.begin() as tx:
            letters = mailings.release(tx, mailing, app.clock())
    log.info("released", month=str(mailing.month), digest=mailing.digest, letters=letters)
    return current(mailing.month, app)


def check_ended(month: Month, app: App) -> None:
    """RefusedError while the month still runs in the site's zone: what was released never changes."""
    if app.clock() < schedule.end(app.settings.rule, month):
        raise RefusedError(
            f"{month} has not ended yet, and a report is released once; "
            f"look at it with: newsletter report {month}, or: newsletter send {month} --test ADDRESS"
        )


def deliver(
    month: Month, app: App, *, stop: Callable[[], bool] = lambda: False, progress: Progress = lambda _: None
) -> Tally:
    """Send the letters of a released month that are due now; ConflictError when another process is sending."""
    mailing = current(month, app)
    return deliver_due(
        app.store,
        mailing,
        app.dispatch,
        keys=app.keys,
        publication=app.publication,
        clock=app.clock,
        stop=stop,
        progress=progress,
        rng=app.chance,
    )


def waits_for_approval(mailing: Mailing, app: App) -> bool:
    """Whether somebody has to approve exactly this digest first."""
    return app.settings.schedule.approval and mailing.state is MailingState.CANDIDATE


def current(month: Month, app: App) -> Mailing:
    """The mailing of a month as it stands; ConflictError when nothing was prepared."""
    mailing = _find(month, app)
    if mailing is None:
        raise ConflictError(f"nothing is prepared for {month} yet; look at it with: newsletter report {month}")
    return mailing


# --- the letter -------------------------------------------------------------------------------


def letter_parts(letter: bytes) -> tuple[str, str]:
    """The HTML and the text of a letter, decoded, with line ends as files have them."""
    message = message_from_bytes(letter, policy=policy.default)
    html, text = (message.get_body((kind,)) for kind in ("html", "plain"))
    if html is None or text is None:
        raise AssertionError("a compiled letter has both parts")
    return html.get_content(), text.get_content()


def mail_domain(publication: Publication) -> str:
    """The domain that our Message-IDs are of: the sender's."""
    return publication.from_address.rpartition("@")[2]


def planned_date(month: Month, app: App) -> datetime:
    """When the month's report is due: the date on drafts, whatever the day on which they are made."""
    return schedule.slot(app.settings.rule, month)


def logo(app: App) -> bytes | None:
    """The site's logo, the one image that a mail may carry."""
    if app.publication.logo is None:
        return None
    path = app.root / app.publication.logo
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"publication.logo: {path} cannot be read: {error.strerror}") from error


# --- inside -----------------------------------------------------------------------------------


def _find(month: Month, app: App) -> Mailing | None:
    with app.store.read() as tx:
        return mailings.get(tx, month)


def _refuse(findings: Iterable[Finding]) -> None:
    """ContentError with everything that blocks, if anything does that nobody can answer for."""
    blocking = [finding for finding in findings if finding.gravity is Gravity.BLOCK]
    if any(is_fixed(finding.rule) for finding in blocking):
        raise ContentError(blocking)


def _stop_at(findings: Iterable[Finding]) -> None:
    if blocking := tuple(findings):
        raise PreflightError(blocking)


def _let_pass(preflight: Preflight, before: Forced | None, force: Force | None) -> Forced | None:
    """What is forced from now on; PreflightError when something blocks that is not."""
    blocking = tuple(dict.fromkeys(_named(finding) for finding in preflight.blocking))
    known = before.findings if before else ()
    if force and set(blocking) - set(known):
        by, reason = force.by, force.reason
        if before:
            by, reason = f"{before.by}, {by}", f"{before.reason}; {reason}"
        return Forced(by, reason, tuple(dict.fromkeys((*known, *blocking))))
    _stop_at(finding for finding in preflight.blocking if _named(finding) not in known)
    return before


def _named(finding: Finding) -> str:
    """A finding as it is forced: it stays the same when lines above it come and go."""
    return f"{finding.place.path}: {finding.message} [{finding.rule}]"


def _check_pages(mailing: Mailing, edition: PublishedEdition, force: Force | None, app: App) -> Mailing:
    """Render the archive as it will be, and have it judged; what is forced there goes on record."""
    collected, found, editions = looked(app)
    editions = (*(other for other in editions if other.month != edition.month), edition)
    findings = (*found, *judged_pages(app, collected, editions))
    forced = _let_pass(weighed(findings, collected, app.house, elsewhere=False), mailing.forced, force)
    if forced and forced != mailing.forced:
        with app.store.begin() as tx:
            mailings.force(tx, mailing.id, forced)
    return replace(mailing, forced=forced)


def _from_store(app: App, month: Month) -> dict[str, Any]:
    """Feed entries and failures; a site whose database was never made has none."""
    if not app.has_store():
        return {}
    since = datetime.combine(month.shift(-1).first_day, time(), UTC)
    with app.store.read() as tx:
        return {"entries": feeds.entries(tx, since=since), "failures": feeds.failures(tx)}


def _approved_entries(mailing: Mailing | None, app: App) -> frozenset[tuple[str, str]] | None:
    if mailing is None or mailing.state is not MailingState.APPROVED:
        return None
    with app.store.read() as tx:
        return frozenset(mailings.entry_keys(tx, mailing.id))


def _save(made: Draft, forced: Forced | None, app: App) -> Mailing:
    with app.store.begin() as tx:
        return mailings.save_candidate(
            tx,
            made.month,
            made.digest,
            made.compiled,
            report_json={(v.report.audience, v.report.language): _report_json(v.report) for v in made.variants},
            entry_keys=tuple(dict.fromkeys(key for v in made.variants for key in v.report.entry_keys)),
            failures=[str(failure) for failure in made.collected.failures],
            now=app.clock(),
            forced=forced,
        )


def _report_json(report: Report) -> str:
    return REPORT_JSON.dump_json(report).decode()


def _gate(collected: Collected, editions: Iterable[PublishedEdition]) -> Gate:
    told = [data.decode() for edition in editions for name, data in edition.files.items() if name.endswith(".html")]
    return Gate(forbidden_phrases(collected, PUBLIC_AUDIENCE, told=told))


def rendered(app: App, collected: Collected, editions: Iterable[PublishedEdition]) -> Iterator[Page]:
    """Every page of the archive, past the gate."""
    editions = tuple(editions)
    articles = tuple(a for a in for_audience(collected.articles, PUBLIC_AUDIENCE) if a.status is not Status.DRAFT)
    pictures, faults = read_pictures(app.root, articles)
    _refuse(faults)  # once more: files may have changed since they were gathered
    pages = render_site(Site(app.publication, articles, editions, pictures), app.templates)
    return _gated(pages, _gate(collected, editions))


def _gated(pages: Iterable[Page], gate: Gate) -> Iterator[Page]:
    for page in pages:
        # A picture has no words that a search would find: its metadata is out, and its file was named for readers.
        if not page.path.endswith(PICTURE_ENDINGS):
            gate.check(page.path, page.content.decode("utf-8", "replace"))
        yield page


def _edition(mailing: Mailing, app: App, released: datetime) -> tuple[PublishedEdition, Manifest, dict[str, bytes]]:
    """The frozen edition as the archive will show it, its manifest, and all its files by name."""
    with app.store.read() as tx:
        compiled = mailings.variants(tx, mailing.id)
        stored = mailings.reports(tx, mailing.id)
    reports = {language: REPORT_JSON.validate_json(text) for (_, language), text in stored.items()}
    groups = {}
    for variant in compiled:
        letter = as_sent(variant, date=released)
        html, text = letter_parts(letter)
        groups[variant.language] = edition_files(variant.language, reports[variant.language], html, text, letter)
    # The chain is in the order of release: a month that an editor held may come after the next one.
    editions = read_editions(app.editions_folder)
    if any(edition.imported and edition.month == mailing.month for edition in editions):
        raise ConflictError(f"the report of {mailing.month} was sent before this site and imported; none is sent again")
    others = [edition for edition in editions if edition.month != mailing.month and not edition.imported]
    previous = max(others, key=lambda edition: edition.released).digest if others else None
    manifest = manifest_of(mailing, compiled, groups, previous=previous, released=released)
    files = {name: data for group in groups.values() for name, data in group.items()}
    edition = PublishedEdition(
        month=mailing.month, digest=mailing.digest, previous=previous, released=released, reports=reports, files=files
    )
    return edition, manifest, files
