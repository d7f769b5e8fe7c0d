"""Publishing: readers meet the old pages or the new ones, never a half of them, whatever happens to us."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import ConflictError, HandlingError, PublishError
from newsletter.publish.archive import MANIFEST, STAGING, Published, publish
from newsletter.render.environment import Templates
from newsletter.render.site import ASSETS, INDEXES, LEAVES, Page
from newsletter.render.web import render_site
from tests.support.archive import FORM, sample_site
from tests.support.content import article

BEFORE = {"a": "first", "b": "second", "c": "third"}
AFTER = {"a": "first", "b": "altered", "d": "fourth", "e": "fifth"}


def small_site(articles: dict[str, str], style: str = "1") -> list[Page]:
    """Name -> theme: a door, a front page, indexes, articles that link to neighbours and theme, a style sheet."""
    names = sorted(articles)
    sheet = f"style-{style}.css"
    pages = [Page(sheet, f"/* {style} */".encode(), ASSETS)]

    def page(path: str, rank: int, text: str, links: list[str]) -> Page:
        anchors = "".join(f'<a href="/{link}">' for link in [sheet, *links])
        return Page(path, f"{text}{anchors}".encode(), rank)

    for position, name in enumerate(names):
        neighbours = [f"articles/{other}/" for other in names[max(0, position - 1) : position + 2]]
        links = [*neighbours, f"themes/{articles[name]}/", "", "articles/"]
        pages.append(page(f"articles/{name}/index.html", LEAVES, name, links))
    everything = [f"articles/{name}/" for name in names]
    pages += [
        page(f"themes/{articles[name]}/index.html", INDEXES, "theme", ["", f"articles/{name}/"]) for name in names
    ]
    pages.append(page("articles/index.html", INDEXES, "all", ["", "themes/", *everything]))
    pages.append(page("themes/index.html", INDEXES, "themes", ["", *(f"themes/{t}/" for t in articles.values())]))
    pages.append(page("front/index.html", INDEXES, "front", ["articles/", "themes/", *everything[-2:]]))
    pages.append(page("index.html", INDEXES, "door", ["front/"]))
    return pages


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file of the folder, by path; empty folders as well."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"folder"
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


def served(folder: Path) -> dict[str, bytes]:
    """What a web server would show of it."""
    return {path: content for path, content in files_in(folder).items() if not path.startswith(".")}


def links_of(content: bytes) -> list[str]:
    """The files that a page links to; the forms are the application's."""
    found = re.findall(r'href="/([^"#]*)', content.decode(errors="replace"))
    files = (link for link in found if not FORM.fullmatch(link))
    return [link + "index.html" if not link or link.endswith("/") else link for link in files]


def dead_ends(files: dict[str, bytes]) -> list[str]:
    """Links that nothing answers, on any page that a reader can reach from the front door."""
    reached, waiting = {"index.html"} & files.keys(), ["index.html"] if "index.html" in files else []
    dead = []
    while waiting:
        page = waiting.pop()
        for target in links_of(files[page]) if page.endswith(".html") else ():
            if target not in files:
                dead.append(f"{page} -> {target}")
            elif target not in reached:
                reached.add(target)
                waiting.append(target)
    return dead


# --- the usual way -----------------------------------------------------------------


def test_folder_holds_exactly_the_pages(tmp_path: Path) -> None:
    pages = small_site(BEFORE)
    assert publish(pages, tmp_path / "new" / "archive") == Published(len(pages), len(pages), 0, 0)
    assert served(tmp_path / "new" / "archive") == {page.path: page.content for page in pages}


def test_unchanged_pages_keep_their_time(tmp_path: Path) -> None:
    """Servers make ETag and Last-Modified of it, so caches stay warm; the inode shows that nothing was renamed."""
    pages = small_site(BEFORE)
    publish(pages, tmp_path)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in tmp_path.rglob("*") if path.is_file()}
    assert publish(pages, tmp_path) == Published(len(pages), 0, len(pages), 0)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in before} == before


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    publish(small_site(BEFORE), tmp_path)
    leaf = tmp_path / "articles" / "a" / "index.html"
    inode = leaf.stat().st_ino
    done = publish(small_site(BEFORE | {"c": "mended"}), tmp_path)
    assert (done.written, done.removed) == (3, 1)
    assert leaf.stat().st_ino == inode


def test_pages_that_are_no_more_go_with_their_folders(tmp_path: Path) -> None:
    publish(small_site(BEFORE), tmp_path)
    assert publish(small_site({"a": "first"}), tmp_path).removed == 4
    assert not (tmp_path / "articles" / "b").exists()
    assert served(tmp_path) == {page.path: page.content for page in small_site({"a": "first"})}


