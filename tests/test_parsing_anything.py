"""Anything at all through the door: no bytes make it raise, none make it slow, every finding knows its line."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model import (
    Month,
)
from newsletter.parsing import (
    Faults,
    parse_article,
    parse_incident,
    parse_note,
    validated,
)
from tests.support.door import (
    EN,
    read_article,
    told,
)

# --- the helper ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Leaf:
    number: int
    name: str = field(metadata={"example": "x", "hint": "short"})


@dataclass(frozen=True)
class Tree:
    leaf: Leaf
    leaves: tuple[Leaf, ...] = ()
    named: dict[str, Leaf] = field(default_factory=dict)


def test_any_dataclass_can_be_validated():
    """What a scalar's own converter does not say, pydantic's words do; lines come from whoever knows them."""
    raw = {"leaf": {"number": "1"}, "leaves": [{"number": 1, "name": "a"}, {"number": "x", "nam": "b"}], "tre": 1}
    faults = Faults("x.toml")
    assert validated(Tree, raw, faults, len) is None
    assert [str(finding) for finding in faults.outcome(None).findings] == [
        'x.toml:1: unknown field "tre"; remove it, or move what it says to the text [field-unknown]',
        'x.toml:2: "leaf.name" is missing or empty; add a line like `name: x` (short) [field-missing]',
        'x.toml:3: unknown field "leaves[2].nam"; did you mean "name"? [field-unknown]',
        (
            'x.toml:3: "leaves[2].number" does not fit: Input should be a valid integer, unable to parse string as an '
            "integer; compare it with a file that works [field]"
        ),
        'x.toml:3: "leaves[2].name" is missing or empty; add a line like `name: x` (short) [field-missing]',
    ]
    assert validated(Tree, {"leaf": {"number": "1", "name": "a"}}, faults, len) == Tree(Leaf(1, "a"))


# --- anything at all -----------------------------------------------------------------------


WORDS = (
    "---\n|title: a\n|tlp: CLEAR\n|date: 2026-10-06\n|id: x\n|detected: 2026-01\n|rsit: fraud\n|severity: 1\n|"
    "## Lessons\n|<<: |%YAML 1.1\n|...\n|!!x |&a |*a |? |- |: |>\n|\t|\r| |{|}|[|]|\"|'|#|\ufeff|\u2028|\U0001f511|é|"
    "<b>|`|\x00"
)
MESS = st.lists(st.sampled_from([*WORDS.split("|"), "|\n"]), max_size=40).map("".join)


@given(
    st.binary(max_size=300)
    | MESS.map(str.encode)
    | st.text().map(lambda text: f"---\n{text}\n---\nx".encode(errors="replace"))
)
def test_no_bytes_make_the_door_raise(data: bytes):
    """A noun or findings with line and fix, whatever comes."""
    told(parse_article(data, "articles/x.en.md", EN))
    told(parse_incident(data, "incidents/x.en.md", EN))
    told(parse_note(data, "reports/2026-10.en.md", EN, Month(2026, 10)))


@given(
    st.dictionaries(
        st.sampled_from(
            ["title", "date", "tlp", "themes", "authors", "status", "image", "aliases", "wurst", "updated"]
        ),
        st.recursive(
            st.text(st.characters(exclude_categories=["C", "Z"]), max_size=10),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            max_leaves=5,
        ),
    )
)
def test_every_finding_stands_in_the_line_of_its_field(fields: dict[str, object]):
    """One field a line (JSON is YAML), so a finding that names a field must be in that field's line."""
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    parsed = read_article("\n".join(["---", *lines, "---", "Text."]))
    told(parsed)
    for finding in parsed.findings:
        named = re.match(r'(?:unknown field )?"(\w+)', finding.message)
        if named and named[1] in fields:
            assert finding.place.line == list(fields).index(named[1]) + 2, finding


@pytest.mark.parametrize(
    "head",
    [
        "[" * 49_000,
        "{a: " * 12_000,
        "- " * 24_000,
        "a: " * 16_000,
        "\n".join(f"f{n}: '" for n in range(8_000)),
        "\n".join(f"f{n}: @" for n in range(6_000)),
        "\t" * 20_000,
        "? " * 20_000,
        "#" * 49_000,
        "a: |\n" + " x\n" * 12_000,
        'a: "' + "\\" * 40_000,
    ],
)
def test_front_matter_made_to_be_slow_is_quick(head: str):
    """Limits come before parsing, and one broken field costs no more than another."""
    start = time.process_time()
    told(read_article(f"---\n{head}\n---\ntext"))
    assert time.process_time() - start < 3
