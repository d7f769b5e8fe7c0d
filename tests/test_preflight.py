"""The preflight as a person meets it: what is waived, what is forced, what is kept, and what machines read of it."""

from __future__ import annotations

import io
import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from newsletter import pipeline
from newsletter.app import App, build_app
from newsletter.checks import rules
from newsletter.cli.sarif import sarif
from newsletter.config import load_settings
from newsletter.errors import PreflightError
from newsletter.findings import KEPT
from newsletter.model import Finding, Gravity, MailingState, Month, Place, Preflight, Waived
from newsletter.preflight import coming_month, preflight
from newsletter.store import mailings
from tests.support.mailserver import MailServer
from tests.support.sites import Site

REPOSITORY = Path(__file__).parent.parent
OCTOBER = Month(2026, 10)
HEAD = 'title: "A dead link"\ndate: 2026-10-05\nauthors: [Robin]\nsummary: "Where a link leads nowhere."\ntlp: CLEAR\n'
DEAD = "Look at [what is not there](/en/articles/not-there/).\n"
PLACE = "articles/2026/dead.en.md"
CODE = "link-internal-dead"


def dead(site: Site, more: str = "") -> None:
    """An article whose link blocks."""
    site.write(PLACE, f"---\n{HEAD}{more}---\n{DEAD}")


def blocked(site: Site) -> dict[str, Any]:
    """What ``check --json`` prints when something blocks."""
    assert site.newsletter("check", "--json") == 1
    found: dict[str, Any] = json.loads(site.out)
    return found


def opened(site: Site) -> App:
    """The site's parts, after the month has ended."""
    app = build_app(load_settings(site.folder), clock=lambda: datetime(2026, 11, 3, 9, tzinfo=UTC))
    app.ready_store()
    return app


# --- waivers ------------------------------------------------------------------------------------


def test_a_waiver_with_a_reason_lets_a_finding_pass_and_is_counted(site: Site) -> None:
    """It is printed with its reason, in every form."""
    dead(site)
    assert site.newsletter("check") == 1
    dead(site, f'waive:\n  {CODE}: "The page comes next week"\n')
    found = site.json("check")
    assert found["blocking"] == 0
    assert [(w["rule"], w["path"], w["reason"]) for w in found["waived"]] == [(CODE, PLACE, "The page comes next week")]
    out = site.must("check")
    assert "1 waived" in out
    assert "because: The page comes next week [link-internal-dead]" in out


@pytest.mark.parametrize(
    ("waiver", "rule", "fix"),
    [
        (f'waive:\n  {CODE}s: "x"\n', "waiver-unknown", f'did you mean "{CODE}"?'),
        ('waive:\n  tlp-copied: "x"\n', "waiver-unknown", "take it out"),
        ('waive:\n  tlp-missing: "x"\n', "waiver-unknown", "take it out"),
        ('waive:\n  title-too-long: "x"\n', "waiver-idle", "take it out"),
    ],
)
def test_a_waiver_that_answers_for_nothing_is_named(site: Site, waiver: str, rule: str, fix: str) -> None:
    """A misspelt one too, and one for what nobody can answer for; they would only look like safety."""
    dead(site, waiver)
    (finding,) = (f for f in blocked(site)["findings"] if f["rule"] == rule)
    assert (finding["path"], finding["line"], finding["severity"]) == (PLACE, 7, "advise")
    assert fix in finding["fix"]


def test_what_stands_in_pages_is_waived_in_the_file_that_they_show(site: Site) -> None:
    """Whether it is idle is known once the pages were looked at, and not before."""
    summary = "Where a link leads nowhere."
    plain = f'---\n{HEAD}waive:\n  page-description: "Enough"\n---\nA word.\n'
    site.write(PLACE, plain.replace(summary, "Short."))
    found = site.json("check")
    assert [(w["rule"], w["path"], w["line"]) for w in found["waived"]] == [("page-description", PLACE, 5)]
    site.write(PLACE, plain)
    assert "waiver-idle" in {f["rule"] for f in site.json("check")["findings"] if f["path"] == PLACE}
    app = opened(site)
    assert "waiver-idle" not in {f.rule for f in preflight(app, letters=False, pages=False).findings}


