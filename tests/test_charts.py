"""Figures as people read them: bars, letters, and always the number; colours that can be read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model import Count, Figures, Language, Month, Tlp
from newsletter.render.charts import bars, figures_view, sparkline, text_bar, text_table, text_trend
from newsletter.render.colours import MIN_CONTRAST, contrast, readable, tlp_colour
from newsletter.render.text import COLUMNS
from newsletter.render.words import words
from tests.support.samples import EN, FR, OCTOBER, sample_report

FIGURES = sample_report().figures
COUNTS = st.lists(st.integers(0, 10_000), max_size=20)
COLOURS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


def test_bars_are_shares_of_the_month() -> None:
    """In percent, since table cells take percents; one incident of four does not look like all of them."""
    assert bars([10, 5, 0], 20) == (50, 25, 0)
    assert bars([1], 1) == (100,)
    assert bars([], 0) == ()
    assert bars([0, 0], 0) == (0, 0)


@given(COUNTS)
def test_bars_never_hide_a_case_nor_invent_one(counts: list[int]) -> None:
    """One case among thousands still shows; none shows nothing; order is kept."""
    widths = bars(counts, sum(counts))
    assert all((width > 0) == (count > 0) for width, count in zip(widths, counts, strict=True))
    assert all(0 <= width <= 100 for width in widths)
    assert [w for _, w in sorted(zip(counts, widths, strict=True))] == sorted(widths)


@given(COUNTS)
def test_sparkline_has_a_letter_for_each_value(counts: list[int]) -> None:
    """The scale begins at zero: the lowest letter is for zero alone, the highest for the maximum."""
    line = sparkline(counts)
    assert len(line) == len(counts)
    assert all((letter == "▁") == (count == 0) for letter, count in zip(line, counts, strict=True))
    assert all(letter == "█" for letter, count in zip(line, counts, strict=True) if count and count == max(counts))


def test_text_bar_is_drawn_to_half_a_column() -> None:
    """Blocks of text, never longer than their room."""
    assert text_bar(100, 10) == "█" * 10
    assert text_bar(45, 10) == "████▌"
    assert text_bar(0, 10) == ""


def test_sentence_compares_with_month_and_mean() -> None:
    """All three numbers with their n, and the change where the base allows one."""
    view = figures_view(FIGURES, OCTOBER, words(EN))
    assert view.sentence == (
        "12 incidents in October 2026; 10 the month before (+20%); 8.9 on average over the 12 months before."
    )
    assert figures_view(FIGURES, OCTOBER, words(FR)).sentence.startswith(
        "12 incidents en octobre 2026\u00a0; 10 le mois"
    )


def test_no_percentage_under_a_base_of_ten() -> None:
    """One more than four is not "25 %": a percentage of a few cases misleads."""
    few = replace(FIGURES, total=replace(FIGURES.total, before=9))
    assert "%" not in figures_view(few, OCTOBER, words(EN)).sentence


def test_column_of_changes_stands_where_a_class_has_one() -> None:
    """A column that would be empty is not printed."""
    assert not figures_view(FIGURES, OCTOBER, words(EN)).by_class.changes
    many = replace(FIGURES, by_class=(Count("fraud", now=15, before=20, mean=18.0, months=12), *FIGURES.by_class))
    table = figures_view(many, OCTOBER, words(EN)).by_class
    assert table.heads[-1] == ("Change", "")
    assert table.rows[0].change == "\u221225%"
    assert "\u221225%" in text_table(table)
    assert all(len(line) <= COLUMNS for line in text_table(table).split("\n"))


def test_first_month_ever_has_nothing_to_compare_with() -> None:
    """Unknown is said, never printed as 0."""
    alone = Count("total", now=1, before=None, mean=None, months=0)
    figures = Figures(total=alone, by_class=(replace(alone, key="fraud"),), by_severity=(), history=((OCTOBER, 1),))
    view = figures_view(figures, OCTOBER, words(EN))
    assert view.sentence == "1 incident in October 2026."
    assert (view.by_class.rows[0].before, view.by_class.rows[0].mean) == ("\u2013", "\u2013")
    assert view.span == "October 2026"


def test_mean_says_its_own_n_where_it_differs() -> None:
    """A class that is counted for fewer months than the rest says so in its row."""
    younger = replace(FIGURES, by_class=(replace(FIGURES.by_class[0], months=7), *FIGURES.by_class[1:]))
    rows = figures_view(younger, OCTOBER, words(EN)).by_class.rows
    assert rows[0].mean == "3.2 (n\u00a0=\u00a07)"
    assert rows[1].mean == "1.5"


@pytest.mark.parametrize("language", [EN, FR])
def test_text_tables_keep_within_the_page(language: Language) -> None:
    """Numbers stand in columns, however long a class is called."""
    view = figures_view(FIGURES, OCTOBER, words(language))
    for table in (view.by_class, view.by_severity):
        lines = text_table(table).split("\n")
        assert all(len(line) <= COLUMNS for line in lines)
        assert lines[1].startswith(table.label)


def test_trend_in_text_says_letter_number_and_month() -> None:
    """Thirteen columns of five."""
    letters, numbers, months = text_trend(figures_view(FIGURES, OCTOBER, words(EN))).split("\n")
    assert numbers.split() == ["9", "7", "4", "8", "11", "9", "6", "12", "10", "8", "13", "10", "12"]
    assert months.split() == list("ONDJFMAMJJASO")
    assert len(letters) == len(numbers) == len(months) == 65


def test_trend_names_its_months_in_full() -> None:
    """An initial alone tells nobody which month it is."""
    view = figures_view(FIGURES, OCTOBER, words(EN))
    assert view.span == "October 2025 to October 2026"
    assert view.history[0].full == words(EN).month(Month(2025, 10))


# --- colours -----------------------------------------------------------------


def test_labels_have_the_colours_of_the_standard() -> None:
    """FIRST, TLP 2.0; all of them readable on black."""
    assert {str(label): tlp_colour(label) for label in Tlp} == {
        "TLP:CLEAR": "#FFFFFF",
        "TLP:GREEN": "#33FF00",
        "TLP:AMBER": "#FFC000",
        "TLP:AMBER+STRICT": "#FFC000",
        "TLP:RED": "#FF2B2B",
    }
    assert all(contrast(tlp_colour(label), "#000000") > 4.5 for label in Tlp)


def test_contrast_is_that_of_the_guidelines() -> None:
    """WCAG 2.2: black on white is 21, the grey #767676 on white is the classic 4.54."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@given(COLOURS, COLOURS)
def test_every_accent_can_be_made_readable(accent: str, ground: str) -> None:
    """Whatever a site sets: text in the accent keeps its contrast, and a good accent stays as it is."""
    result = readable(accent, ground)
    assert contrast(result, ground) >= 4.5
    assert contrast(accent, ground) < MIN_CONTRAST or result == accent
