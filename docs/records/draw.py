"""`make results`: draws docs/results.md's tables and pictures from the kept records in this folder.

Cog runs the lines between its marks in that page, and puts below them what they print. Nothing here knows a number.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pandas as pd
from cogapp import Cog

from analysis import points
from analysis.__main__ import main
from analysis.names import display_name
from analysis.publishing.sheet import markdown, table_sheet
from analysis.statistics import inference, scoring
from analysis.statistics.levels import Moment

RECORDS = Path(__file__).resolve().parent
DOCS = RECORDS.parent

#: Pictures of the page and of the README: a file of docs/pictures/, the records behind it, the words after `analysis`.
PICTURES = {
    "tradeoff.png": ("demo", ["tradeoff"]),
    "figure5.png": ("han2015_tradeoff", ["tradeoff"]),
    "retraining_rate.png": ("retraining_rate", ["tradeoff", "--color", "retrain_lr_factor"]),
    "sensitivity.png": ("sensitivity", ["sensitivity"]),
    "finetuning_rate.png": ("finetuning_rate", ["finetuning_rate"]),
    "several_sizes.png": ("finetuning_rate", ["several_sizes", "--where", "retrain_lr_factor=1"]),
    "captions.png": ("captions", ["tradeoff"]),
    "dropout.png": ("han2015_dropout", ["tradeoff", "--color", "dropout"]),
    "survivors.png": ("han2015_survivors", ["tradeoff", "--color", "mode"]),
    "stochastic.png": ("han2015_stochastic", ["tradeoff", "--color", "criterion"]),
    "rounds.png": ("han2015_rounds", ["tradeoff", "--color", "rounds"]),
    "regularisation.png": ("han2015_regularisation", ["tradeoff", "--color", "reg"]),
    "no_retraining.png": (
        "han2015_no_retraining",
        ["tradeoff", "--color", "reg", "--y", "test.change_before.top1"],
    ),
    "loss_line.png": ("han2015_questions", ["loss_line"]),
    "recovery.png": ("han2015_questions", ["recovery"]),
    "weight_epochs.png": ("han2015_questions", ["weight_epochs", "--where", "reg=l2,budget.value=0.05"]),
    "weight_epochs_no_penalty.png": (
        "han2015_questions",
        ["weight_epochs", "--where", "reg=none,budget.value=0.05"],
    ),
    "stability.png": ("stability", ["stability"]),
    "language_tradeoff.png": ("language_tradeoff", ["tradeoff", "--y", "value"]),
    "energy.png": ("han2015_headline", ["energy", "--where", "model=lenet5,seed=0,budget.value=0.08"]),
}
#: Lines of `allocations` that the page has for every drop.
_ALLOCATED = ("weights kept, %", "study / this, weights", "verdict")


def table(records: str, name: str, *options: str, only: str = "", notes: bool = True) -> None:
    """Print the Markdown that ``python -m analysis NAME OPTIONS`` makes of RECORDS.parquet, without its provenance.

    ``only`` takes the lines of the table that hold these words, and leaves the ``notes`` out.
    """
    text = _text(records, name, *options)
    title, _, header, rule, *lines = text.splitlines()
    if only or not notes:
        text = "\n".join([title, "", header, rule, *(line for line in lines if line.startswith("|") and only in line)])
    print(f"\n{text}\n")


def pivot(
    records: str,
    by: Mapping[str, str],
    split: str = "val",
    *,
    budgets: bool = True,
    metric: str = "top1",
    moment: Moment = "after",
) -> None:
    """Print means over seeds of a metric, dense and after retraining, or before: a line for each of the columns ``by``.

    ``by`` has what the page calls each column; ``budgets`` stand across, or are left out.
    """
    frame = _frame(records)
    made = frame.groupby(list(by))[[f"{split}.dense.{metric}"]].mean().set_axis(["Dense"], axis=1)
    if budgets:
        pruned = frame.pivot_table(f"{split}.{moment}.{metric}", list(by), "density_asked")
        pruned = pruned.sort_index(axis=1, ascending=False)
        made = made.join(pruned.set_axis([f"{1 / float(density):.3g}×" for density in pruned.columns], axis=1))
    keys = made.index.to_frame().itertuples(index=False)
    lines = (
        (*(str(display_name(name, value)) for name, value in zip(by, key, strict=True)), *map("{:.2f}".format, row))
        for key, row in zip(keys, made.itertuples(index=False), strict=True)
    )
    seeds = ", ".join(map(str, sorted(frame["seed"].unique())))
    header, align = (*by.values(), *made.columns), "l" * len(by) + "r" * len(made.columns)
    scores = f"Top-1 accuracy on {split}, %" if metric == "top1" else f"{metric.capitalize()} on {split}"
    scores += ", before retraining" if moment == "before" else ""
    print("\n" + markdown(table_sheet(f"{scores}, means over seeds {seeds}", header, align, lines)))


def dense_change(records: str, column: str, new: object, old: object) -> None:
    """Print what dense networks with one value of a column are ahead of those with another by, on val.

    One number per seed, the mean over the networks.
    """
    values = _frame(records).pivot_table("val.dense.top1", ["model", "seed"], column)
    of = inference.compare(list((values[new] - values[old]).groupby(level="seed").mean()), inference.MARGIN_SMALL)
    print(f"\n{column}={new} against {old}: {scoring.with_interval(of)} points, n = {of.n}: {of.said()}\n")


def allocations(records: str, *drops: float) -> None:
    """Print what each way of allocating keeps where so many points may be lost, and the study over each, by drop."""
    subject, header, lines = "", [""], list[list[str]]()
    for drop in drops:
        title, _, *table = _text(records, "allocations", "--drop", f"{drop:g}").splitlines()
        header, _, *found = ([cell.strip() for cell in line[1:-1].split("|")] for line in table if line.startswith("|"))
        lines += [[f"{drop:g}", *line] for line in found if line[0] in _ALLOCATED]
        subject = title.rpartition(": ")[2].rstrip("*")
    align = "rl" + "r" * len(header[1:])
    shown = table_sheet(f"{subject}, by val accuracy lost at most", ["Points lost", "", *header[1:]], align, lines)
    print(f"\n{markdown(shown)}")


def _text(records: str, name: str, *options: str) -> str:
    """The Markdown that ``python -m analysis NAME OPTIONS`` makes of RECORDS.parquet, without its provenance."""
    with tempfile.TemporaryDirectory() as folder:
        _make(records, [name, *options], folder)
        return (Path(folder) / f"{name}.md").read_text(encoding="utf-8").partition("<!--")[0].strip()


def _frame(records: str) -> pd.DataFrame:
    return points(str(RECORDS / f"{records}.parquet"), experiment=None)


def pages(*flags: str) -> int:
    """Have cog write the tables of docs/results.md (``-r``), or compare (``--check``): status 0 unless they differ."""
    prologue = "from docs.records.draw import allocations, dense_change, pivot, table"
    status: int = Cog().main(["cog", *flags, "-P", "-p", prologue, str(DOCS / "results.md")])
    return status


def pictures() -> None:
    """Draw every picture again."""
    for shown, (records, words) in PICTURES.items():
        with tempfile.TemporaryDirectory() as folder:
            _make(records, [*words, "--format", "png"], folder)
            (made,) = Path(folder).glob("*.png")
            shutil.copyfile(made, DOCS / "pictures" / shown)


def _make(records: str, words: Sequence[str], folder: str) -> None:
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        status = main([*words, "--tracking-uri", str(RECORDS / f"{records}.parquet"), "--out", folder])
    if status:
        raise RuntimeError(f"python -m analysis {' '.join(words)}: {said.getvalue()}")


if __name__ == "__main__":
    pictures()
    sys.exit(pages("-r"))