@pytest.mark.parametrize("waiver", ["waive: yes\n", "waive: [a]\n", f"waive:\n  {CODE}: [a]\n"])
def test_a_waiver_that_is_no_reason_is_a_fault(site: Site, waiver: str) -> None:
    """The message shows how one is written."""
    dead(site, waiver)
    assert site.newsletter("check") == 1
    assert f"{PLACE}:7: " in site.out
    assert "reason" in site.out


@pytest.mark.parametrize(
    ("waiver", "line", "message"),
    [
        (f"waive:\n  {CODE}:\n", 8, f'"waive.{CODE}" gives no reason'),
        (f'waive:\n  {CODE}: "  "\n', 8, f'"waive.{CODE}" gives no reason'),
        (f'waive:\n  title-too-long: "Its name"\n  {CODE}: n/a\n', 9, f'"waive.{CODE}" gives no reason'),
        ("waive:\n", 7, '"waive" names no rule'),
        ("waive: {}\n", 7, '"waive" names no rule'),
    ],
)
def test_an_empty_waiver_is_a_fault(site: Site, waiver: str, line: int, message: str) -> None:
    """Who waives says what and why: an empty one would look like an answer, and be none."""
    dead(site, waiver)
    found = blocked(site)
    assert found["waived"] == []
    (finding,) = (f for f in found["findings"] if f["rule"] == "field")
    assert (finding["path"], finding["line"], finding["severity"]) == (PLACE, line, "block")
    assert finding["message"] == message
    assert "write `waive:` and below it" in finding["fix"]


@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("incidents/2026/INC-2026-001.en.md", "waive:\n"),
        ("reports/2026-10.en.md", "waive:\n"),
    ],
)
def test_an_empty_waiver_of_an_incident_or_a_note_is_a_fault_too(site: Site, path: str, head: str) -> None:
    """Whatever else is wrong with the file."""
    site.write(path, f"---\n{head}---\nWords.\n")
    assert '"waive" names no rule' in [f["message"] for f in blocked(site)["findings"]]


# --- force --------------------------------------------------------------------------------------


def test_approve_and_send_refuse_what_blocks_and_a_forced_one_is_on_record(
    site: Site, mailserver: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 4, nothing sent; with a reason it leaves, and who said so is in the month's standing."""
    monkeypatch.setenv("NEWSLETTER_RELAY_PORT", str(mailserver.port))
    site.subscribe("ann@people.example")
    dead(site)
    for command in (("approve",), ("send", "--yes")):
        assert site.newsletter(command[0], "2026-10", *command[1:]) == 4
        assert f"{PLACE}:8" in site.err
        assert site.newsletter(command[0], "2026-10", *command[1:], "--force", " ") == 2
    assert mailserver.mails_to("ann@people.example") == ()
    site.must("approve", "2026-10", "--by", "robin", "--force", "The page  is on its way")
    forced = site.json("status", "2026-10")["forced"]
    assert (forced["by"], forced["reason"]) == ("robin", "The page is on its way")
    assert [text.split(":")[0] for text in forced["findings"]] == [PLACE]
    assert "forced by robin: The page is on its way (1 findings)" in site.must("status", "2026-10")
    site.must("send", "2026-10", "--yes")
    assert len(mailserver.mails_to("ann@people.example")) == 1
    assert site.json("status", "2026-10")["forced"] == forced


def test_what_is_found_after_somebody_forced_it_blocks_again(site: Site) -> None:
    """A word is given for what was seen, not for whatever comes."""
    dead(site)
    site.must("approve", "2026-10", "--by", "robin", "--force", "Known")
    site.must("approve", "2026-10", "--by", "robin")
    site.write("articles/2026/other.en.md", f"---\n{HEAD}---\n{DEAD}")
    assert site.newsletter("approve", "2026-10") == 4
    assert "other.en.md" in site.err


def test_nobody_can_force_what_no_page_can_be_made_of(site: Site) -> None:
    """Files that cannot be read, and copies of stricter texts, are mended and not argued about."""
    site.write(PLACE, "---\ntitle: x\n---\nx\n")
    assert site.newsletter("approve", "2026-10", "--force", "Never mind") == 2
    assert "tlp" in site.err
    dead(site, "themes: [nobody-knows-it]\n")
    assert site.newsletter("approve", "2026-10", "--force", "Never mind") == 2
    assert "nobody-knows-it" in site.err


def test_looking_at_a_month_is_not_releasing_it(site: Site) -> None:
    """``report`` writes its files and says that its release is blocked; the archive is not built."""
    dead(site)
    site.must("report", "2026-10", "--out", "out")
    assert (site.folder / "out" / "2026-10.public.en.html").is_file()
    assert "1 findings block its release" in site.err
    assert site.newsletter("publish") == 4
    assert not (site.folder / "archive").exists()


def test_a_release_that_was_forced_is_finished_after_a_crash(site: Site) -> None:
    """The second process knows the word of the first one's operator: it is in the store."""
    dead(site)
    with closing(opened(site)) as app:
        mailing = pipeline.prepare(OCTOBER, app, force=pipeline.Force("robin", "Known"))
        pipeline.keep_word(mailing, app)
    with closing(opened(site)) as app:
        assert pipeline.prepare(OCTOBER, app).forced == mailing.forced
        assert pipeline.release(pipeline.current(OCTOBER, app), app).state is MailingState.RELEASED


def test_a_mailing_that_nobody_forced_has_no_word_on_record(site: Site) -> None:
    """Also when somebody was ready to force it."""
    site.must("approve", "2026-10", "--by", "robin", "--force", "In case")
    assert site.json("status", "2026-10")["forced"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "```sh\n# a comment\necho ${HOME} {{ x }} %(name)s\ncurl https://example.org/a/very/long/address/that/no/line/of/78/holds/and/more\n```",
        "| Flag | Value |\n|---|---|\n| secure | True |\n| owner | None |\n| label | TLP:AMBER |\n\nIt is undefined.",
        "> TLP:AMBER\n\nis what a label looks like; see [the old page](http://example.org/old) and `a@example.org`.",
        "### Deeper than it should be\n\nSome words.\n\n#### And deeper\n\nMore words with `{% raw %}`.",
    ],
)
def test_what_security_articles_say_does_not_block_the_month(site: Site, text: str) -> None:
    """Code, labels and templates as a subject are no debris of ours: letters and pages only advise about them."""
    site.write(PLACE, f"---\n{HEAD}---\nSome words.\n\n{text}\n")
    site.must("check", "--month", "2026-10")
    site.must("approve", "2026-10")


