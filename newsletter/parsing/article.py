"""Articles: front matter and a Markdown body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.model import Article
from newsletter.parsing.faults import Faults
from newsletter.parsing.frontmatter import read_document
from newsletter.parsing.heads import ArticleHead, advise_on_white, demand_reasons, values_of
from newsletter.parsing.naming import named
from newsletter.parsing.validate import validated

if TYPE_CHECKING:
    from newsletter.model import Language
    from newsletter.parsing.faults import Parsed


def parse_article(data: bytes, path: str, language: Language) -> Parsed[Article]:
    """An article out of a file's bytes. ``path`` is relative to the site; its name holds the slug. Never raises."""
    faults = Faults(path)
    document = read_document(data, faults)
    if document is None:
        return faults.outcome(None)
    slug = named(path, faults)
    head = validated(ArticleHead, document.fields, faults, document.line, unread=document.unread)
    if not document.body:
        faults.block("body-missing", document.body_line, "there is no text", "write it below the front matter")
    faults.markdown(document.body, document.body_line)
    advise_on_white(document, faults)
    demand_reasons(document, faults)
    if head is None or slug is None:
        return faults.outcome(None)
    if head.image and not head.image_alt:
        fix = 'add a line like image_alt: "A memory stick with a handwritten label"'
        message = "the image has no text for those who cannot see it"
        faults.block("image-alt-missing", document.line(("image",)), message, fix)
    if head.updated and head.updated < head.date:
        message = f'"updated" ({head.updated}) comes before "date" ({head.date})'
        faults.block("dates-order", document.line(("updated",)), message, "correct one of the two")
    article = Article(
        slug=slug, language=language, path=path, body=document.body, lines=document.top_lines(), **values_of(head)
    )
    return faults.outcome(article)