def test_files_of_others_stay(tmp_path: Path) -> None:
    """We remove only what an earlier publish of ours wrote, and only folders that are empty then."""
    publish(small_site(BEFORE), tmp_path)
    (tmp_path / "articles" / "b" / "notes.txt").write_text("mine")
    (tmp_path / "CNAME").write_text("security.meridian.example")
    publish(small_site({"a": "first"}), tmp_path)
    assert (tmp_path / "articles" / "b" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "CNAME").exists()


def test_file_of_somebody_else_is_never_overwritten(tmp_path: Path) -> None:
    """Whoever names the wrong folder in the settings keeps what stands there."""
    (tmp_path / "index.html").write_text("my home page")
    with pytest.raises(PublishError, match=r"index\.html is not ours"):
        publish(small_site(BEFORE), tmp_path)
    assert files_in(tmp_path) == {"index.html": b"my home page"}


def test_renderer_that_refuses_midway_changes_nothing(tmp_path: Path) -> None:
    """Nothing is renamed before everything is there."""
    publish(small_site(BEFORE), tmp_path)
    before = files_in(tmp_path)

    def refused_midway() -> Iterator[Page]:
        yield from small_site(AFTER)
        raise HandlingError("TLP:GREEN")

    with pytest.raises(HandlingError):
        publish(refused_midway(), tmp_path)
    assert files_in(tmp_path) == before


def test_two_pages_at_one_address_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="two pages want the address x"):
        publish([Page("x", b"1", LEAVES), Page("x", b"2", LEAVES)], tmp_path)
    assert served(tmp_path) == {}


def test_two_publishes_at_once_are_refused(tmp_path: Path) -> None:
    """The lock belongs to the system, so that a killed publish does not leave it behind."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="another publish is writing"):
            publish(small_site(BEFORE), tmp_path)
    finally:
        os.close(descriptor)
    assert publish(small_site(BEFORE), tmp_path).written > 0


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1}', '{"version": 99, "files": {}}', "\0" * 40])
def test_damaged_manifest_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(PublishError, match="remove the folder and publish again"):
        publish(small_site(BEFORE), tmp_path)


# --- nothing outside of the folder -----------------------------------------------------------------


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//x", "", ".", "a/.", "a\\x", "a\0x", MANIFEST])
def test_path_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "archive"
    with pytest.raises(PublishError, match=r"path inside the archive|needs for itself"):
        publish([Page(path, b"x", LEAVES)], folder)
    assert [p.name for p in tmp_path.iterdir()] == ["archive"]
    assert files_in(folder) == {}


@settings(max_examples=100)
@given(path=st.text(alphabet="ab./\\\0~ \N{FULLWIDTH SOLIDUS}", max_size=12))
def test_no_path_however_odd_writes_outside(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    parent = tmp_path_factory.mktemp("odd")
    try:
        publish([Page(path, b"x", LEAVES)], parent / "archive")
    except PublishError:
        assert served(parent / "archive") == {}
    assert [p.name for p in parent.iterdir()] == ["archive"]


@pytest.mark.parametrize("link", ["articles", "articles/a", "articles/a/index.html", MANIFEST, STAGING])
def test_symbolic_links_are_not_followed(tmp_path: Path, link: str) -> None:
    """Neither where a page goes nor where we keep our own things."""
    folder, outside = tmp_path / "archive", tmp_path / "outside"
    outside.mkdir()
    (outside / "index.html").write_text("mine")
    place = folder / link
    place.parent.mkdir(parents=True)
    place.symlink_to(outside / "index.html" if link.endswith(".html") else outside)
    with pytest.raises(PublishError, match="symbolic link"):
        publish(small_site(BEFORE), folder)
    assert files_in(outside) == {"index.html": b"mine"}


def test_manifest_cannot_send_removals_elsewhere(tmp_path: Path) -> None:
    """A manifest that somebody changed removes nothing outside of the folder."""
    folder = tmp_path / "archive"
    publish(small_site(BEFORE), folder)
    (tmp_path / "precious").write_text("mine")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["../precious"] = LEAVES
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(PublishError, match="no path inside the archive"):
        publish(small_site(AFTER), folder)
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize("where", ["articles", "index.html/x"])
def test_file_and_folder_in_each_others_place_are_named(tmp_path: Path, where: str) -> None:
    place = tmp_path / where
    place.parent.mkdir(exist_ok=True)
    place.write_text("mine")
    with pytest.raises(PublishError, match="move it away"):
        publish(small_site(BEFORE), tmp_path)


# --- a full disk, no permission -----------------------------------------------------------------

# Real limits of the system, in a process of its own: no file larger than the limit can be written.
DISK_FULL = """
import resource, sys
from tests.test_publish import *
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
try:
    publish(small_site(AFTER), Path(sys.argv[1]))
except PublishError as error:
    print(error)
"""

NOT_ALLOWED = """
import os, sys
from tests.test_publish import *
folder = Path(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)
try:
    publish(small_site(AFTER), folder)
except PublishError as error:
    print(error)