def test_a_question_answered_with_no_forces_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word goes on record when it is given, not when it is asked for."""
    dead(site)
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    assert site.newsletter("send", "2026-10", "--force", "Trying") == 4
    assert site.json("status", "2026-10")["forced"] is None
    assert site.newsletter("approve", "2026-10", "--digest", "0000", "--force", "Trying") == 4
    assert site.json("status", "2026-10")["forced"] is None
    assert site.newsletter("send", "2026-10", "--yes") == 4


def test_a_forced_month_stays_forced_when_lines_move(site: Site) -> None:
    """What was forced is the finding, not its line."""
    dead(site)
    site.must("approve", "2026-10", "--by", "robin", "--force", "Known")
    dead(site, "# a comment\n")
    site.must("approve", "2026-10", "--by", "robin")


def test_the_archive_is_built_by_force_too(site: Site) -> None:
    """A correction may be urgent although something else blocks."""
    dead(site)
    assert site.newsletter("publish") == 4
    site.must("publish", "--force")


# --- what is kept -------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_judged_again(site: Site) -> None:
    """What was found last is kept with a mark of everything it was found in."""
    dead(site)
    first = blocked(site)
    kept = json.loads((site.folder / "var" / KEPT).read_text())
    kept["said"]["findings"][0]["message"] = "what was kept"
    (site.folder / "var" / KEPT).write_text(json.dumps(kept))
    assert blocked(site)["findings"][0]["message"] == "what was kept"
    dead(site, "# a comment\n")
    again = blocked(site)["findings"]
    assert [f | {"line": f["line"] + 1} for f in first["findings"] if f["rule"] == CODE] == [
        f for f in again if f["rule"] == CODE
    ]


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b'{"of": "x", "said": 3}', b"[" * 100_000])
def test_a_damaged_file_of_what_was_kept_is_like_none(site: Site, content: bytes) -> None:
    """It is only a help."""
    dead(site)
    first = blocked(site)
    (site.folder / "var" / KEPT).write_bytes(content)
    assert blocked(site) == first


@pytest.mark.parametrize("name", ["newsletter.toml", "templates/more/note.txt", "articles/2026/pic.png"])
def test_whatever_has_a_say_is_looked_at_anew(site: Site, name: str) -> None:
    """Settings and templates too: the mark changes with each of them."""
    site.must("check")
    before = json.loads((site.folder / "var" / KEPT).read_text())["of"]
    path = site.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n")
    site.newsletter("check")
    assert json.loads((site.folder / "var" / KEPT).read_text())["of"] != before


def test_a_site_that_cannot_be_written_is_judged_all_the_same(site: Site) -> None:
    """Nothing is kept then."""
    dead(site)
    (site.folder / "var" / KEPT).mkdir(parents=True)
    assert site.newsletter("check") == 1
    assert list((site.folder / "var").glob(".check*")) == []


def test_the_coming_month_is_the_first_after_the_last_that_was_released(site: Site) -> None:
    """That is the one that editors work at."""
    with closing(opened(site)) as app:
        first = coming_month(app)
        assert first == app.settings.first_month
        (app.editions_folder / str(first)).mkdir(parents=True)
        assert coming_month(app) == first.shift(1)


def test_nobody_works_at_a_month_that_was_cancelled(site: Site) -> None:
    """It has no edition, and never will: check and preview go on to the next, without a release in between."""
    with closing(opened(site)) as app:
        first = coming_month(app)
        pipeline.prepare(first, app)
        assert coming_month(app) == first
        with app.store.begin() as tx:
            mailings.cancel(tx, first, app.clock())
        assert coming_month(app) == first.shift(1)
    with closing(build_app(load_settings(site.folder))) as app:
        (site.folder / "var" / "newsletter.db").unlink()
        assert coming_month(app) == first  # a site whose database was never made has cancelled nothing


def test_our_own_content_letters_and_pages_have_nothing_to_mend() -> None:
    """What we show as an example passes its own preflight; what it answers for has reasons."""
    with closing(build_app(load_settings(REPOSITORY, {}))) as app:
        found = preflight(app, month=OCTOBER)
    assert [str(finding) for finding in found.findings] == []
    assert found.waived
    assert all(one.reason for one in found.waived)


# --- machines -----------------------------------------------------------------------------------


def test_sarif_has_rules_places_and_suppressions() -> None:
    """As section 3 of SARIF 2.1.0 wants them; a mark stays the same when lines move."""
    finding = Finding(CODE, Gravity.BLOCK, Place("articles/a b.en.md", 3, 7), "dead", "mend it")
    advice = Finding("title-too-long", Gravity.ADVISE, Place("articles/x.en.md"), "long")
    said = sarif(Preflight((finding,), (Waived(advice, "The law is called so"),)))
    assert said["version"] == "2.1.0"
    (run,) = said["runs"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert ids == [code for code, _, _ in rules()]
    first, second = run["results"]
    assert ids[first["ruleIndex"]] == first["ruleId"] == CODE
    assert (first["level"], second["level"]) == ("error", "warning")
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "articles/a%20b.en.md", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 3, "startColumn": 7},
    }
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert second["suppressions"] == [
        {"kind": "inSource", "status": "accepted", "justification": "The law is called so"}
    ]
    moved = Finding(CODE, Gravity.BLOCK, Place("articles/a b.en.md", 30, 7), "dead", "mend it")
    assert sarif(Preflight((moved,)))["runs"][0]["results"][0]["partialFingerprints"] == first["partialFingerprints"]


def test_check_prints_sarif(site: Site) -> None:
    """And nothing else; two forms at once are refused."""
    dead(site)
    assert site.newsletter("check", "--sarif") == 1
    results = json.loads(site.out)["runs"][0]["results"]
    assert CODE in [result["ruleId"] for result in results]
    assert site.newsletter("check", "--sarif", "--json") == 2


def test_paths_narrow_what_is_judged(site: Site) -> None:
    """A path that does not exist is a mistake."""
    dead(site)
    assert site.newsletter("check", "incidents") == 0
    assert site.newsletter("check", "articles") == 1
    assert site.newsletter("check", "nowhere") == 2


def test_a_preflight_error_names_every_finding() -> None:
    """One line each."""
    findings = [Finding(CODE, Gravity.BLOCK, Place(f"{n}.md", 1), "dead") for n in range(3)]
    assert str(PreflightError(findings)).count("\n") == 2
