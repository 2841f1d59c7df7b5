"""A table as cells, as Markdown, and the numbers behind it."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from analysis.publishing.numbers import CsvRow, csv_text
from analysis.publishing.sheet import Cell, TableSheet, markdown, sheet_of, spread_text
from pruneexp.summary.spread import Spread

SHEET = TableSheet(
    "A & B",
    ("Name", "Rate, %"),
    "lr",
    ((Cell("lenet_300_100"), Cell("1.0 ± 0.1", bold=True)), (Cell("b|c"), Cell("–"))),
    ("Note: 5 % is 20×.",),
)


def test_markdown() -> None:
    assert markdown(SHEET, ("from -- runs",)) == (
        "**A & B**\n"
        "\n"
        "| Name          |       Rate, % |\n"
        "|---------------|--------------:|\n"
        "| lenet_300_100 | **1.0 ± 0.1** |\n"
        "| b\\|c          |             – |\n"
        "\n"
        "Note: 5 % is 20×.\n"
        "\n"
        "<!--\n"
        "from - - runs\n"
        "-->\n"
    )


def test_csv_by_hand() -> None:
    rows: list[CsvRow] = [{"text": "a, b", "number": 0.1 + 0.2, "n": 3}, {"text": "c", "number": None, "n": 0}]
    assert csv_text(rows) == 'text,number,n\n"a, b",0.3,3\nc,,0\n'


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(st.text(), FINITE | st.none(), st.integers()), min_size=1))
def test_csv_reads_back(rows: list[tuple[str, float | None, int]]) -> None:
    clean = [(text.replace("\r", "").replace("\0", ""), number, n) for text, number, n in rows]
    made = csv_text([{"text": text, "number": number, "n": n} for text, number, n in clean])
    header, *read = csv.reader(io.StringIO(made, newline=""))
    assert header == ["text", "number", "n"]
    assert [(text, int(n)) for text, _, n in read] == [(text, n) for text, _, n in clean]
    for (_, asked, _), (_, number, _) in zip(clean, read, strict=True):
        assert number == "" if asked is None else float(number) == float(f"{asked:.10g}")


@given(st.lists(st.text(alphabet="ab\\|*`<_&%$#{}~^", min_size=1), min_size=2, max_size=2))
def test_no_text_breaks_the_columns(texts: list[str]) -> None:
    sheet = TableSheet("t", ("x", "y"), "lr", (tuple(map(Cell, texts)),))
    row = markdown(sheet).splitlines()[4]
    assert row.replace("\\\\", "").replace("\\|", "").count("|") == 3


def test_a_sheet_survives_json() -> None:
    assert sheet_of(json.loads(json.dumps(SHEET._asdict()))) == SHEET


def test_spread_text() -> None:
    assert spread_text(Spread(96.504, 0.126, 96.0, 97.0, 3)) == "96.50 ± 0.13"
    assert spread_text(Spread(96.504, None, 96.5, 96.5, 1)) == "96.50"
    assert spread_text(None) == "–"
