"""What the scheduler's bells mean: poll, remind, distribute, retry. Each may be called at any time, however often.

Which month is due is decided by ``schedule.due`` from the clock and the store; that nothing happens twice is decided
by the store's unique keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import structlog

from newsletter import pipeline, schedule, subscriptions
from newsletter.collect.feeds import FeedState, fetch_feed
from newsletter.deliver.outbox import send_notices
from newsletter.errors import BusyError, ContentError, NewsletterError, PreflightError
from newsletter.model import Finding, Gravity, MailingState, Notice
from newsletter.preflight import preflight
from newsletter.render.notices import facts_of
from newsletter.store import deliveries, feeds, mailings, notices

if TYPE_CHECKING:
    from threading import Event

    from newsletter.app import App
    from newsletter.collect.feeds import FeedResult
    from newsletter.model import Mailing, Month, Source

log = structlog.get_logger(__name__)

NOTICE_LIFE: Final = timedelta(days=14)
MAX_FINDINGS: Final = 10  # in a letter to editors; `newsletter check` has all
MAX_SHOWN: Final = 400  # characters of each


@dataclass(frozen=True, slots=True)
class Duties:
    """The scheduler's work on one site; ``stop`` ends a long call soon after the signal."""

    app: App
    stop: Event

    def poll_feeds(self) -> None:
        """Fetch every source that may be asked again; one dead feed is a row with its failure, never an error."""
        for source in self.app.settings.feeds.sources:
            if self.stop.is_set():
                return
            poll(source, self.app)

    def remind(self) -> None:
        """Tell editors once that the coming month's draft is ready."""
        app = self.app
        coming = schedule.reminder_due(
            app.clock(),
            app.settings.rule,
            first_month=app.settings.first_month,
            settled=self._settled(),
            days_before=app.settings.schedule.remind_days,
        )
        key = f"draft-ready/{coming.month}" if coming else ""
        if coming is None or self._was_told(key):
            return
        with app.store.read() as tx:
            failures = [str(failure) for failure in feeds.failures(tx)]
        self._tell(
            "reminder-draft-ready",
            key,
            month=coming.month,
            at=coming.at,
            days=max(0, (coming.at - app.clock()).days),
            failures=failures,
            blocking=len(preflight(app, month=coming.month).blocking),
        )

    def distribute(self) -> None:
        """Bring every month that is due as far as it may go; what may not go asks an editor."""
        app = self.app
        late_after = timedelta(days=app.settings.schedule.max_late_days)
        failures: list[NewsletterError] = []
        for due in schedule.due(
            app.clock(),
            app.settings.rule,
            first_month=app.settings.first_month,
            settled=self._settled(),
            max_late=late_after,
        ):
            if self.stop.is_set():
                return
            if due.late and not self._is_releasing(due.month):
                self._hold(due.month, "late")
                continue
            try:
                self._distribute(due.month)
            except NewsletterError as error:  # the months behind it are not to wait for this one
                failures.append(error)
        if failures:
            raise failures[0]

    def _distribute(self, month: Month) -> None:
        try:
            mailing = pipeline.run_month(month, self.app, stop=self.stop.is_set)
        except BusyError:
            raise  # another process is at it: nothing is wrong
        except NewsletterError as error:
            if month in self._settled():
                raise  # it is released: its letters wait for the relay, and are tried again
            if findings := _findings(error):
                self._block(month, findings)
            else:
                self._hold(month, "failed", str(error))
            raise
        if mailing.state is MailingState.CANDIDATE:
            self._hold(month, "unapproved", edition=mailing.digest)

    def post(self) -> None:
        """Look at what was asked for on the pages, and send the notices that are due."""
        app = self.app
        subscriptions.tend(app)
        send_notices(
            app.store,
            app.posting,
            publication=app.publication,
            write=app.write_notice,
            silent=lambda notice: subscriptions.is_silent(notice, app),
            clock=app.clock,
            stop=self.stop.is_set,
        )

    def retry(self) -> None:
        """Send the letters of released months whose time has come; one that fails stops no other.

        Of a cancelled month only what a crash left uncertain is resolved.
        """
        app = self.app
        failures: list[NewsletterError] = []
        for mailing in self._mailings():
            if self.stop.is_set():
                break
            try:
                if mailing.state is MailingState.RELEASED or self._was_cut_off(mailing):
                    pipeline.deliver(mailing.month, app, stop=self.stop.is_set)
            except NewsletterError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _was_cut_off(self, mailing: Mailing) -> bool:
        if mailing.state is not MailingState.CANCELLED:
            return False
        with self.app.store.read() as tx:
            return bool(deliveries.intents(tx, mailing.id))

    def _mailings(self) -> tuple[Mailing, ...]:
        with self.app.store.read() as tx:
            return mailings.every(tx)

    def _settled(self) -> frozenset[Month]:
        return frozenset(m.month for m in self._mailings() if m.state in pipeline.SETTLED)

    def _is_releasing(self, month: Month) -> bool:
        """A release that was begun is finished however late: some readers may have seen its page."""
        return any(m.month == month and m.state is MailingState.RELEASING for m in self._mailings())

    def _hold(self, month: Month, reason: str, detail: str = "", *, edition: str = "") -> None:
        """Tell editors once for each reason; and for each edition that waits for an approval."""
        log.warning("held", month=str(month), reason=reason)
        key = f"held/{month}/{reason}" + (f"/{edition}" if edition else "")
        self._tell("reminder-held", key, month=month, reason=reason, detail=detail, findings=(), more=0)

    def _block(self, month: Month, findings: tuple[Finding, ...]) -> None:
        """Tell editors what blocks: once for each set of findings, wherever in their files they have moved to."""
        log.warning("held", month=str(month), reason="blocked", findings=len(findings))
        known = "\n".join(sorted({f"{one.rule}\0{one.place.path}\0{one.message}" for one in findings}))
        key = f"held/{month}/blocked/{sha256(known.encode()).hexdigest()}"
        shown = [f"{one.rule} {one.place}: {one.message}"[:MAX_SHOWN] for one in findings[:MAX_FINDINGS]]
        more = len(findings) - len(shown)
        self._tell("reminder-held", key, month=month, reason="blocked", detail="", findings=shown, more=more)

    def _was_told(self, key: str) -> bool:
        """Whether every editor has this notice, so that nothing need be made out for it."""
        with self.app.store.read() as tx:
            return all(notices.is_posted(tx, f"{key}/{editor}") for editor in self.app.settings.editors.addresses)

    def _tell(self, kind: str, key: str, **values: object) -> None:
        """One notice for each editor; the key makes it one, however often the bell rings."""
        app = self.app
        now = app.clock()
        with app.store.begin() as tx:
            for editor in app.settings.editors.addresses:
                notices.post(
                    tx,
                    Notice(
                        key=f"{key}/{editor}",
                        recipient=editor,
                        kind=kind,
                        language=app.publication.first_language,
                        created=now,
                        expires=now + NOTICE_LIFE,
                        facts=facts_of(values),
                    ),
                )


def _findings(error: NewsletterError) -> tuple[Finding, ...]:
    """What the preflight found, if that is why the month may not leave."""
    told = (
        error.findings
        if isinstance(error, PreflightError)
        else error.problems
        if isinstance(error, ContentError)
        else ()
    )
    return tuple(one for one in told if isinstance(one, Finding) and one.gravity is Gravity.BLOCK)


def poll(source: Source, app: App) -> FeedResult:
    """Fetch one source into the store: entries, validators for the next time, and the failure if there was one."""
    with app.store.read() as tx:
        known = feeds.state(tx, source.id)
    state = FeedState(**known) if known else FeedState()
    result = fetch_feed(source, state, app.feed_limits, app.clock())
    with app.store.begin() as tx:
        feeds.save(tx, result, app.clock())
    if result.failure:
        log.warning("feed failed", source=source.id, reason=result.failure.reason)
    return result
