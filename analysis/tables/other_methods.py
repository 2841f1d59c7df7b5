"""AlexNet made smaller by other methods, and pruned networks of ours beneath, as in Han et al. 2015, Table 6."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import pandas as pd

from analysis.names import display_subject
from analysis.paper import paper_numbers
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.publishing.sheet import MISSING, TableSheet, spread_text, table_sheet
from analysis.records import frames
from analysis.statistics import scoring, selection, test_sets
from analysis.statistics.conditions import joined, telling, texts, words
from analysis.statistics.curves import budget_text
from pruneexp.errors import UserError
from pruneexp.schema import TOP1, Metric
from pruneexp.summary.spread import Spread, spread

PAPER = "Han et al. 2015, Table 6"
#: Our networks that the paper calls AlexNet.
MODELS = ("alexnet", "alexnet_torchvision")


class OtherMethod(NamedTuple):
    """One network: errors in percent, millions of parameters, and the dense network's over them.

    ``origin`` and ``source`` say where each number is from: the paper's table and the row of ``sources.csv``, or runs.
    """

    method: str
    origin: str
    source: str
    top1_error: Spread
    top5_error: Spread | None
    dense_top1_error: Spread | None
    parameters: float
    rate: float
    conditions: str
    runs: tuple[str, ...]


class OtherMethods(NamedTuple):
    """The table, the paper's rows first; errors of ours are on test."""

    methods: tuple[OtherMethod, ...]
    test_set: str


def data(
    frame: pd.DataFrame, *, paper: Annotated[bool, "the paper's rows, though no AlexNet is logged"] = False
) -> OtherMethods:
    """The paper's rows, and each budget of each curve of an AlexNet, over its seeds.

    Raises:
        UserError: no AlexNet that classifies is logged with test scores, and the paper's rows alone are not asked for.
    """
    ours = frame[frame["model"].isin(MODELS)]
    metric = Metric("top1") if ours.empty else scoring.primary(ours)
    ours = ours[ours["test.after.top1"].notna()] if metric == TOP1 else ours[:0]
    if ours.empty and not paper:
        raise UserError("no AlexNet is logged: `python -m pruneexp model=alexnet data=mnist5k` makes one, and --paper "
                        "shows the paper's rows alone.")  # fmt: skip
    note = "" if ours.empty else test_sets.note(ours, metric, "test")
    return OtherMethods((*_of_paper(), *_ours(ours)), note)


def _of_paper() -> Iterator[OtherMethod]:
    methods: dict[str, dict[str, float]] = {}
    sources: dict[str, str] = {}
    for number in paper_numbers("han2015_table6_comparison"):
        methods.setdefault(number.method, {})[number.metric] = number.value
        sources[number.method] = f"{number.source}, {number.confidence}"
    for method, of in methods.items():
        top5 = spread([of["top5_error"]]) if "top5_error" in of else None
        yield OtherMethod(method, PAPER, sources[method], spread([of["top1_error"]]), top5, None,
                          of["parameters"], of["compression_rate"], "", ())  # fmt: skip


def _ours(points: pd.DataFrame) -> Iterator[OtherMethod]:
    names = ("mode", *frames.CONDITIONS)
    found = list(selection.groups(points, (*frames.SUBJECT, *names, *frames.BUDGET)))
    needed = telling([key for key, _ in found], names)
    ordered = sorted(found, key=lambda item: (item[0]["data"], item[0]["model"], -item[1]["density"].mean()))
    for key, same in ordered:
        kept, conditions = same["weights_kept"].mean(), joined(texts(key, names))
        parts = (
            display_subject(key["model"], key["data"]),
            words(key, needed),
            budget_text(*(key[name] for name in frames.BUDGET)),
        )
        yield OtherMethod(
            method=", ".join(part for part in parts if part),
            origin=f"ours, n = {len(same)}",
            source="runs",
            top1_error=spread(100.0 - same["test.after.top1"]),
            top5_error=spread(100.0 - same["test.after.top5"]) if same["test.after.top5"].notna().all() else None,
            dense_top1_error=spread(100.0 - same["test.dense.top1"]),
            parameters=kept / 1e6,
            rate=same["weights_total"].mean() / kept,
            conditions=conditions,
            runs=tuple(sorted(same["run_id"])),
        )


def rows(made: OtherMethods) -> Iterator[CsvRow]:
    """One network, as ``OtherMethod``."""
    for one in made.methods:
        yield {
            "method": one.method,
            "origin": one.origin,
            "source": one.source,
            **spread_columns("top1_error", one.top1_error),
            **spread_columns("top5_error", one.top5_error),
            "dense_top1_error_mean": one.dense_top1_error.mean if one.dense_top1_error else None,
            "n": one.top1_error.n if one.runs else None,
            "parameters": one.parameters,
            "rate": one.rate,
            "conditions": one.conditions,
            "runs": " ".join(one.runs),
        }


def sheet(made: OtherMethods) -> TableSheet:
    ours = any(one.runs for one in made.methods)
    header = ("Method", "Origin", "Top-1 error, %", "Top-5 error, %", *["Dense top-1 error, %"] * ours, "Parameters, M",
              "Rate")  # fmt: skip
    lines = (_line(one, ours) for one in made.methods)
    title = "AlexNet made smaller by other methods, after Han et al. 2015, Table 6"
    return table_sheet(title, header, "ll" + "r" * (len(header) - 2), lines, _notes(made, ours))


def _line(one: OtherMethod, ours: bool) -> Iterator[str]:
    yield from (one.method, one.origin)
    for error in (one.top1_error, one.top5_error):
        yield spread_text(error) if one.runs or error is None else f"{error.mean:g}"
    if ours:
        yield spread_text(one.dense_top1_error)
    yield f"{one.parameters:.2f}" if one.runs else f"{one.parameters:.1f}"
    yield f"{one.rate:.1f}×" if one.runs else f"{one.rate:g}×"


def _notes(made: OtherMethods, ours: bool) -> Iterator[str]:
    yield (
        f"{PAPER}: AlexNet on ImageNet, as printed there, one network each; its dense network is the first row. "
        f"{MISSING}: not printed there."
    )
    if ours:
        yield (
            "Ours: errors on test, mean ± sample standard deviation over n seeds; weights that are kept, and all over "
            "kept ones, where the paper counts biases too. Other data sets than ImageNet are other tasks: their errors "
            "are compared with the dense network beside them, not with the paper's."
        )
    yield made.test_set
