"""Tables for a terminal and for LaTeX: what fits, what is folded, and what no text can break."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.publishing.latex import latex
from analysis.publishing.layout import ColumnNeed, Measured, column_needs, column_widths
from analysis.publishing.plain import plain
from analysis.publishing.sheet import Cell, TableSheet

SHEET = TableSheet(
    "A & B",
    ("Name", "Rate, %"),
    "lr",
    ((Cell("lenet_300_100"), Cell("1.0 ± 0.1", bold=True)), (Cell("b|c"), Cell("–"))),
    ("Note: 5 % is 20×.",),
)
LONG = "a criterion that scores each weight by its magnitude"
WIDE = TableSheet("Wide", ("What", *"abcdef"), "lrrrrrr", ((Cell(LONG), *[Cell("96.50 ± 0.12")] * 6),), ())
sizes = st.lists(st.floats(0, 50), min_size=3, max_size=3)
needs = st.lists(st.tuples(sizes, st.booleans()), min_size=1, max_size=9)


def test_plain_by_hand() -> None:
    assert plain(SHEET, 80) == (
        "A & B\n"
        "\n"
        "Name               Rate, %\n"
        "--------------------------\n"
        "lenet_300_100  *1.0 ± 0.1*\n"
        "b|c                      –\n"
        "\n"
        "Note: 5 % is 20×.\n"
    )


def test_a_terminal_shows_what_is_bold() -> None:
    assert "\x1b[1m 1.0 ± 0.1\x1b[0m\n" in plain(SHEET._replace(header=("Name", "Rate, in %")), 80, styled=True)


def test_long_cells_are_folded_and_numbers_are_not() -> None:
    lines = plain(WIDE, 110).splitlines()
    assert max(map(len, lines)) <= 110
    (first,) = (line for line in lines if "96.50" in line)
    assert first.count("96.50 ± 0.12") == 6
    assert " ".join(line.split("  ")[0].strip() for line in lines[4:]) == LONG


def test_a_narrow_window_folds_numbers_too_and_cuts_nothing() -> None:
    text = plain(WIDE, 20)
    assert text.count("96.50") == 6
    assert all(word in text for word in LONG.split())


def test_the_widest_columns_give_way_first() -> None:
    needs = [ColumnNeed(5, 40, 40, True), ColumnNeed(10, 12, 12, True)]
    assert column_widths(needs, 40.0) == pytest.approx((28.0, 12.0))
    assert column_widths(needs, 16.0) == pytest.approx((6.0, 10.0))


def test_headings_are_folded_first_then_words_and_numbers_last() -> None:
    needs = [ColumnNeed(5, 20, 30, True), ColumnNeed(5, 12, 18, False)]
    assert column_widths(needs, 48.0) == (30.0, 18.0)
    assert column_widths(needs, 32.0) == (20.0, 12.0)
    assert column_widths(needs, 20.0) == pytest.approx((8.0, 12.0))
    assert column_widths(needs, 12.0) == pytest.approx((6.0, 6.0))
    assert column_widths(needs, 3.0) == (5.0, 5.0)


@given(needs, st.floats(1, 300))
def test_widths_fit_where_the_longest_words_do(parts: list[tuple[list[float], bool]], room: float) -> None:
    wanted = []
    for found, words in parts:
        least, cells, whole = sorted(found)
        wanted.append(ColumnNeed(least, cells, whole, words))
    widths = column_widths(wanted, room)
    assert all(need.least <= width <= need.whole for need, width in zip(wanted, widths, strict=True))
    if sum(need.least for need in wanted) <= room:
        assert sum(widths) <= room + 1e-9
    if sum(need.whole for need in wanted) <= room:
        assert widths == tuple(need.whole for need in wanted)


def test_the_need_of_a_column_is_that_of_its_longest_word_and_texts() -> None:
    words, numbers = [Measured(9, 4), Measured(6, 3), Measured(5, 5), Measured(0, 0)], [Measured(9, 7)]
    assert column_needs([words, numbers], "lr") == [ColumnNeed(5, 6, 9, True), ColumnNeed(7, 7, 9, False)]


def test_a_small_table_stays_in_its_column() -> None:
    assert latex(SHEET, "headline", ("from runs",)) == (
        "% from runs\n"
        "% needs \\usepackage{array,booktabs,graphicx}\n"
        "\\begin{table}\n"
        "\\centering\\sloppy\n"
        "\\caption{A \\& B\\label{tab:headline}}\n"
        "\\setbox0=\\hbox{\\parbox{\\linewidth}{\\centering\\sloppy\n"
        "\\setlength{\\tabcolsep}{0.008\\linewidth}\\small\n"
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{\\begin{tabular}{@{}lr@{}}\n"
        "\\toprule\n"
        "Name & Rate, \\% \\\\\n"
        "\\midrule\n"
        "lenet\\_\\allowbreak{}300\\_\\allowbreak{}100 & \\textbf{1.0 $\\pm$ 0.1} \\\\\n"
        "b|c & -- \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}}\n"
        "\\par\\smallskip\n"
        "\\parbox{\\linewidth}{\\footnotesize\\raggedright\\sloppy Note: 5 \\% is 20$\\times$.}\n"
        "}}\\ifdim\\dimexpr\\ht0+\\dp0\\relax>0.88\\textheight\\resizebox*{!}{0.88\\textheight}{\\box0}\\else\\box0\\fi\n"
        "\\end{table}\n"
    )


def test_a_wide_table_takes_both_columns_and_no_more_than_their_width() -> None:
    text = latex(WIDE, "wide")
    assert "\\begin{table*}" in text
    for case in re.findall(r"\\scriptsize (.*)\n.*\\small (.*)\\fi", text):
        for defined in case:
            shares = [float(share) for share in re.findall(r"\\def\\w[A-Z]\{([\d.]+)\}", defined)]
            assert len(shares) == 7
            assert sum(shares) + 2 * 0.008 * 6 <= 1.0 + 1e-9


def test_what_is_too_long_for_a_page_becomes_several_tables() -> None:
    rows = tuple((Cell(f"row {place}"), Cell(LONG)) for place in range(120))
    text = latex(TableSheet("Long", ("Name", "What"), "ll", rows, ("A note.",)), "long", ("a comment",))
    parts = text.split(r"\end{table")[:-1]
    assert len(parts) > 1
    assert [part.count(r"\caption{Long (continued)}") for part in parts] == [0] + [1] * (len(parts) - 1)
    assert [part.count(r"Name & What \\") for part in parts] == [1] * len(parts)
    assert re.findall(r"row (\d+) &", text) == [str(place) for place in range(120)]
    assert [text.count(once) for once in ("A note.", "% a comment", r"\caption{Long\label{tab:long}}")] == [1, 1, 1]
    assert "A note." in parts[-1]


@given(st.lists(st.text(alphabet="ab\\|*`<_&%$#{}~^", min_size=1), min_size=2, max_size=2))
def test_no_text_breaks_the_columns(texts: list[str]) -> None:
    lines = latex(TableSheet("t", ("x", "y"), "lr", (tuple(map(Cell, texts)),)), "t").splitlines()
    body = lines[lines.index(r"\midrule") + 1]
    assert body.replace("\\&", "").count("&") == 1
    assert body.endswith(r" \\")
