"""The preflight on the command line: for people, as JSON, as SARIF."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from newsletter.cli.common import MONTH, json_option, opened_app, print_json, site_settings
from newsletter.errors import UsageError
from newsletter.model import Gravity, Preflight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.config import Settings
    from newsletter.model import Finding, Month, Waived

MAIL: Final = ".eml"
MAX_ADVICE_SHOWN: Final = 5  # of each rule: what 400 imported articles lack alike would drown the rest
SEVERITIES: Final = {Gravity.BLOCK: ("blocks  ", "red"), Gravity.ADVISE: ("advice  ", "yellow")}


@click.command(short_help="Find every fault in content, mails and pages.", epilog="Example: newsletter check articles")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--month", type=MONTH, help="Whose letters to judge; the coming month unless said.")
@click.option("--links", is_flag=True, help="Ask the network whether links to elsewhere still lead somewhere.")
@click.option("--all", "shows_all", is_flag=True, help="Print each piece of advice, however many a rule has.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print SARIF 2.1.0 on stdout, for code hosts and editors.")
@json_option
def check(
    paths: Sequence[Path], *, month: Month | None, links: bool, shows_all: bool, as_sarif: bool, as_json: bool
) -> int:
    """Find every fault: in the content, in the letters of the coming month as they would be sent, in every page.

    With PATHS, in the content below them alone; a file that ends in .eml is judged as a letter of this site, wherever
    it lies. Exit code 0 when nothing blocks a release, 1 when something does.
    """
    if as_json and as_sarif:
        raise UsageError("--json and --sarif are two forms of the same: choose one of them")
    for path in (path for path in paths if not path.exists()):
        raise UsageError(f"{path} does not exist")
    settings = site_settings()
    mails = [path for path in paths if path.suffix.lower() == MAIL]
    content = [path for path in paths if path not in mails]
    for path in (path for path in content if not path.resolve().is_relative_to(settings.root.resolve())):
        raise UsageError(f"{path} is no part of the site in {settings.root}")
    found = _mails(mails, month) if mails else Preflight()
    if content or not mails:
        judged = _found(settings, month, everything=not paths, links=links)
        found = _joined(_below(judged, settings.root, [path.resolve() for path in content]), found)
    if as_sarif:
        from newsletter.cli.sarif import sarif  # noqa: PLC0415

        print_json(sarif(found))
    elif as_json:
        print_json(_as_json(found))
    else:
        _print(found, shows_all=shows_all)
        if paths:
            click.echo("these alone: the letters of the month and the pages are judged without PATHS", err=True)
    return 1 if found.blocking else 0


def _found(settings: Settings, month: Month | None, *, everything: bool, links: bool) -> Preflight:
    from newsletter.findings import kept  # noqa: PLC0415

    def judge() -> Preflight:
        from newsletter.preflight import preflight  # noqa: PLC0415  # what renders costs 0.5 s

        with opened_app(database=False) as app:
            return preflight(app, month=month, letters=everything, pages=everything, links=links)

    if links:
        return judge()  # what lies elsewhere changes without our knowing
    return kept(settings, f"{month or 'coming'} {'everything' if everything else 'content'}", judge)


def _mails(paths: Sequence[Path], month: Month | None) -> Preflight:
    """Judged anew each time: what is kept between two runs is about the site, and these may lie anywhere."""
    from newsletter.preflight import preflight_mails  # noqa: PLC0415  # as above

    with opened_app(database=False) as app:
        return preflight_mails(app, paths, month=month)


def _joined(one: Preflight, other: Preflight) -> Preflight:
    return Preflight((*one.findings, *other.findings), (*one.waived, *other.waived))


def _below(found: Preflight, root: Path, wanted: Sequence[Path]) -> Preflight:
    def is_wanted(finding: Finding) -> bool:
        place = (root / finding.place.path).resolve()
        return not wanted or any(place.is_relative_to(folder) for folder in wanted)

    findings = tuple(finding for finding in found.findings if is_wanted(finding))
    return Preflight(findings, tuple(one for one in found.waived if is_wanted(one.finding)))


def _as_json(found: Preflight) -> dict[str, object]:
    return {
        "findings": [_as_dict(finding) for finding in found.findings],
        "waived": [_as_dict(one.finding) | {"reason": one.reason} for one in found.waived],
        "blocking": len(found.blocking),
    }


def _as_dict(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "severity": finding.gravity.value,
        "path": finding.place.path,
        "line": finding.place.line,
        "column": finding.place.column,
        "message": finding.message,
        "fix": finding.fix,
    }


def _print(found: Preflight, *, shows_all: bool) -> None:
    shown, more = (found.findings, {}) if shows_all else _shortened(found.findings)
    for finding in shown:
        word, colour = SEVERITIES[finding.gravity]
        click.echo(click.style(word, fg=colour) + str(finding))
    for rule, count in more.items():
        click.echo(f"        ... and {count:,} more of [{rule}]; `newsletter check --all` prints each")
    for one in found.waived:
        click.echo(click.style("waived  ", fg="bright_black") + _waived(one))
    blocking = len(found.blocking)
    told = f"{blocking} blocking, {len(found.findings) - blocking} to consider" if found.findings else "nothing to mend"
    click.echo(told + (f", {len(found.waived)} waived" if found.waived else ""))


def _shortened(findings: Sequence[Finding]) -> tuple[list[Finding], dict[str, int]]:
    """For a person: all that blocks, the first few of what each rule advises, and how many more of it there are."""
    counts: Counter[str] = Counter()
    shown = []
    for finding in findings:
        is_advice = finding.gravity is Gravity.ADVISE
        counts[finding.rule] += is_advice
        if not is_advice or counts[finding.rule] <= MAX_ADVICE_SHOWN:
            shown.append(finding)
    more = {rule: count - MAX_ADVICE_SHOWN for rule, count in counts.items() if count > MAX_ADVICE_SHOWN}
    return shown, more


def _waived(one: Waived) -> str:
    return f"{one.finding.place}: {one.finding.message}; because: {one.reason} [{one.finding.rule}]"
