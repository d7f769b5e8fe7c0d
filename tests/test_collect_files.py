"""A folder becomes content: everything good in it, every fault of the rest, and what only several files show."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from newsletter.collect.files import collect_files
from newsletter.model import Collected, Finding, Gravity, Language
from newsletter.parsing import DOOR_RULES
from newsletter.parsing.frontmatter import MAX_FILE_BYTES
from tests.support.door import ARTICLE, INCIDENT, NOTE, with_lines
from tests.support.pictures import png

EN, FR = Language("en"), Language("fr")
REPOSITORY = Path(__file__).parent.parent


class Site:
    """A folder that content is put into."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, text: str, *lines: str) -> Path:
        """A file, with some fields added or replaced."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(with_lines(text, lines).encode())
        return file

    def article(self, path: str, *lines: str) -> Path:
        return self.put(f"articles/{path}", ARTICLE, *lines)

    def incident(self, path: str, *lines: str) -> Path:
        return self.put(f"incidents/{path}", INCIDENT, *lines)

    def note(self, path: str, *lines: str) -> Path:
        return self.put(f"reports/{path}", NOTE, *lines)

    def collect(self) -> tuple[Collected, tuple[Finding, ...]]:
        return collect_files(self.root, (EN, FR))

    def findings(self) -> list[str]:
        """What was found, as people see it; each with a known code, and a fix."""
        _, findings = self.collect()
        assert all(finding.rule in DOOR_RULES and finding.fix for finding in findings)
        return [str(finding) for finding in findings]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# --- what is there ----------------------------------------------------------------------------


def test_a_site_without_folders_is_empty(site: Site):
    """A new site has nothing, and nothing is wrong with that."""
    assert site.collect() == (Collected(), ())


def test_everything_is_collected_in_the_order_of_paths(site: Site):
    """Whatever folders it is in, whatever order the file system gives; pictures and private notes are passed over."""
    for path in ("2026/b.en.md", "2026/b.fr.md", "2025/deep/er/a.md", "c.en.md"):
        site.article(path)
    site.incident("2026/inc-2026-014.fr.md")
    site.incident("2026/inc-2026-014.en.md")
    site.note("2026-10.fr.md")
    site.note("2026-10.en.md")
    for path in ("README.txt", "2026/b.png", "_draft.en.md", ".hidden.en.md", "_drafts/x.en.md", "2026/b.en.md~"):
        site.put(f"articles/{path}", "no content")
    collected, findings = site.collect()
    assert findings == ()
    assert [(a.slug, a.language, a.path) for a in collected.articles] == [
        ("a", EN, "articles/2025/deep/er/a.md"),
        ("b", EN, "articles/2026/b.en.md"),
        ("b", FR, "articles/2026/b.fr.md"),
        ("c", EN, "articles/c.en.md"),
    ]
    assert [(i.id, i.language) for i in collected.incidents] == [("INC-2026-014", EN), ("INC-2026-014", FR)]
    assert [(str(n.month), n.language) for n in collected.notes] == [("2026-10", EN), ("2026-10", FR)]


def test_every_fault_of_every_file_is_told_at_once(site: Site):
    """Good files are collected all the same."""
    site.article("a.en.md", "tlp: RED", "status: wrong")
    site.article("b.en.md")
    site.article("c.de.md")
    site.article("C D.en.md")
    site.article("d.EN.md")
    site.article("e.en.MD")
    site.incident("x.en.md")
    site.note("october.en.md")
    site.note("2026-13.en.md")
    collected, _ = site.collect()
    assert [article.slug for article in collected.articles] == ["b"]
    assert [finding.rpartition(" [")[0].partition("; ")[0] for finding in site.findings()] == [
        'articles/C D.en.md:1: the file\'s name "C D" is no slug',
        'articles/a.en.md:5: "tlp" is TLP:RED, which is for named persons only',
        'articles/a.en.md:6: "status" is "wrong", which it cannot be',
        'articles/c.de.md: names no language of this site: "de"',
        'articles/d.EN.md: names no language of this site: "EN"',
        "articles/e.en.MD: the ending is in capitals",
        'incidents/x.en.md:2: the id is "INC-2026-014", but the file is named "x"',
        'reports/2026-13.en.md: the file\'s name "2026-13" is no month',
        'reports/october.en.md: the file\'s name "october" is no month',
    ]


# --- what may not be there --------------------------------------------------------------------


def test_no_link_is_followed(site: Site, tmp_path: Path):
    """Not to files, not to folders, not as the folder itself; also not to something harmless."""
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "secret.en.md").write_text(ARTICLE)
    site.article("a.en.md")
    (site.root / "articles" / "linked.en.md").symlink_to(outside / "secret.en.md")
    (site.root / "articles" / "b.en.md").symlink_to(site.root / "articles" / "a.en.md")
    (site.root / "articles" / "folder").symlink_to(outside)
    (site.root / "incidents").symlink_to(outside)
    collected, findings = site.collect()
    assert [article.slug for article in collected.articles] == ["a"]
    assert [finding.place.path for finding in findings] == [
        "articles/b.en.md",
        "articles/folder",
        "articles/linked.en.md",
        "incidents",
    ]
    assert {finding.rule for finding in findings} == {"file-kind"}


def test_only_regular_files_are_opened(site: Site):
    """A pipe would keep us waiting for ever."""
    site.article("a.en.md")
    os.mkfifo(site.root / "articles" / "pipe.en.md")
    assert site.findings() == [
        "articles/pipe.en.md: this is no regular file; put a file there, or take it away [file-kind]"
    ]


def test_a_folder_named_like_a_file_is_a_folder(site: Site):
    """What is in it counts."""
    site.article("odd.md/a.en.md")
    collected, findings = site.collect()
    assert (len(collected.articles), findings) == (1, ())


def test_what_cannot_be_read_is_a_finding(site: Site):
    """Paths beyond the system's limit: nobody can open them, not even root, whom permissions do not stop."""
    site.article("a.en.md")
    folder = os.open(site.root / "articles", os.O_RDONLY)
    name = "deep" * 50
    for _ in range(4096 // len(name) + 1):
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(os.open(f"{name}.en.md", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=inner))
        os.close(folder)
        folder = inner
    os.close(folder)
    collected, findings = site.collect()
    assert [article.slug for article in collected.articles] == ["a"]
    unreadable = [finding for finding in findings if finding.rule == "file-unreadable"]
    assert unreadable
    assert all("cannot be read: File name too long" in finding.message for finding in unreadable)


def test_a_file_in_place_of_a_folder_is_a_finding(site: Site):
    """It cannot be listed, and saying nothing would make a site without articles."""
    (site.root / "articles").write_text("no folder")
    (finding,) = site.findings()
    assert finding.startswith("articles: cannot be read: Not a directory")


def test_a_file_is_not_read_beyond_the_limit(site: Site):
    """A dump named like an article costs neither time nor memory."""
    huge = site.article("huge.en.md")
    os.truncate(huge, 10_000_000_000)
    (finding,) = site.findings()
    assert (
        f"huge.en.md:1: the file has {MAX_FILE_BYTES + 1:,} bytes or more, {MAX_FILE_BYTES:,} are the limit" in finding
    )


@pytest.mark.parametrize("name", [b"caf\xe9.en.md", b"a\nb.en.md", b"a\x1b[31m.en.md", "a\u202eb.en.md".encode()])
def test_names_that_would_garble_messages_are_refused(site: Site, name: bytes):
    """Undecodable bytes, line breaks, terminal sequences, overrides."""
    (site.root / "articles").mkdir()
    Path(os.fsdecode(os.fsencode(site.root / "articles") + b"/" + name)).write_text(ARTICLE)
    (finding,) = site.findings()
    assert finding.isprintable()
    assert finding.isascii()
    assert "the name holds unprintable characters" in finding


# --- what only several files show -------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("articles/2025/a.en.md", "articles/2026/a.en.md"),
        ("articles/a.en.md", "articles/a.md"),
        ("articles/INC-2026-014.en.md", "articles/inc-2026-014.en.md"),
        ("articles/stra\u00dfe.en.md", "articles/strasse.en.md"),
        ("articles/caf\u00e9.en.md", "articles/cafe\u0301.en.md"),
        ("articles/\uff41.en.md", "articles/a.en.md"),
        ("articles/inc-2026-014.en.md", "incidents/inc-2026-014.en.md"),
        ("articles/inc-2026-014.fr.md", "incidents/inc-2026-014.en.md"),
        ("reports/2026-10.en.md", "reports/2026/2026-10.en.md"),
    ],
)
def test_a_name_belongs_to_one_thing(site: Site, first: str, second: str):
    """Over the whole site, and also where capitals or look-alike characters are the same."""
    texts = {"articles": ARTICLE, "incidents": INCIDENT, "reports": NOTE}
    paths = sorted((first, second))
    for path in paths:
        site.put(path, texts[path.partition("/")[0]])
    repeats = [text for text in site.findings() if "[file-twice]" in text]
    assert len(repeats) == 1
    assert all(path in repeats[0] for path in paths)


