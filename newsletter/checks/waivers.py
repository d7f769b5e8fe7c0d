"""Waivers: a file answers for its own findings, the settings for those in mails and pages; each with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.checks.codes import IN_SOURCES
from newsletter.checks.content import everything
from newsletter.model import Finding, Gravity, Place, Preflight, Waived
from newsletter.parsing.validate import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from newsletter.checks.house import House
    from newsletter.model import Collected


def weigh(
    findings: Iterable[Finding], collected: Collected, house: House, *, waivable: Mapping[str, bool], elsewhere: bool
) -> Preflight:
    """Part what stands from what was waived. A waiver that answers for nothing is itself a finding.

    ``waivable`` says for every code that there is whether a waiver may name it. ``elsewhere``: what files do not hold
    was looked at too, so that what is waived in mails and pages is known to be idle.
    """
    reasons = {item.path: item.waive for item in everything(collected)}
    standing, waived = [], []
    for finding in findings:
        reason = reasons.get(finding.place.path, house.standards.waive).get(finding.rule)
        if reason and waivable[finding.rule]:
            waived.append(Waived(finding, reason))
        else:
            standing.append(finding)
    used = {(one.finding.place.path if one.finding.place.path in reasons else "", one.finding.rule) for one in waived}
    for item in everything(collected):
        line = item.lines.get("waive", 1)
        answered = {rule for path, rule in used if path == item.path} | (frozenset() if elsewhere else IN_SOURCES)
        standing += _idle(item.path, line, item.waive, answered, waivable)
    if elsewhere:
        waivers = house.standards.waive
        standing += _idle("newsletter.toml", 0, waivers, {rule for path, rule in used if not path}, waivable)
    return Preflight(tuple(standing), tuple(waived))


def _idle(
    path: str, line: int, waivers: Mapping[str, str], used: Collection[str], waivable: Mapping[str, bool]
) -> Iterator[Finding]:
    for code in waivers:
        if not waivable.get(code, True):
            message, fix = f'nobody can waive "{code}"', "take it out, and mend what is found"
            yield Finding("waiver-unknown", Gravity.ADVISE, Place(path, line), message, fix)
        elif code not in waivable:
            near = nearest(code, waivable)
            fix = f'did you mean "{near}"?' if near else "take it out, and mend what is found"
            message = f'"{code}" is no rule'
            yield Finding("waiver-unknown", Gravity.ADVISE, Place(path, line), message, fix)
        elif code not in used:
            message = f'nothing is found here that "{code}" would waive'
            yield Finding("waiver-idle", Gravity.ADVISE, Place(path, line), message, "take it out")
