"""A folder of deliberately broken mails and articles: every planted fault is found in its place, and nothing else is.

They were planted by somebody who had not read the rules' own examples, from what editors, templates and scripts do.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree

import pytest

from newsletter.checks import rules
from newsletter.preflight import MAX_MAIL_BYTES
from tests.support.sites import Site

BROKEN = Path(__file__).parent / "data" / "broken"
MAILS = sorted((BROKEN / "mails").glob("*.eml"))


@dataclass(frozen=True)
class Faults:
    """What is wrong with a file, as "code place". ``follows``: what a planted fault makes wrong besides.

    Places of content are line:column, those of mails begin with the part. A fault that stands twice is found twice.
    """

    planted: list[str]
    follows: list[str] = field(default_factory=list)


EXPECTED: dict[str, Faults] = {
    "site/articles/2026/Holiday Snaps.en.md": Faults(["file-name 1"]),
    "site/articles/2026/colon-in-the-title.en.md": Faults(["front-matter 2"]),
    "site/articles/2026/for-named-persons.en.md": Faults(["tlp-red 7"]),
    "site/articles/2026/forgotten-label.en.md": Faults(["tlp-missing 1", "field-unknown 5"]),
    "site/articles/2026/half-a-page.en.md": Faults(["waiver-unknown 8", "heading-order 11:1", "link-internal-dead 13"]),
    "site/articles/2026/moved-house.en.md": Faults(
        ["link-internal-dead 9", "link-plain-http 11:5", "reference-missing 12:24", "reference-missing 12:47"]
    ),
    "site/articles/2026/not-quite-ready.en.md": Faults(
        ["title-shouts 2:9", "marker-left 13:26", "heading-order 15:1", "word-banned 17:27"]
    ),
    "site/articles/2026/one-account-for-all.en.md": Faults(["secret 9:48", "personal-address 12:28"]),
    "site/articles/2026/one-long-breath.en.md": Faults(
        ["summary-missing 1", "sentence-long 8:1", "heading-repeated 16:1", "address-live 18:58"]
    ),
    "site/articles/2026/pasted-from-the-web.en.md": Faults(["markdown 11"]),
    "site/articles/2026/pictures-that-are-not-there.en.md": Faults(
        ["image-missing 11", "image-missing 13", "image-words-missing 13"]
    ),
    "site/articles/2026/saved-by-an-old-editor.en.md": Faults(["encoding 9"]),
    "site/articles/2026/see-also.en.md": Faults(
        ["title-too-long 2", "title-ends 2:113", "theme-unknown 6", "link-internal-dead 9"]
    ),
    "site/articles/2026/the-colleague-who-left.en.md": Faults(
        ["private-name 10:1", "secret 12:34", "personal-address 15:37", "personal-phone 15:70"]
    ),
    "site/articles/2026/thirteenth-month.en.md": Faults(["field 3", "field 8"]),
    "site/articles/2026/where-links-lead.en.md": Faults(
        ["link-text-lies 10:1", "link-text-vague 12:43", "link-shortener 13:33"]
    ),
    "site/incidents/2026/inc-2026-101.en.md": Faults(["live-indicator 17:1", "live-indicator 17:86"]),
    "site/incidents/2026/inc-2026-102.en.md": Faults(["dates-order 10"]),
    "site/incidents/2026/inc-2026-103.en.md": Faults(["field 4", "field 5", "section 16"]),
    "site/incidents/2026/inc-2026-104.en.md": Faults(["tlp-above-clearance 6"]),
    "site/reports/2026-10.en.md": Faults(["tlp-copied 4", "order-unknown 7"]),
    "mails/counts-who-clicks.eml": Faults(
        ["mail-link-tracked html:336:42", "mail-link-tracked html:343:73"],
        follows=[
            "mail-link-parity html:336:42",
            "mail-link-differs html:343:73",
            "mail-link-parity html:343:73",
            "mail-link-parity txt:169:5",
        ],
    ),
    "mails/counts-who-opens.eml": Faults(
        ["mail-remote html:12:1", "mail-image-foreign html:363:1", "mail-remote html:363:1"],
        follows=["mail-css-unsupported html:12:1"],
    ),
    "mails/folded-by-the-library.eml": Faults(
        ["mail-encoded-word eml:3", "mail-archived eml:17"], follows=["mail-unsubscribe eml:3"]
    ),
    "mails/for-outlook.eml": Faults(
        ["mail-table-role html:143:1", "mail-conditional html:359:1"], follows=["mail-markup html:359:1"]
    ),
    "mails/foreign-template.eml": Faults(
        ["mail-viewport html:6:1", "mail-direction html:131:1", "mail-language html:131:1"]
    ),
    "mails/grey-on-grey.eml": Faults(
        ["mail-contrast-light html:354:1", "mail-text-small html:354:1"],
        follows=["mail-body-small html:354:1", "mail-contrast-inverted html:354:1"],
    ),
    "mails/headers-by-hand.eml": Faults(
        ["mail-header-once eml:1", "mail-header-once eml:2", "mail-header-once eml:10"]
    ),
    "mails/hidden-first-line.eml": Faults(
        [
            "mail-hidden html:132:1",
            "mail-invisible html:132:51",
            "mail-invisible html:132:52",
            "mail-invisible html:132:53",
            "mail-tlp txt:1",
        ],
        follows=["mail-css-unsupported html:132:1"],
    ),
    "mails/inlined-by-default.eml": Faults(
        [
            "mail-doctype html:1:1",
            "mail-css-outweighed html:92:1",
            "mail-css-outweighed html:108:1",
            "mail-heading html:149:1",
        ]
    ),
    "mails/intact.eml": Faults([]),
    "mails/light-only.eml": Faults(["mail-color-scheme html:3:1", "mail-contrast-dark html:348:1"]),
    "mails/nobody-can-leave.eml": Faults(
        ["mail-unsubscribe eml:3", "mail-unsubscribe eml:3", "mail-unsubscribe-link txt:1"],
        follows=["mail-link-parity html:355:157"],
    ),
    "mails/nobody-filled-in.eml": Faults(
        [
            "mail-placeholder html:165:43",
            "mail-placeholder html:214:52",
            "mail-placeholder txt:35:6",
            "mail-placeholder txt:86:15",
        ]
    ),
    "mails/richest-first.eml": Faults(["mail-parts eml:21", "mail-parts eml:846"]),
    "mails/text-without-incidents.eml": Faults(
        ["mail-heading-parity html:172:1", "mail-heading-parity html:191:1", "mail-heading-parity html:202:1"],
        follows=["mail-word-parity txt:1"],
    ),
    "mails/through-a-careless-script.eml": Faults(["mail-header-form eml:13", "mail-header-form eml:19"]),
    "mails/words-of-another-address.eml": Faults(
        ["mail-link-scheme html:336:42", "mail-link-differs html:351:66"],
        follows=["mail-link-parity html:336:42", "mail-link-parity txt:169:5"],
    ),
}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Site:
    """A copy of the broken site, current folder and all."""
    monkeypatch.chdir(copytree(BROKEN / "site", tmp_path / "site"))
    return Site(tmp_path / "site", capsys)


def found(site: Site, *paths: str) -> Counter[tuple[str, str]]:
    """What ``check --json`` says of these, as (file of this folder, "code place")."""
    site.newsletter("check", "--json", *paths)
    every: Counter[tuple[str, str]] = Counter()
    for one in json.loads(site.out)["findings"]:
        place = ":".join(str(number) for number in (one["line"], one["column"]) if number)
        name, _, part = one["path"].rpartition(".")
        if part == "md":
            every[f"site/{one['path']}", f"{one['rule']} {place}"] += 1
        else:
            every[f"mails/{name}.eml", f"{one['rule']} {part}:{place}"] += 1
    return every


def test_every_planted_fault_is_found_in_its_place_and_nothing_else_is(broken: Site) -> None:
    """The command over the whole folder, content and mails at once: no fault is missing, none is invented."""
    wanted = Counter((name, one) for name, faults in EXPECTED.items() for one in faults.planted + faults.follows)
    assert found(broken, ".", *map(str, MAILS)) == wanted


def test_every_file_of_the_folder_is_in_the_table() -> None:
    """Each has a planted fault, but the letter that the others were made of."""
    files = [*MAILS, *(BROKEN / "site").rglob("*.md")]
    assert {path.relative_to(BROKEN).as_posix() for path in files} == EXPECTED.keys()
    assert [name for name, faults in EXPECTED.items() if not faults.planted] == ["mails/intact.eml"]


def test_the_faults_are_of_many_kinds() -> None:
    """A third of the rules over content and letters, at least: one fault over and over would show little."""
    planted = {one.split()[0] for faults in EXPECTED.values() for one in faults.planted}
    judged = {code for code, _, _ in rules() if not code.startswith("page-")}
    assert planted <= judged
    assert len(planted) > len(judged) / 3


# --- letters as paths ---------------------------------------------------------------------------


def test_mails_alone_are_judged_without_the_content(broken: Site) -> None:
    """Nothing of it is kept for the next run, and its exit code is the letter's."""
    assert {name for name, _ in found(broken, str(BROKEN / "mails" / "grey-on-grey.eml"))} == {"mails/grey-on-grey.eml"}
    assert broken.newsletter("check", str(BROKEN / "mails" / "grey-on-grey.eml")) == 1
    assert broken.newsletter("check", str(BROKEN / "mails" / "intact.eml")) == 0
    assert not (broken.folder / "var").exists()


