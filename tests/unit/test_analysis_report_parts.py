"""The parts of a report: escaped elements, tables, settings compared, runs numbered, and what was run in words."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from analysis.drawing import axes, panels
from analysis.publishing.sheet import Cell, TableSheet
from analysis.records import frames, scan_frames
from analysis.records.parents import LoggedParent
from analysis.report import listing, markup, overview, settings
from analysis.report.markup import Html, element
from analysis.report.subject import Subject
from analysis.statistics import scoring, selection
from tests.contracts.points import logged, point, with_settings
from tests.contracts.scans import logged_scans, scan

CURVE = LoggedParent("c", "pruneexp", "curve", "curve-key", "a curve")
STUDY = LoggedParent("s", "pruneexp", "study", "search", "search")


def test_texts_are_escaped_and_elements_are_not() -> None:
    made = element("p", "<b> & ", element("code", "a<b"), class_="x", aria_label='"q"')
    assert made == '<p class="x" aria-label="&quot;q&quot;">&lt;b&gt; &amp; <code>a&lt;b</code></p>'
    assert isinstance(made, Html)


def test_what_stands_in_backticks_is_code() -> None:
    assert markup.sentence("run `a --b<c` first.") == "run <code>a --b&lt;c</code> first."


def test_links_to_other_pages_open_beside_this_one() -> None:
    assert markup.link("here", "#runs") == '<a href="#runs">here</a>'
    assert markup.link("there", "http://a/?b&c") == (
        '<a href="http://a/?b&amp;c" target="_blank" rel="noopener">there</a>'
    )


def test_a_table_names_its_columns_and_its_rows() -> None:
    rows = ((Cell("lenet<5>"), Cell("96.5", bold=True)), (Cell("a name of more letters than fit"), Cell("by `fit`")))
    made = markup.sheet(TableSheet("Kept & lost", ("network", "test, %"), "lr", rows, ("Say `x` & y.",)))
    assert "<caption><span>Kept &amp; lost</span></caption>" in made
    assert '<th scope="col" class="l">network</th><th scope="col" class="r">test, %</th>' in made
    assert '<th scope="row" class="l">lenet&lt;5&gt;</th><td class="r"><strong>96.5</strong></td>' in made
    assert '<th scope="row" class="l long">a name of' in made
    assert "by <code>fit</code></td>" in made
    assert made.endswith('<p class="note">Say <code>x</code> &amp; y.</p>')


def test_settings_are_common_or_differ() -> None:
    first = {"train": {"lr": 1e-5, "clip": None, "augment": False}, "seed": 10, "runtime": {"store": "/here"}}
    second = {"train": {"lr": 1e-5, "clip": None, "augment": True}, "seed": 9, "curve": {"densities": [0.5, 0.1]}}
    found = settings.compared([first, second, second])
    assert found.common == (("train.lr", "1e-05"), ("train.clip", "none"))
    assert found.varying == (
        ("train.augment", (("false", 1), ("true", 2))),
        ("seed", (("9", 2), ("10", 1))),
        ("curve.densities", (("[0.5, 0.1]", 2), (settings.ABSENT, 1))),
    )


def test_what_differs_and_what_is_common_are_tables() -> None:
    found = settings.compared([{"a": 1, "b": 1}, {"a": 1, "b": 2}])
    differing, common = settings.differing(found, "2 curves"), settings.common(found, "2 curves")
    assert '<code>b</code></th><td class="l">1 (1); 2 (1)</td>' in differing
    assert "<code>a</code>" not in differing
    assert '<code>a</code></th><td class="l">1</td>' in common
    assert "<code>b</code>" not in common
    assert settings.differing(settings.compared([{"a": 1}]), "1 curve") == "<p>Nothing differs.</p>"


def test_numbers_of_runs_are_ranges_with_links() -> None:
    made = listing.ranges([3, 1, 2, 7, 9, 8])
    assert made == '<a href="#run-1">1–3</a>, <a href="#run-7">7–9</a>'
    assert listing.ranges([4]) == '<a href="#run-4">4</a>'


def _subject() -> Subject:
    made = [point(reg=reg, seed=seed, density=density) for reg in ("l1", "l2") for seed in (0, 1, 2)
            for density in (0.5, 0.1)]  # fmt: skip
    made.append(with_settings(point(density=0.3), study="search", trial=0))
    scans = scan_frames.frame(logged_scans(scan())).drop_duplicates("run_id")
    return Subject(frames.frame(logged(*made)), scans, (CURVE, CURVE, STUDY), "mlflow.db")


def test_runs_are_numbered_and_told_apart() -> None:
    subject = _subject()
    assert subject.points is not None
    found = listing.listed(subject)
    assert [run.number for run in found] == list(range(1, 15))
    assert found[list(subject.points["run_id"]).index(f"{1:032x}")].run_id == f"{1:032x}"
    names = {run.name for run in found}
    assert {
        "L1, density=0.5, seed 0",
        "L2, study search, trial 0, density=0.3, seed 0",
        "scan, seed 0",
    } <= names
    assert len(names) == 14
    table = listing.as_table(found, {"pruneexp": "http://a/#/experiments/1/runs/"})
    assert f'<a href="http://a/#/experiments/1/runs/{1:032x}?workflowType=machine_learning"' in table
    assert '<span id="run-14">14</span>' in table


def test_a_hash_is_told_where_there_are_words_for_it() -> None:
    made = [
        with_settings(point(density=0.5), prune_settings=told, point_key=told) for told in ("677df645", "min keep 8")
    ]
    subject = Subject(frames.frame(logged(*made)), None, (), "mlflow.db")
    assert {run.name for run in listing.listed(subject)} == {
        "density=0.5, seed 0",
        "min keep 8, density=0.5, seed 0",
    }


def test_what_was_run_is_told_in_sentences() -> None:
    subject = _subject()
    assert overview.title(subject) == "Pruning LeNet-5 on MNIST (5,000 digits)"
    assert overview.paragraph(subject) == (
        "LeNet-5 on MNIST (5,000 digits): 12 trade-off points of 6 curves at density 0.5, 0.1; 1 point of 1 search; "
        "1 sensitivity scan; 3 seeds (0–2). What differs: reg (L1, L2). Recorded 1970-01-01 00:00 UTC in the "
        "experiment pruneexp."
    )


@pytest.mark.parametrize(("count", "told"), [(8, "v0, v1, v2, v3, v4, v5, v6, v7"), (9, "v7 and 1 more")])
def test_many_values_are_counted(count: int, told: str) -> None:
    made = [point(reg=f"v{place}") for place in range(count)]
    subject = Subject(selection.latest(frames.frame(logged(*made))), None, (), "mlflow.db")
    assert f"{told})." in overview.paragraph(subject)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [(-6.0, 1.5, ["−6", "−4", "−2", "0"]), (-2.0, 1.0, ["−2.0", "−1.5", "−1.0", "−0.5", "0", "+0.5", "+1.0"])],
)
def test_changes_have_decimals_where_one_needs_them(low: float, high: float, texts: list[str]) -> None:
    drawn = Figure().add_subplot()
    drawn.set_ylim(low, high)
    axes.put_y(drawn, scoring.signed)
    ticks = [float(tick) for tick in drawn.get_yticks()]
    shown = drawn.yaxis.get_major_formatter().format_ticks(ticks)
    assert [text for tick, text in zip(ticks, shown, strict=True) if low <= tick <= high] == texts


def test_a_picture_of_a_page_leaves_its_words_to_the_page() -> None:
    def page() -> panels.Page:
        return panels.page(width=7.0, size=9.0, count=1, columns=1, height=2.5, legends=[], words="What it shows.",
                           heading=4.0, between=0.0)  # fmt: skip

    with panels.without_words():
        bare = page()
    assert (page().words, bare.words) == (("What it shows.",), ())
    assert bare.total < page().total
