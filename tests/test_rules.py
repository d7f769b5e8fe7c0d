"""Each rule has an example that it must find, in its place, and one that it must leave alone."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from newsletter.checks import CONTENT_RULES, RULES, check_content
from newsletter.checks.house import House
from newsletter.collect.files import collect_files
from newsletter.model import Finding
from newsletter.parsing import DOOR_RULES
from tests.rules.files import DOOR, SITE, Case, Deep, Link
from tests.support.content import EN, publication

if TYPE_CHECKING:
    from tests.rules.files import Files

CASES = DOOR | SITE
PATH_MAX = 4096
HANDBOOK = Path(__file__).parent.parent / "docs" / "editors.md"
GRAVITY = dict(re.findall(r"^\| `([a-z-]+)` \| (block|advise)s \|", HANDBOOK.read_text(encoding="utf-8"), re.MULTILINE))


def found(root: Path, files: Files, case: Case) -> list[Finding]:
    """What the door and the rules find in a site of these files."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            path.symlink_to(content)
        elif isinstance(content, Deep):
            write_too_deep(path, content)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    collected, findings = collect_files(root, case.languages)
    site = publication(themes={"devices": {EN: "Devices"}}, languages=case.languages)
    return [*findings, *check_content(replace(collected, past=case.past), House(site))]


def write_too_deep(path: Path, name: str) -> None:
    """From folder to folder, since no path may be so long."""
    path.mkdir()
    folder = os.open(path, os.O_RDONLY)
    for _ in range(PATH_MAX // len(name) + 1):
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open(f"{name}.en.md", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=folder))
    os.close(folder)


def test_every_rule_has_its_example():
    """A rule without one could be taken out, and no test would know."""
    assert DOOR.keys() == DOOR_RULES.keys()
    assert SITE.keys() == CONTENT_RULES.keys()


@pytest.mark.parametrize("code", CASES)
def test_what_is_wrong_is_found_in_its_place(code: str, tmp_path: Path):
    """By this rule, once, as gravely as it says, and by no other."""
    case = CASES[code]
    findings = found(tmp_path, case.bad, case)
    (ours,) = (finding for finding in findings if finding.rule == code)
    assert str(ours.place).startswith(case.at)
    assert ours.gravity == GRAVITY[code]
    assert ours.message
    assert ours.fix
    assert {finding.rule for finding in findings} <= {code, *case.also}


@pytest.mark.parametrize("code", RULES)
def test_a_rule_is_as_grave_as_the_handbook_says(code: str):
    """What blocks and what advises is a promise to editors."""
    assert RULES[code].gravity == GRAVITY[code]


@pytest.mark.parametrize("code", CASES)
def test_what_is_right_is_left_alone(code: str, tmp_path: Path):
    """By every rule."""
    case = CASES[code]
    assert {finding.rule for finding in found(tmp_path, case.good, case)} <= case.also