def test_a_translation_needs_its_original(site: Site):
    """What exists in French alone would be missing for everybody else."""
    site.article("2026/a.fr.md")
    (finding,) = site.findings()
    assert finding.startswith("articles/2026/a.fr.md: this exists in 'fr', but not in the first language, 'en'; write ")
    assert "articles/2026/a.en.md" in finding
    site.article("2026/a.en.md", "status: wrong")  # faulty, but there: one fault is told once
    assert [text.rpartition(" ")[2] for text in site.findings()] == ["[field]"]


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        ("article", "date: 2026-10-07", ':3: "date" is 2026-10-07 here, but 2026-10-06 in articles/a.en.md'),
        ("article", "tlp: GREEN", ':5: "tlp" is TLP:GREEN here, but TLP:CLEAR in articles/a.en.md'),
        ("article", "themes: [devices]", ':6: "themes" is devices here, but empty in articles/a.en.md'),
        ("article", "status: draft", ':6: "status" is draft here, but published in articles/a.en.md'),
        ("incident", "severity: 4", ':5: "severity" is 4 here, but 3 in'),
        ("incident", "rsit: fraud", ':4: "rsit" is fraud here, but fraud/phishing in'),
        ("incident", "detected: 2026-03", "is 2026-03-01 00:00 (month) here, but 2026-03-09 08:40 (minute) in"),
        ("incident", "users_affected: 10-20", "is 10\u201320 here, but absent in"),
        ("incident", "is_exercise: yes", "is yes here, but no in"),
        ("incident", "cves: [CVE-2026-1234]", "is CVE-2026-1234 here, but empty in"),
        ("note", "tlp: AMBER", ':2: "tlp" is TLP:AMBER here, but TLP:CLEAR in reports/2026-10.en.md'),
    ],
)
def test_translations_state_the_same_facts(site: Site, kind: str, line: str, message: str):
    """Figures and releases are decided by them, whatever the language."""
    name = {"article": "a", "incident": "inc-2026-014", "note": "2026-10"}[kind]
    put = getattr(site, kind)
    put(f"{name}.en.md")
    put(f"{name}.fr.md", line)
    (finding,) = site.findings()
    assert message in finding
    assert finding.endswith("; make both files say the same [translation-differs]")


