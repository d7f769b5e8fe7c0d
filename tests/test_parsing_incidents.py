"""Incidents and editor's notes through the door; 118 real case files too."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from newsletter.model import (
    Action,
    EditorNote,
    Extent,
    Incident,
    IncidentStatus,
    Month,
    Pap,
    Pick,
    Precision,
    RsitClass,
    Severity,
    Tlp,
    When,
)
from newsletter.parsing import (
    Faults,
    parse_incident,
)
from newsletter.parsing.faults import MAX_FAULTS
from newsletter.parsing.frontmatter import read_document
from tests.support.door import (
    EN,
    INCIDENT,
    incident_with,
    note_with,
    only,
    read_incident,
    told,
    with_lines,
)

DIVD = json.loads((Path(__file__).parent / "data" / "divd" / "divd-cases-2020-2023.json").read_text())["cases"]


# --- incidents -----------------------------------------------------------------------------


def test_an_incident_with_all_its_fields():
    """Dates keep the precision that they were known with, extents their range, sections their readers."""
    text = with_lines(
        INCIDENT,
        (
            "rsit_also: [information-gathering/social-engineering]",
            "pap: GREEN",
            "occurred: 2026",
            "reported: 2026-03",
            "contained: 2026-03-09 11:30:59",
            "resolved: 2026-03-10",
            "users_affected: 10-20",
            "assets_affected: unknown",
            "cves: [CVE-2026-12345, cve-2026-1234567]",
            "attack: T1566.002, t1534",
            "status: False Positive",
            "is_exercise: yes",
        ),
    )
    text += (
        "\n### A part\n\n```\n## No heading\n```\n\n## internal summary\nInside.\n\n"
        "## LESSONS:\nLearned.\n\n## What you can do ##\nAct.\n"
    )
    parsed = read_incident(text)
    assert parsed.findings == ()
    assert parsed.value == Incident(
        id="INC-2026-014",
        language=EN,
        path="incidents/2026/inc-2026-014.en.md",
        title="The second wave",
        rsit=RsitClass("fraud", "phishing"),
        rsit_also=(RsitClass("information-gathering", "social-engineering"),),
        severity=Severity.HIGH,
        tlp=Tlp.CLEAR,
        pap=Pap.GREEN,
        occurred=When(datetime(2026, 1, 1), Precision.YEAR),  # naive: the site's zone
        detected=When(datetime(2026, 3, 9, 8, 40), Precision.MINUTE),
        reported=When(datetime(2026, 3, 1), Precision.MONTH),
        contained=When(datetime(2026, 3, 9, 11, 30), Precision.MINUTE),
        resolved=When(datetime(2026, 3, 10), Precision.DAY),
        users_affected=Extent(10, 20),
        assets_affected=None,
        cves=("CVE-2026-12345", "CVE-2026-1234567"),
        attack=("T1566.002", "T1534"),
        status=IncidentStatus.FALSE_POSITIVE,
        is_exercise=True,
        public_summary="Forty-one people entered a password.\n\n### A part\n\n```\n## No heading\n```",
        internal_summary="Inside.",
        lessons="Learned.",
        advice="Act.",
    )
    assert parsed.value is not None
    assert text.split("\n")[parsed.value.lines["public_summary"] - 1] == "Forty-one people entered a password."
    assert text.split("\n")[parsed.value.lines["advice"] - 1] == "Act."


def test_sections_may_be_french():
    """With or without accents and capitals."""
    text = INCIDENT.replace("Public summary", "Resume  PUBLIC") + (
        "\n## Résumé interne\na\n## Enseignements\nb\n## Ce que vous pouvez faire\nc"
    )
    value = read_incident(text).value
    assert value is not None
    assert (value.internal_summary, value.lessons, value.advice) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Text.\n", [("section", 10, "stands above"), ("section", 10, "no public summary")]),
        ("## Public sumary\nx\n", [("section", 10, 'did you mean "## Public summary"?'), ("section", 10, "no public")]),
        ("## Public summary\n\n\n", [("section", 11, "there is no public summary")]),
        ("## Lessons\nx\n", [("section", 10, 'write it below a line "## Public summary" or "## Résumé public"')]),
        ("## Public summary\nx\n\n## Credits\ny\n", [("section", 13, "use ## Public summary, ## Internal summary")]),
        ("## Public summary\nx\n## Résumé public\ny\n", [("section", 12, "comes a second time")]),
        ("# Title\n## Public summary\nx\n", [("section", 10, "stands above the first section")]),
        ("## Public summary\nx\n\n~~~\n## Lessons\n~~~~\n## Wurst\n", [("section", 16, "unknown section")]),
    ],
)
def test_a_text_outside_the_sections_is_refused(body: str, expected: list[tuple[str, int, str]]):
    """Who may read a text depends on its section, so none may be guessed."""
    parsed = read_incident(INCIDENT.partition("## Public")[0] + body)
    assert told(parsed) == [(rule, line) for rule, line, _ in expected]
    for finding, (_, _, words) in zip(parsed.findings, expected, strict=True):
        assert words in str(finding)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("severity: 5", '"severity" is "5", not 1 to 4'),
        ("severity: high-ish", "not 1 to 4; write 1 (a nuisance) to 4"),
        ("rsit: phishing", "did you mean fraud/phishing?"),
        ("rsit: fraud/phising", "did you mean fraud/phishing?"),
        ("rsit: intrusion", "did you mean intrusions?"),
        ("rsit: fraud/ddos", "did you mean availability/ddos?"),
        ("rsit: wurst", "the classes are abusive-content"),
        ("detected: 2026", "names no month to count in; write at least the month, like 2026-10"),
        (
            "detected: 2026-03-09T08:40Z",
            "no date; write it like 2026, 2026-10, 2026-10-05 or 2026-10-05T14:30, in the site",
        ),
        ("detected: 09/03/2026", "no date"),
        ("detected: 2026-03-09T24:00", "which no calendar has"),
        ("users_affected: about 20", "neither a number nor a range; write it like 14, 10-20 or unknown"),
        ("users_affected: 1,000", "neither a number nor a range"),
        ("users_affected: 20-10", "neither a number nor a range"),
        ("users_affected: -1", "neither a number nor a range"),
        ("users_affected: 1.5", "neither a number nor a range"),
        ("users_affected: " + "9" * 5_000, "neither a number nor a range"),
        ("cves: [CVE-26-1]", '"cves[1]" is "CVE-26-1", no CVE id; write it like CVE-2026-12345'),
        ("attack: [phishing]", '"attack[1]" is "phishing", no ATT&CK technique; write it like T1566.002'),
        ("status: opn", "did you mean open?"),
        ("pap: WHTE", '"pap" is "WHTE", no label'),
        ("is_exercise: perhaps", "neither yes nor no; write yes or no"),
        ("id: INC-2026-015", 'the id is "INC-2026-015", but the file is named "inc-2026-014"'),
        ("id: ../x", '"id" is "../x", no id'),
    ],
)
def test_a_wrong_fact_is_named_with_its_fix(line: str, message: str):
    """Nothing is guessed that figures are made of."""
    assert message in only(incident_with(line))


def test_zero_is_a_number_and_unknown_is_none():
    """Never 0 for unknown: the two mean different things in every figure."""
    for typed, extent in (
        ("0", Extent(0, 0)),
        ("unknown", None),
        ("n/a", None),
        ("'?'", None),
        ("10\u201320", Extent(10, 20)),
    ):
        value = incident_with(f"users_affected: {typed}").value
        assert value is not None
        assert value.users_affected == extent


@pytest.mark.parametrize(
    ("lines", "faulty"),
    [
        (("occurred: 2026-03-09T08:41",), "detected"),
        (("occurred: 2026-03-09T08:40",), None),
        (("occurred: 2026-03-09",), None),
        (("occurred: 2026-12",), "detected"),
        (("occurred: 2026",), None),
        (("contained: 2026-03-08",), "contained"),
        (("contained: 2026-03-09", "resolved: 2026-03-09T10:00"), None),
        (("contained: 2026-03-10", "resolved: 2026-03-09T10:00"), "resolved"),
        (("resolved: 2025",), "resolved"),
        (("occurred: 2026-03-05", "reported: 2026-03-04"), "reported"),
        (("reported: 2026-03-09T08:00",), None),
        (("resolved: 2999-12-31", "contained: 2999"), None),
    ],
)
def test_dates_follow_each_other_as_exactly_as_they_are_known(lines: tuple[str, ...], faulty: str | None):
    """A day cannot be judged against an hour of it; what is certainly wrong is a fault."""
    parsed = incident_with(*lines)
    told(parsed)
    assert [finding.message.split('"')[1] for finding in parsed.findings] == ([faulty] if faulty else [])


@pytest.mark.parametrize("case", DIVD, ids=lambda case: case["case_id"])
def test_real_case_files_load_or_say_why_not(case: dict[str, str]):
    """118 files written by hand in a real security team: tabs, CRLF, n/a, one field under three names."""
    path = f"incidents/2026/{case['case_id'].lower()}.en.md"
    parsed = parse_incident(case["raw_file"].encode(), path, EN)
    assert told(parsed), "none of them carries a label, so none may load"
    assert len(parsed.findings) < MAX_FAULTS


def test_real_front_matter_reads_as_another_parser_reads_it():
    """All 118 heads, 37 of 198 such files being beyond PyYAML; where a field stands twice we keep the first."""
    repeated = set()
    for case in DIVD:
        faults = Faults("x.md")
        document = read_document(case["raw_file"].encode(), faults)
        assert document is not None
        outcome = faults.outcome(None)
        repeated |= {case["case_id"] for finding in outcome.findings if "second time" in finding.message}
        ours, theirs = _folded(document.fields), _folded(case["front_matter"])
        if case["case_id"] not in repeated:
            assert outcome.findings == ()
            assert ours == theirs
    assert len(repeated) == 3


def _folded(value: object) -> object:
    """Absent things left out, white space folded, everything text."""
    if isinstance(value, dict):
        return {str(name): kept for name, item in value.items() if (kept := _folded(item)) is not None}
    if isinstance(value, list):
        return [kept for item in value if (kept := _folded(item)) is not None]
    text = "" if value is None else " ".join(str(value).split())
    return None if text.lower() in ("", "n/a") else text


# --- notes ---------------------------------------------------------------------------------


def test_a_note_with_all_its_fields():
    """Nested fields, lists, and Markdown in both."""
    parsed = note_with(
        "title: Seasons make poor passwords",
        "authors: [The Team]",
        'in_brief: ["Three incidents.", "12:30 was the hour."]',
        "action:\n  title: Retire one password\n  text: |\n    Think of the *oldest* one.\n\n    Replace it.",
        "order: [INC-2026-014, usb-stick-found]",
        "elsewhere:\n  - link: https://advisories.example.org/1\n    why: It is ours.",
        "corrections: In September we said 12; it was 13.",
    )
    assert parsed.findings == ()
    assert parsed.value == EditorNote(
        month=Month(2026, 10),
        language=EN,
        tlp=Tlp.CLEAR,
        path="reports/2026-10.en.md",
        title="Seasons make poor passwords",
        authors=("The Team",),
        in_brief=("Three incidents.", "12:30 was the hour."),
        action=Action("Retire one password", "Think of the *oldest* one.\n\nReplace it."),
        order=("INC-2026-014", "usb-stick-found"),
        elsewhere=(Pick("https://advisories.example.org/1", "It is ours."),),
        corrections=("In September we said 12; it was 13.",),
        body="A quiet month.",
    )


def test_a_note_may_have_no_text():
    """All but the label is optional."""
    value = note_with(body="").value
    assert value is not None
    assert value.body == ""


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        ("action: Retire a password", 3, '"action" has fields of its own; write them on lines of their own below it'),
        ("action:\n  title: x", 3, '"action.text" is missing or empty; add a line like `text: "Think of'),
        ("action:\n  title: x\n  txt: y\n  text: z", 5, 'unknown field "action.txt"; did you mean "text"?'),
        ("elsewhere:\n  - link: https://a.example\n    wy: b\n    why: c", 5, 'unknown field "elsewhere[1].wy"'),
        (
            "elsewhere:\n  - why: b\n    link: ftp://a.example",
            5,
            '"elsewhere[1].link" is "ftp://a.example", no web address',
        ),
        ("elsewhere: https://a.example", 3, '"elsewhere[1]" has fields of its own'),
        ("in_brief: [fine, '<b>no</b>']", 3, "raw HTML (<b) is not allowed here"),
        ("action:\n  title: x\n  text: |\n    fine\n\n    <i>no</i>", 8, "raw HTML (<i) is not allowed here"),
        ("corrections:\n  - fine\n  - n/a\n  - <u>no</u>", 6, "raw HTML (<u) is not allowed here"),
        ("action:\n  title: x\n  text: " + "y" * 5_001, 5, '"action.text" has 5,001 characters, 5,000 are the limit'),
    ],
)
def test_faults_inside_nested_fields_have_their_own_lines(lines: str, line: int, message: str):
    """The line of the value, not of the field that it is in."""
    parsed = note_with(lines)
    assert message in only(parsed)
    assert parsed.findings[0].place.line == line
