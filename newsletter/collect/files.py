"""Articles, incidents and editor's notes from a site's folders: all that is good, and every fault of all the rest.

No link is followed, nothing but regular files is opened, and what concerns several files (a slug used twice, a
translation that states other facts) is judged when all of them have been read.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, TypeAlias

from newsletter.collect.memory import Memory
from newsletter.collect.pictures import read_pictures
from newsletter.collect.regular import regular_bytes
from newsletter.model import (
    Article,
    Collected,
    EditorNote,
    Finding,
    Gravity,
    Incident,
    Place,
    When,
    article_path,
)
from newsletter.parsing import parse_article, parse_incident, parse_note
from newsletter.parsing.frontmatter import MAX_FILE_BYTES
from newsletter.parsing.naming import SUFFIX, month_of, read_name
from newsletter.parsing.validate import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from newsletter.model import Language
    from newsletter.parsing import Parsed
    from newsletter.parsing.naming import Name

Noun: TypeAlias = Article | Incident | EditorNote

ARTICLES: Final = "articles"
INCIDENTS: Final = "incidents"
REPORTS: Final = "reports"
IGNORED: Final = (".", "_")  # names that begin so are drafts, notes to oneself, or a tool's

# What every language version must say alike, since figures and releases are decided by it.
FACTS: Final[dict[type, tuple[str, ...]]] = {
    Article: ("date", "tlp", "status", "themes"),
    Incident: (
        *("id", "tlp", "pap", "rsit", "rsit_also", "severity", "status", "is_exercise", "cves", "attack"),
        *("occurred", "detected", "reported", "contained", "resolved", "users_affected", "assets_affected"),
    ),
    EditorNote: ("tlp",),
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is named like content; ``noun`` is None if something in it blocks."""

    kind: str
    path: str
    name: Name
    noun: Noun | None

    @property
    def key(self) -> str:
        """What must be unique: also where capitals and look-alike characters count as the same."""
        return unicodedata.normalize("NFKC", self.name.slug).casefold()


def collect_files(
    root: Path, languages: tuple[Language, ...], memory: Memory | None = None
) -> tuple[Collected, tuple[Finding, ...]]:
    """Everything in the site's three folders, in the order of paths, with every finding in the order of places.

    ``languages`` are the site's, its first one first; ``memory`` is of the last time, if there was one. A missing
    folder is an empty one. What has a blocking finding of its own is left out; what is blocked by comparison with other
    files is not, so that one fault is told once.
    """
    memory = memory or Memory()
    findings: list[Finding] = []
    files = [
        file
        for kind in (ARTICLES, INCIDENTS, REPORTS)
        for file in _read_folder(root, kind, languages, findings, memory)
    ]
    files = list(_without_repeats(files, findings))
    findings += _translations_alone(files, languages[0])
    findings += _differing_facts(files, languages[0])
    nouns = [file.noun for file in files if file.noun]
    articles = tuple(noun for noun in nouns if isinstance(noun, Article))
    findings += _taken_aliases(articles)
    findings += read_pictures(root, articles, memory)[1]
    collected = Collected(
        articles=articles,
        incidents=tuple(noun for noun in nouns if isinstance(noun, Incident)),
        notes=tuple(noun for noun in nouns if isinstance(noun, EditorNote)),
    )
    return collected, tuple(sorted(findings, key=lambda finding: (finding.place, finding.rule, finding.message)))


def content_files(root: Path) -> list[str]:
    """The path of every file that is named like content, in order."""
    return [path for kind in (ARTICLES, INCIDENTS, REPORTS) for path in sorted(_content_paths(root, kind, []))]


# --- one file after the other -----------------------------------------------------------------


def _read_folder(
    root: Path, kind: str, languages: tuple[Language, ...], findings: list[Finding], memory: Memory
) -> Iterator[_File]:
    for path in sorted(_content_paths(root, kind, findings)):
        try:
            name = read_name(path, languages)
            read = partial(_read, kind, root, path, name)
            parsed = memory.recall(f"{kind} {name.language}", root / path, read)
        except FieldError as error:
            findings.append(_block(error.rule, path, str(error), error.fix))
        except OSError as error:
            findings.append(_unreadable(path, error))
        else:
            findings += parsed.findings
            yield _File(kind, path, name, parsed.value)


def _read(kind: str, root: Path, path: str, name: Name) -> Parsed[Article] | Parsed[Incident] | Parsed[EditorNote]:
    """Raises OSError, or FieldError for what is no file and when the name of a note is no month."""
    data = regular_bytes(root / path, MAX_FILE_BYTES)
    if kind == REPORTS:
        return parse_note(data, path, name.language, month_of(name.slug))
    if kind == ARTICLES:
        return parse_article(data, path, name.language)
    return parse_incident(data, path, name.language)


