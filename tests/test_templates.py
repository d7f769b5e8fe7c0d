"""A site's own templates: found first, and when they are wrong, told where. And the small mails to editors."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from newsletter.errors import ConfigError
from newsletter.render.environment import Templates
from newsletter.render.mail import render_report
from newsletter.render.notices import facts_of, render_notice
from newsletter.render.text import COLUMNS
from tests.support.letters import PACKAGED, PUBLICATION, SECTIONS, texts
from tests.support.samples import EN, FR, OCTOBER, sample_report

if TYPE_CHECKING:
    from pathlib import Path

    from newsletter.model import Language


@pytest.mark.parametrize(
    ("name", "template", "message"),
    [
        ("body.txt", "one\n{{ lettr.subject }} {{ unsubscribe }}", r"email/report/body\.txt:2: 'lettr' is undefined"),
        ("body.txt", "{{ letter.subjct }}", r"body\.txt:1: .* has no attribute 'subjct'"),
        ("body.html", "<p>\n\n{% if %}</p>", r"email/report/body\.html:3: "),
        ("body.html", "{% include 'email/gone.html' %}", r"no template 'email/gone\.html'"),
        ("subject.txt", "{{ letter.action.title }}{{ none }}", r"subject\.txt:1: "),
        ("body.txt", "Nobody leaves.", r"body\.txt: nobody could leave the list"),
        ("body.txt", "{{ ''.__class__.__mro__ }}", r"body\.txt:1: .*unsafe"),
    ],
)
def test_broken_template_names_file_line_and_variable(tmp_path: Path, name: str, template: str, message: str) -> None:
    """A site's designer sees what is wrong where; nothing is printed as blank, and nothing reaches inside Python."""
    folder = tmp_path / "email" / "report"
    folder.mkdir(parents=True)
    (folder / name).write_text(template, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        render_report(sample_report(), PUBLICATION, Templates([tmp_path]))


def test_sites_own_template_comes_first(tmp_path: Path) -> None:
    """One file of a site replaces the packaged one; the others stay."""
    folder = tmp_path / "email" / "report"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("Ours:\n {{ letter.month }}\n", encoding="utf-8")
    variant = render_report(sample_report(), PUBLICATION, Templates([tmp_path]))
    assert variant.subject == "Ours: October 2026"
    assert texts(variant, "h2") == SECTIONS


# --- notices -----------------------------------------------------------------


def test_reminder_of_a_ready_draft_says_what_to_do() -> None:
    """Month, day of sending, how to look at it and how to approve it."""
    at = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
    values = facts_of({"month": OCTOBER, "at": at, "days": 5, "failures": [], "blocking": 0})
    notice = render_notice("reminder-draft-ready", EN, values, PUBLICATION, PACKAGED)
    subject, text = notice.subject, notice.text
    assert subject == "Monthly Security Report: the draft of October 2026 is ready"
    assert "It is due in 5 days, on 3 November 2026, 09:00." in text
    assert "newsletter approve 2026-10" in text
    assert "could not be used" not in text
    assert "newsletter check" not in text
    text = render_notice("reminder-draft-ready", EN, values | {"blocking": 2}, PUBLICATION, PACKAGED).text
    assert "2 findings block it; see them with:\n  newsletter check --month 2026-10\n" in text
    text = render_notice("reminder-draft-ready", EN, values | {"failures": ["cert: dead"]}, PUBLICATION, PACKAGED).text
    assert text.endswith("could not be used; the month goes on without them:\n  cert: dead\n")
    notice = render_notice("reminder-draft-ready", FR, values | {"days": 1}, PUBLICATION, PACKAGED)
    subject, text = notice.subject, notice.text
    assert subject == "Monthly Security Report\u00a0: le projet pour octobre 2026 est prêt"
    assert "Son envoi est prévu dans 1 jour, le 3 novembre 2026, 09:00." in text


@pytest.mark.parametrize(
    ("reason", "says"),
    [("late", "passed too long ago"), ("unapproved", "nobody has approved"), ("failed", "It could not be finished")],
)
def test_reminder_of_a_held_month_says_why(reason: str, says: str) -> None:
    """Held, needs you: the reason, its detail, and the commands that help."""
    values = facts_of({"month": OCTOBER, "reason": reason, "detail": "no such relay", "findings": (), "more": 0})
    notice = render_notice("reminder-held", EN, values, PUBLICATION, PACKAGED)
    subject, text = notice.subject, notice.text
    assert subject == "Monthly Security Report: October 2026 is held and needs you"
    assert says in text
    assert "  no such relay" in text
    assert max(len(line) for line in text.split("\n")) <= COLUMNS


@pytest.mark.parametrize(
    ("language", "says"),
    [(EN, "The preflight found what blocks it."), (FR, "Le contrôle a trouvé ce qui le bloque.")],
)
def test_reminder_of_a_blocked_month_names_what_blocks(language: Language, says: str) -> None:
    """The findings, how many more there are, and the command that shows all."""
    told = [f"link-internal-dead articles/a.en.md:{line}: leads nowhere" for line in range(10)]
    values = facts_of({"month": OCTOBER, "reason": "blocked", "detail": "", "findings": told, "more": 3})
    text = render_notice("reminder-held", language, values, PUBLICATION, PACKAGED).text
    assert says in text
    assert all(f"\n  {one}\n" in text for one in told)
    assert re.search(r"\n  (?:and|et) 3 (?:more|autres)\n", text)
    assert "\n  newsletter check --month 2026-10\n" in text
    assert max(len(line) for line in text.split("\n")) <= COLUMNS


def test_reminder_without_its_values_is_a_clear_error() -> None:
    """Not a blank in a mail to editors."""
    with pytest.raises(ConfigError, match="month"):
        render_notice("reminder-held", EN, {"reason": "late"}, PUBLICATION, PACKAGED)