def test_translations_differ_in_words_and_more(site: Site):
    """Titles, authors, licences and where it first appeared are each language's own."""
    site.article("a.en.md")
    site.article("a.fr.md", "title: Autre", "authors: [Jeanne]", "canonical: https://a.example/fr", "license: X")
    assert site.findings() == []


@pytest.mark.parametrize("alias", ["/old/", "/old", "/en/articles/a/", "/en/articles/b/", "/fr/articles/b"])
def test_an_old_address_leads_to_one_page(site: Site, alias: str):
    """Two pages cannot live at one address, with or without the last slash."""
    site.article("a.en.md", "aliases: [/old/]")
    site.article("b.en.md", f"aliases: [{alias}]")
    site.article("b.fr.md")
    (finding,) = site.findings()
    assert finding.startswith(f"articles/b.en.md:6: the old address {alias} is taken by articles/")


def test_languages_have_old_addresses_of_their_own(site: Site):
    """Each leads to its own version."""
    site.article("a.en.md", "aliases: [/2019/stick.html]")
    site.article("a.fr.md", "aliases: [/2019/cle.html]")
    assert site.findings() == []


def test_the_picture_of_an_article_stands_beside_it(site: Site):
    """A file, not a link to one."""
    site.article("2026/a.en.md", "image: a.png", "image_alt: A stick")
    expected = (
        "articles/2026/a.en.md:6: the picture a.png does not stand beside the article; "
        "put it there (the file itself, no link to it), or correct the name"
    )
    assert site.findings() == [f"{expected} [image-missing]"]
    picture = site.put("elsewhere.png", "a picture")
    (site.root / "articles/2026/a.png").symlink_to(picture)
    assert site.findings() == [f"{expected} [image-missing]"]
    (site.root / "articles/2026/a.png").unlink()
    (site.root / "articles/2026/a.png").write_bytes(png())
    assert site.findings() == []


# --- all of it --------------------------------------------------------------------------------


def test_the_repository_s_own_content_is_without_fault():
    """What we show as an example has nothing to mend."""
    collected, findings = collect_files(REPOSITORY, (EN, FR))
    assert [str(finding) for finding in findings if finding.gravity is Gravity.BLOCK] == []
    assert len({article.slug for article in collected.articles}) >= 12
    assert len(collected.incidents) >= 9
    assert collected.notes


def test_five_hundred_articles_take_well_below_a_second(site: Site):
    """A month has 2 s of CPU for everything; this takes 0.35 s, and about twice that under coverage."""
    originals = sorted((REPOSITORY / "articles").rglob("*.en.md"))
    folder = site.root / "articles" / "2026"
    folder.mkdir(parents=True)
    for number in range(500):
        shutil.copyfile(originals[number % len(originals)], folder / f"article-{number}.en.md")
    start = time.process_time()
    collected, _ = site.collect()
    assert time.process_time() - start < 1.5
    assert len(collected.articles) == 500
