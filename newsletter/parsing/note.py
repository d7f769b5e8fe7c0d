"""Editor's notes: what editors say about one month."""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.model import Action, EditorNote, Pick
from newsletter.parsing.faults import Faults
from newsletter.parsing.frontmatter import read_document
from newsletter.parsing.heads import NoteHead, advise_on_white, demand_reasons
from newsletter.parsing.validate import validated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newsletter.model import Language, Month
    from newsletter.parsing.faults import Parsed
    from newsletter.parsing.validate import Loc


def parse_note(data: bytes, path: str, language: Language, month: Month) -> Parsed[EditorNote]:
    """The editor's note of ``month`` out of a file's bytes; its body may be empty. Never raises."""
    faults = Faults(path)
    document = read_document(data, faults)
    if document is None:
        return faults.outcome(None)
    head = validated(NoteHead, document.fields, faults, document.line, unread=document.unread)
    faults.markdown(document.body, document.body_line)
    advise_on_white(document, faults)
    demand_reasons(document, faults)
    if head is None:
        return faults.outcome(None)
    for loc, text in _texts(head):
        faults.markdown(text, document.line(loc))
    note = EditorNote(
        month=month,
        language=language,
        path=path,
        tlp=head.tlp,
        title=head.title,
        authors=head.authors,
        in_brief=head.in_brief,
        action=Action(head.action.title, head.action.text) if head.action else None,
        order=head.order,
        elsewhere=tuple(Pick(pick.link, pick.why) for pick in head.elsewhere),
        corrections=head.corrections,
        body=document.body,
        waive=head.waive,
        lines=document.top_lines(),
    )
    return faults.outcome(note)


def _texts(head: NoteHead) -> Iterator[tuple[Loc, str]]:
    """The Markdown texts in the front matter, with their places."""
    for name in ("in_brief", "corrections"):
        for position, text in enumerate(getattr(head, name)):
            yield (name, position), text
    for position, pick in enumerate(head.elsewhere):
        yield ("elsewhere", position, "why"), pick.why
    if head.action:
        yield ("action", "text"), head.action.text