def _content_paths(root: Path, kind: str, findings: list[Finding]) -> Iterator[str]:
    """Every Markdown file below a folder, relative to the site."""
    if _file_type(root / kind) == stat.S_IFLNK:
        findings.append(_link(kind))
        return
    for folder, folders, names in os.walk(root / kind, onerror=lambda error: findings.extend(_unlisted(root, error))):
        place = PurePosixPath(Path(folder).relative_to(root))
        folders[:] = sorted(name for name in folders if _is_usable(folder, name, place, findings))
        for name in sorted(names):
            if name.lower().endswith(SUFFIX) and _is_usable(folder, name, place, findings):
                if name.endswith(SUFFIX):
                    yield str(place / name)
                else:
                    fix = f"rename it to end in {SUFFIX}"
                    findings.append(_block("file-name", str(place / name), "the ending is in capitals", fix))


def _is_usable(folder: str, name: str, place: PurePosixPath, findings: list[Finding]) -> bool:
    if name.startswith(IGNORED):
        return False
    if not name.isprintable():  # undecodable bytes and line breaks too, which would garble every message
        shown = name.encode("unicode_escape").decode()
        findings.append(_block("file-name", str(place / shown), "the name holds unprintable characters", "rename it"))
        return False
    if _file_type(Path(folder, name)) == stat.S_IFLNK:
        findings.append(_link(str(place / name)))
        return False
    return True


def _file_type(path: Path) -> int:
    """What the path itself is (stat.S_IFREG, S_IFLNK ...), not what a link leads to; 0 if nobody can tell."""
    try:
        return stat.S_IFMT(path.lstat().st_mode)
    except OSError:
        return 0


def _unreadable(path: str, error: OSError) -> Finding:
    fix = "let the user that runs newsletter read it, then check again"
    return _block("file-unreadable", path, f"cannot be read: {error.strerror or error}", fix)


def _unlisted(root: Path, error: OSError) -> Iterator[Finding]:
    """A folder that is there and cannot be listed; one that is not there is an empty one."""
    if not isinstance(error, FileNotFoundError):
        path = Path(error.filename or root)
        yield _unreadable(str(path.relative_to(root)) if path.is_relative_to(root) else str(path), error)


def _link(path: str) -> Finding:
    return _block("file-kind", path, "this is a link, and links are not followed", "put the file itself there")


def _block(rule: str, path: str, message: str, fix: str, line: int = 0) -> Finding:
    return Finding(rule, Gravity.BLOCK, Place(path, line), message, fix)


# --- all files together -----------------------------------------------------------------------


def _without_repeats(files: Iterable[_File], findings: list[Finding]) -> Iterator[_File]:
    """Files whose slug nobody before them had, except in another language of the same thing.

    Articles and incidents share their slugs (a note's ``order`` names either); notes are named by months.
    """
    seen: dict[tuple[bool, str], dict[Language, _File]] = {}
    for file in files:
        versions = seen.setdefault((file.kind == REPORTS, file.key), {})
        other = versions.get(file.name.language) or next((v for v in versions.values() if v.kind != file.kind), None)
        if other is None:
            versions[file.name.language] = file
            yield file
        else:
            message = f"{other.path} has the same name"
            fix = "rename one of the two: an address leads to one thing, on every file system"
            findings.append(_block("file-twice", file.path, message, fix))


def _versions(files: Iterable[_File], first: Language) -> Iterator[tuple[_File | None, list[_File]]]:
    """Each thing's file in the first language, and its files in other languages."""
    groups: dict[tuple[str, str], list[_File]] = {}
    for file in files:
        groups.setdefault((file.kind, file.key), []).append(file)
    for group in groups.values():
        original = next((file for file in group if file.name.language == first), None)
        yield original, [file for file in group if file is not original]


def _translations_alone(files: Iterable[_File], first: Language) -> Iterator[Finding]:
    for original, translations in _versions(files, first):
        for file in translations if original is None else ():
            wanted = PurePosixPath(file.path).with_name(f"{file.name.slug}.{first}{SUFFIX}")
            message = f"this exists in {file.name.language!r}, but not in the first language, {first!r}"
            yield _block("translation-alone", file.path, message, f"write {wanted} too")


def _differing_facts(files: Iterable[_File], first: Language) -> Iterator[Finding]:
    for original, translations in _versions(files, first):
        if original is None or original.noun is None:
            continue
        for file in translations:
            for fact in FACTS[type(file.noun)] if file.noun else ():
                here, there = getattr(file.noun, fact), getattr(original.noun, fact)
                if here != there:
                    message = f'"{fact}" is {_told(here)} here, but {_told(there)} in {original.path}'
                    line = file.noun.lines.get(fact, 1) if file.noun else 1
                    yield _block("translation-differs", file.path, message, "make both files say the same", line)


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "empty"
    if isinstance(value, When):
        return f"{value.start:%Y-%m-%d %H:%M} ({value.precision})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "absent" if value is None else str(value)


def _taken_aliases(articles: Iterable[Article]) -> Iterator[Finding]:
    """An old address leads to one page, and to none that lives there itself."""
    articles = tuple(articles)
    owners = {article_path(article.language, article.slug): article.path for article in articles}
    for article in articles:
        for alias in article.aliases:
            address = alias.rstrip("/") + "/"
            owner = owners.setdefault(address, article.path)
            if owner != article.path or address == article_path(article.language, article.slug):
                message = f"the old address {alias} is taken by {owner}"
                line = article.lines.get("aliases", 1)
                yield _block("alias-taken", article.path, message, "leave it with one of the two", line)
