"""Two hundred odd files of each kind: every one is imported or refused with one message, and nothing else happens."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from newsletter.parsing import DOOR_RULES
from tests.support.oddities import SECRET, make
from tests.support.sites import Site

FILES = 200
SEEDS = (1, pytest.param(2, marks=pytest.mark.slow))


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, and what it holds."""
    return {
        str(path.relative_to(folder)): "link" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["text", "page", "markdown", "feed", "report"])
def test_odd_files_are_imported_or_refused_with_one_message(site: Site, kind: str, seed: int) -> None:
    """No exception, no second message, no write outside the site, no file of elsewhere inside; and again: no change."""
    made = make(kind, site.folder.parent / "old", FILES, seed)
    outside = tree(site.folder.parent / "old") | tree(site.folder.parent)
    before = {name: digest for name, digest in outside.items() if not name.startswith("site/")}
    code = site.newsletter("import", "../old", "--tlp", "CLEAR", "--write", "--json")
    assert code in (0, 2), site.err
    told = json.loads(site.out)["sources"]
    assert len(told) >= FILES
    for one in told:
        assert (one["state"] in ("refused", "conflict")) == bool(one["problem"]), one
        assert len(one["problem"]) <= 400
        assert "\n" not in one["problem"]
    sources = {one["source"].partition("#")[0] for one in told}
    assert len(sources) == len(made)
    imported = [one for one in told if one["state"] == "new"]
    assert len(imported) >= FILES // 50
    assert {name: d for name, d in outside.items() if not name.startswith("site/")} == before
    assert_clean(site)
    first = tree(site.folder)
    site.newsletter("import", "../old", "--tlp", "CLEAR", "--write", "--json")
    assert {one["state"] for one in json.loads(site.out)["sources"]} <= {"unchanged", "refused", "conflict"}
    assert tree(site.folder) == first


def assert_clean(site: Site) -> None:
    """The site holds nothing of what lies outside of the folder, and all of it is content that the door takes."""
    for path in site.folder.rglob("*"):
        assert not path.is_symlink()
        if path.is_file():
            data = path.read_bytes()
            assert SECRET.encode() not in data
            assert b"root:x:0" not in data
            assert path.suffix != ".writing"
    # What odd texts say is for the other rules to judge: an importer does not mend it.
    site.newsletter("check", "articles", "reports", "--json")
    findings = json.loads(site.out)["findings"]
    assert {(f["rule"], f["path"], f["message"]) for f in findings if f["rule"] in DOOR_RULES} == set()