def test_a_mail_is_judged_anew_when_it_has_changed(broken: Site) -> None:
    """Also beside content, which is not."""
    letter = broken.folder / "letter.EML"
    letter.write_bytes((BROKEN / "mails" / "intact.eml").read_bytes())
    before = found(broken, "incidents", str(letter))
    letter.write_bytes((BROKEN / "mails" / "light-only.eml").read_bytes())
    after = found(broken, "incidents", str(letter)) - before
    assert [one for _, one in after] == EXPECTED["mails/light-only.eml"].planted


def test_what_the_settings_waive_is_waived_in_mails_too(broken: Site) -> None:
    """With its reason; a waiver that this letter has no use for is not called idle."""
    settings = broken.folder / "newsletter.toml"
    waivers = '[checks.waive]\nmail-hidden = "Asked for"\nmail-parts = "The minutes go with it"\n'
    settings.write_text(f"{settings.read_text(encoding='utf-8')}\n{waivers}", encoding="utf-8")
    told = broken.json("check", str(BROKEN / "mails" / "richest-first.eml"))
    assert told["findings"] == []
    assert [one["reason"] for one in told["waived"]] == ["The minutes go with it"] * 2


def test_what_an_editor_wrote_is_no_placeholder_in_a_mail(broken: Site) -> None:
    """As in the letters that are made here: an article about templates is not one that was not filled in."""
    name = "mails/nobody-filled-in.eml"
    words = "---\ntlp: CLEAR\n---\nWe wrote to {{ reader.first_name }} in %%MONTH%%.\n"
    broken.write("reports/2026-10.en.md", words)
    assert found(broken, str(BROKEN / name)) == Counter()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.unlink(missing_ok=True), "does not exist"),
        (lambda path: path.mkdir(), "is no file"),
        (lambda path: path.write_bytes(b"x" * (MAX_MAIL_BYTES + 1)), f"is larger than {MAX_MAIL_BYTES:,} bytes"),
    ],
    ids=["absent", "a folder", "too large"],
)
def test_a_mail_that_cannot_be_judged_is_one_clear_mistake(
    broken: Site, make: Callable[[Path], object], said: str
) -> None:
    """It names the file, and nothing is judged."""
    make(broken.folder / "letter.eml")
    assert broken.newsletter("check", "incidents", "letter.eml") == 2
    assert broken.out == ""
    assert broken.err.count("error:") == 1
    assert "letter.eml" in broken.err
    assert said in broken.err


@pytest.mark.parametrize("content", [b"", b"\0\xff" * 5_000, b"Subject: x\r\n\r\n<!--[if mso]>"])
def test_what_is_no_mail_is_judged_as_a_bad_one(broken: Site, content: bytes) -> None:
    """Whatever lies in the file: findings, and no trace."""
    (broken.folder / "letter.eml").write_bytes(content)
    assert broken.newsletter("check", "letter.eml") == 1
    assert "mail-header-once" in broken.out