"""


def in_a_process(script: str, folder: Path) -> str:
    """What the script prints; the test fails if it fails."""
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_full_disk_leaves_the_old_pages(tmp_path: Path) -> None:
    """Everything is written aside first, so the disk is full before any page has changed."""
    publish(small_site(BEFORE), tmp_path)
    before = files_in(tmp_path)
    message = in_a_process(DISK_FULL, tmp_path)
    assert message.startswith(f"cannot write the archive in {tmp_path}: File too large")
    assert message.endswith("make room on the disk and publish again")
    assert files_in(tmp_path) == before
    publish(small_site(AFTER), tmp_path)
    assert dead_ends(served(tmp_path)) == []


def test_missing_permission_leaves_the_old_pages(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    publish(small_site(BEFORE), folder)
    before = files_in(folder)
    folder.chmod(0o555)
    try:
        message = in_a_process(NOT_ALLOWED, folder)
    finally:
        folder.chmod(0o755)
    assert message.startswith(f"cannot write the archive in {folder}: Permission denied")
    assert message.endswith("the right to write there")
    assert files_in(folder) == before


def test_archive_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("")
    with pytest.raises(PublishError, match="cannot write the archive in"):
        publish(small_site(BEFORE), tmp_path / "archive")


# --- killed -----------------------------------------------------------------

# Python reports every operation on files to audit hooks just before it happens: there the process kills itself, at
# the first one, at the second one, and so on until a publish comes to its end.
KILLED_EVERYWHERE = """
import os, shutil, signal, sys
from tests.test_publish import *

CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir")

def kill_myself_at(number):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        writes = event == "open" and isinstance(arguments[1], str) and "w" in arguments[1]
        if event in CHANGES or writes:
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

root = Path(sys.argv[1])
pages = KILL_SITES[sys.argv[2]]()
step = int(sys.argv[3])
number = 1
while True:
    work = root / f"killed-{number:04d}"
    shutil.copytree(root / "before", work)
    child = os.fork()
    if child == 0:
        kill_myself_at(number)
        publish(pages, work)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        assert os.WEXITSTATUS(status) == 0
        break
    number += step
print(number)
"""


def _large_before() -> list[Page]:
    return list(render_site(sample_site(), Templates([])))


def _large_after() -> list[Page]:
    """An article more, one less, one changed, another accent: nearly every page changes."""
    site = sample_site()
    articles = (*site.articles[:3], replace(site.articles[3], title="Another title"), article("new", "2027-01-05"))
    publication = replace(site.publication, accent="#7a1f1f")
    return list(render_site(sample_site(articles=articles, publication=publication), Templates([])))


KILL_SITES = {"small": lambda: small_site(AFTER, style="2"), "large": _large_after}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "before", "step", "at_least"),
    [
        ("small", small_site(BEFORE), 1, 50),
        ("small", [], 1, 40),
        ("large", _large_before(), 11, 15),
    ],
    ids=["a change", "the first publish", "a real archive"],
)
def test_publish_killed_anywhere_is_finished_by_the_next(
    tmp_path: Path, name: str, before: list[Page], step: int, at_least: int
) -> None:
    """At every instant all links from the front door answer; the next publish ends as a clean build does."""
    (tmp_path / "before").mkdir()
    if before:
        publish(before, tmp_path / "before")
    after = KILL_SITES[name]()
    publish(after, tmp_path / "clean")
    clean = files_in(tmp_path / "clean")

    script = [sys.executable, "-c", KILLED_EVERYWHERE, str(tmp_path), name, str(step)]
    subprocess.run(script, check=True, capture_output=True)
    killed = sorted(tmp_path.glob("killed-*"))
    assert len(killed) >= at_least
    for folder in killed:
        files = served(folder)
        assert dead_ends(files) == [], folder.name
        assert index_faults(files, [*before, *after]) == [], folder.name
        publish(after, folder)
        assert files_in(folder) == clean, folder.name


def index_faults(files: dict[str, bytes], pages: list[Page]) -> list[str]:
    """Indexes, reachable or not, that link to an article or asset that is not there."""
    ranks = {page.path: page.rank for page in pages}
    return [
        f"{path} -> {target}"
        for path, content in files.items()
        if path.endswith(".html") and ranks[path] == INDEXES
        for target in links_of(content)
        if target not in files and ranks.get(target) != INDEXES
    ]


def test_publish_killed_before_another_change_ends_clean_too(tmp_path: Path) -> None:
    """What a killed publish began and nobody wants any more is removed: the manifest named it in time."""
    folder = tmp_path / "before"
    publish(small_site(BEFORE), folder)
    script = [sys.executable, "-c", KILLED_EVERYWHERE, str(tmp_path), "small", "5"]
    subprocess.run(script, check=True, capture_output=True)
    publish(small_site({"z": "last"}), tmp_path / "clean")
    for killed in sorted(tmp_path.glob("killed-*")):
        publish(small_site({"z": "last"}), killed)
        assert files_in(killed) == files_in(tmp_path / "clean"), killed.name
