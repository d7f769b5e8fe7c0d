"""What is remembered of files is what reading them again would give."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from newsletter.collect.files import collect_files
from newsletter.collect.memory import Memory
from newsletter.model import Language
from tests.support.pictures import png

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES = (Language("en"),)
ARTICLE = '---\ntitle: "{title}"\ndate: 2026-10-06\nsummary: "It."\ntlp: CLEAR\n---\n![A label](label.png)\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A site with two articles that show one picture."""
    (tmp_path / "articles").mkdir()
    for name in ("first", "second"):
        (tmp_path / "articles" / f"{name}.en.md").write_text(ARTICLE.format(title=name))
    (tmp_path / "articles" / "label.png").write_bytes(png())
    return tmp_path


def test_unchanged_files_are_not_parsed_again(root: Path) -> None:
    """The very nouns of the last time come back, and nothing else is found."""
    memory = Memory()
    before, after = (collect_files(root, LANGUAGES, memory) for _ in range(2))
    assert before == after
    assert all(one is other for one, other in zip(before[0].articles, after[0].articles, strict=True))


def test_a_changed_file_alone_is_read_again(root: Path) -> None:
    """The other one stays what it was."""
    memory = Memory()
    before, _ = collect_files(root, LANGUAGES, memory)
    (root / "articles" / "first.en.md").write_text(ARTICLE.format(title="Changed"))
    after, _ = collect_files(root, LANGUAGES, memory)
    assert [article.title for article in after.articles] == ["Changed", "second"]
    assert after.articles[1] is before.articles[1]


def test_what_is_gone_is_not_remembered(root: Path) -> None:
    """Deleted articles and pictures are missed at once, as without a memory."""
    memory = Memory()
    collect_files(root, LANGUAGES, memory)
    (root / "articles" / "first.en.md").unlink()
    (root / "articles" / "label.png").unlink()
    remembered = collect_files(root, LANGUAGES, memory)
    assert remembered == collect_files(root, LANGUAGES)
    assert [finding.rule for finding in remembered[1]] == ["image-missing"]


def test_a_picture_that_became_something_else_is_found(root: Path) -> None:
    """A picture is remembered for as long as its file is the same."""
    memory = Memory()
    assert collect_files(root, LANGUAGES, memory)[1] == ()
    (root / "articles" / "label.png").write_bytes(b"no picture")
    assert {finding.rule for finding in collect_files(root, LANGUAGES, memory)[1]} == {"image-kind"}


def test_a_file_that_became_a_link_is_not_followed(root: Path) -> None:
    """What was a file is refused once it leads elsewhere, whatever is remembered of it."""
    memory = Memory()
    collect_files(root, LANGUAGES, memory)
    path = root / "articles" / "first.en.md"
    path.rename(root / "elsewhere.md")
    path.symlink_to(root / "elsewhere.md")
    found = collect_files(root, LANGUAGES, memory)[1]
    assert [finding.rule for finding in found] == ["file-kind"]


def test_forgetting_is_stronger_than_times(root: Path) -> None:
    """A clock too coarse to tell two writings apart does not matter to who says what was written."""
    memory = Memory()
    path = root / "articles" / "first.en.md"
    mark = (1, 2, 3)
    assert memory.recall("text", path, lambda: "old", mark=mark) == "old"
    assert memory.recall("text", path, lambda: "new", mark=mark) == "old"
    memory.forget([path])
    assert memory.recall("text", path, lambda: "new", mark=mark) == "new"


def test_what_cannot_be_made_is_tried_again(root: Path) -> None:
    """A failure is no value: mending what caused it is enough, even outside of the file."""
    memory = Memory()
    path = root / "articles" / "first.en.md"

    def refuse() -> str:
        raise PermissionError(os.strerror(13))

    with pytest.raises(PermissionError):
        memory.recall("text", path, refuse)
    assert memory.recall("text", path, lambda: "read") == "read"
