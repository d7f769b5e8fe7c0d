"""A month without releasing it: as files to look at, as one test letter, as every letter made and thrown away."""

from __future__ import annotations

from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from newsletter import pipeline
from newsletter.collect.editions import REPORT_JSON
from newsletter.deliver import headers
from newsletter.deliver.letters import address_letter
from newsletter.deliver.smtp import Session
from newsletter.keys import message_id, unsubscribe_token
from newsletter.model import Subscriber, SubscriberState
from newsletter.pipeline import NOBODY, NOBODYS_TOKEN
from newsletter.store import subscribers

if TYPE_CHECKING:
    from pathlib import Path

    from newsletter.app import App
    from newsletter.deliver.smtp import Reply
    from newsletter.keys import LinkKeys
    from newsletter.model import Address, CompiledVariant, Language, Month
    from newsletter.pipeline import Draft

TEST_MARK: Final = "[test] "


def draft_files(made: Draft, app: App) -> dict[str, bytes]:
    """The month as files by name: ``2026-10.public.en.html``, ``.txt``, ``.eml`` and ``.json`` for each variant.

    The letter is addressed to the sender, with a personal link that belongs to nobody.
    """
    files: dict[str, bytes] = {}
    for variant, compiled in zip(made.variants, made.compiled, strict=True):
        letter = pipeline.draft_letter(compiled, made.month, app)
        html, text = pipeline.letter_parts(letter)
        name = pipeline.variant_name(made.month, compiled)
        files |= {
            f"{name}.html": html.encode(),
            f"{name}.txt": text.encode(),
            f"{name}.eml": letter,
            f"{name}.json": REPORT_JSON.dump_json(variant.report, indent=2) + b"\n",
        }
    return files


def write_files(files: dict[str, bytes], folder: Path) -> list[Path]:
    """Write all of them into ``folder`` (made if need be) or none: each aside, and renamed when all are written.

    Raises:
        OSError: with the name of the file that could not be written; a full disk leaves what stood there before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = token_hex(4)
    asides = {folder / f".{name}.{mark}": folder / name for name in files}
    try:
        for aside, data in zip(asides, files.values(), strict=True):
            aside.write_bytes(data)
        for aside, target in asides.items():
            aside.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(error.filename2 or asides[aside])) from error
    finally:
        for aside in asides:
            aside.unlink(missing_ok=True)
    return list(asides.values())


def send_test(month: Month, address: Address, app: App) -> dict[Language, Reply]:
    """Send the draft in every language to one address, marked in its subject; releases and stores nothing."""
    made = pipeline.draft(month, app)
    replies = {}
    keys = app.keys
    with Session(app.relays[0]) as session:
        for compiled in made.compiled:
            person = Subscriber(id=NOBODY, address=address, language=compiled.language)
            letter = _letter(_marked(compiled), person, made, app, keys, token=NOBODYS_TOKEN)
            replies[compiled.language] = session.send(app.publication.from_address, address.mailbox, letter)
    return replies


def rehearse(month: Month, app: App) -> tuple[int, int]:
    """Make the letter of every active subscriber and throw it away: how many there are, and their bytes in all."""
    made = pipeline.draft(month, app)
    compiled = {variant.language: variant for variant in made.compiled}
    letters = size = 0
    keys = app.keys  # read from their file once, not for every letter
    with app.store.read() as tx:
        for person in subscribers.iterate(tx):
            if person.state is SubscriberState.ACTIVE:
                variant = compiled.get(person.language, made.compiled[0])
                size += len(_letter(variant, person, made, app, keys, token=unsubscribe_token(keys, person.id)))
                letters += 1
    return letters, size


def _marked(compiled: CompiledVariant) -> CompiledVariant:
    """The same letter with a subject that nobody takes for the real one's."""
    subject = TEST_MARK + compiled.subject
    real, marked = (headers.text("Subject", text) for text in (compiled.subject, subject))
    return replace(compiled, subject=subject, head=compiled.head.replace(real, marked, 1))


def _letter(
    compiled: CompiledVariant, person: Subscriber, made: Draft, app: App, keys: LinkKeys, *, token: str
) -> bytes:
    domain = pipeline.mail_domain(app.publication)
    # A test's Message-ID comes from its digest too: a second test of changed content is another mail.
    name = f"{made.month}.test-{compiled.digest[:12]}"
    return address_letter(
        compiled,
        person,
        token=token,
        message_id=message_id(keys, name, person.id, domain),
        base_url=app.publication.base_url,
        date=app.clock(),
    )
