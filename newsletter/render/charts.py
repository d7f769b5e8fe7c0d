"""Charts without images: bars from table cells or blocks of text, a sparkline of letters, the number always as text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import ceil
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from newsletter.model import Severity
from newsletter.render.text import COLUMNS
from newsletter.rsit import TAXONOMY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.model import Count, Figures, Month
    from newsletter.render.words import Words

FULL: Final = 100
LABEL_COLUMNS: Final = 30
GAP: Final = 2
TREND_COLUMNS: Final = 5
SPARKS: Final = "▁▂▃▄▅▆▇█"
BLOCK: Final = "█"
HALF_BLOCK: Final = "▌"


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    """A row as it is printed; ``width`` is the bar's share of the month's total in percent."""

    label: str
    now: str
    before: str
    mean: str
    change: str
    width: int
    total: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureTable:
    """Rows under their heads, which have two lines each; ``changes`` says whether there is a column for them."""

    title: str
    label: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[FigureRow, ...]
    changes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A month of the sparkline: its letter, its number, and the month's initial and name."""

    spark: str
    count: str
    initial: str
    full: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresView:
    """The figures as mail and pages print them."""

    sentence: str
    by_class: FigureTable
    by_severity: FigureTable
    history: tuple[Point, ...]
    span: str


def bars(values: Sequence[int], whole: int) -> tuple[int, ...]:
    """The share of each value in the whole, in percent; what is not zero is never invisible.

    Shares of the whole, not of the longest: a month of one incident must not look like a full one.
    """
    return tuple(min(FULL, max(1, round(value * FULL / whole))) if value > 0 else 0 for value in values)


def sparkline(values: Sequence[int]) -> str:
    """A letter for each value, on a scale that begins at zero, so that heights compare."""
    longest = max(values, default=0)
    steps = len(SPARKS) - 1
    return "".join(SPARKS[ceil(value * steps / longest) if value > 0 else 0] for value in values)


def text_bar(width: int, columns: int) -> str:
    """A bar of ``width`` percent in at most so many columns, to the half column."""
    halves = ceil(width * columns * 2 / FULL)
    return BLOCK * (halves // 2) + HALF_BLOCK * (halves % 2)


def figures_view(figures: Figures, month: Month, words: Words) -> FiguresView:
    """Words and numbers for the figures of ``month``."""
    by_class = [(words.gettext(TAXONOMY[count.key][0]), count) for count in figures.by_class]
    by_severity = [(_severity_label(count, words), count) for count in figures.by_severity]
    table = partial(_table, month=month, total=figures.total, words=words)
    return FiguresView(
        sentence=_sentence(figures.total, month, words),
        by_class=table(words.gettext("By class"), words.gettext("Class"), by_class, with_total=True),
        by_severity=table(words.gettext("By severity"), words.gettext("Severity"), by_severity),
        history=_history(figures.history, words),
        span=_span(figures.history, words),
    )


def text_table(table: FigureTable) -> str:
    """The table in plain text: numbers to the right, and a bar in the room that is left."""
    cells = [(row.now, row.before, row.mean, row.change)[: len(table.heads)] for row in table.rows]
    widths = [GAP + max(map(len, column)) for column in zip(*(*cells, *zip(*table.heads, strict=True)), strict=True)]
    room = COLUMNS - LABEL_COLUMNS - sum(widths) - GAP
    tops, bottoms = zip(*table.heads, strict=True)
    lines = [
        _text_line("", tops, widths),
        _text_line(table.label, bottoms, widths),
        "-" * (LABEL_COLUMNS + sum(widths)),
    ]
    for row, numbers in zip(table.rows, cells, strict=True):
        *above, label = wrap(row.label, LABEL_COLUMNS, break_long_words=False)
        bar = " " * GAP + text_bar(row.width, room) if row.width else ""
        lines += [*above, _text_line(label, numbers, widths) + bar]
    return "\n".join(line.rstrip() for line in lines)


def text_trend(figures: FiguresView) -> str:
    """The sparkline in columns of its own: letter, number, initial of the month."""
    rows = zip(*((p.spark, p.count, p.initial) for p in figures.history), strict=True)
    return "\n".join("".join(cell.rjust(TREND_COLUMNS) for cell in row) for row in rows)


def _text_line(label: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    return label.ljust(LABEL_COLUMNS) + "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def _table(
    title: str,
    label: str,
    counts: Sequence[tuple[str, Count]],
    *,
    month: Month,
    total: Count,
    words: Words,
    with_total: bool = False,
) -> FigureTable:
    widths = bars([count.now for _, count in counts], total.now)
    rows = [_row(name, count, width, total, words) for (name, count), width in zip(counts, widths, strict=True)]
    # The change of the total stands in the sentence above; a column for it alone would be empty.
    changes = any(row.change for row in rows)
    if with_total:
        rows.append(_row(words.gettext("All incidents"), total, 0, total, words))
    months = (words.short_month(month), words.short_month(month.shift(-1)))
    heads = [
        *((name, year) for name, _, year in (text.rpartition(" ") for text in months)),
        (words.gettext("Mean"), f"n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{total.months}"),
        *([(words.gettext("Change"), "")] if changes else []),
    ]
    return FigureTable(title=title, label=label, heads=tuple(heads), rows=tuple(rows), changes=changes)


def _row(label: str, count: Count, width: int, total: Count, words: Words) -> FigureRow:
    unknown = "\N{EN DASH}"
    mean = unknown if count.mean is None else words.mean(count.mean)
    if count.mean is not None and count.months != total.months:
        mean += f" (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{count.months})"
    return FigureRow(
        label=label,
        now=words.number(count.now),
        before=unknown if count.before is None else words.number(count.before),
        mean=mean,
        change="" if count.change is None else words.percent(count.change),
        width=width,
        total=count is total,
    )


def _severity_label(count: Count, words: Words) -> str:
    severity = Severity(int(count.key))
    return f"{int(severity)}, {words.severity(severity)}"


def _sentence(total: Count, month: Month, words: Words) -> str:
    """The whole comparison in words: for those who read, and for those who are read to."""
    counted = words.ngettext("%(count)s incident in %(month)s", "%(count)s incidents in %(month)s", total.now)
    parts = [counted % {"count": words.number(total.now), "month": words.month(month)}]
    if total.before is not None:
        change = f" ({words.percent(total.change)})" if total.change is not None else ""
        before = words.gettext("%(count)s the month before") % {"count": words.number(total.before)}
        parts.append(before + change)
    if total.mean is not None:
        mean = words.ngettext(
            "%(mean)s on average over the one month before",
            "%(mean)s on average over the %(months)s months before",
            total.months,
        )
        parts.append(mean % {"mean": words.mean(total.mean), "months": total.months})
    # French sets a no-break space before a semicolon.
    return words.gettext("; ").join(parts) + "."


def _history(history: Sequence[tuple[Month, int]], words: Words) -> tuple[Point, ...]:
    letters = sparkline([count for _, count in history])
    return tuple(
        Point(
            spark=letter,
            count=words.number(count),
            initial=words.month_name(month)[:1].upper(),
            full=words.month(month),
        )
        for letter, (month, count) in zip(letters, history, strict=True)
    )


def _span(history: Sequence[tuple[Month, int]], words: Words) -> str:
    if not history:
        return ""  # an imported report: nobody counted
    first, last = words.month(history[0][0]), words.month(history[-1][0])
    return words.gettext("%(first)s to %(last)s") % {"first": first, "last": last} if len(history) > 1 else last
