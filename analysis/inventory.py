"""What is logged, and what can be made of it, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from analysis import frames, publish
from analysis.catalogue import Publication
from pruneexp.errors import UserError

HEADER = ("data", "model", "reg", "schedule", "mode", "criterion", "seeds", "budgets")


def logged(points: pd.DataFrame) -> Iterator[str]:
    """Per experiment, one line for each kind of curve with its seeds and budgets."""
    for key, same in frames.groups(points, ("experiment",)):
        yield f"{key['experiment']}: {len(same)} point{'s' if len(same) > 1 else ''}"
        lines: list[tuple[str, ...]] = [HEADER]
        for kind, rows in frames.groups(same, HEADER[:-2]):
            seeds = sorted({int(seed) for seed in rows["seed"]})
            lines.append((*map(str, kind.values()), f"{len(seeds)} ({_range(seeds)})", _budgets(rows)))
        yield from _aligned(lines)


def possible(points: pd.DataFrame, publications: Iterable[Publication]) -> Iterator[str]:
    """One line for each figure or table: made of what, or why not."""
    for publication in publications:
        module = publication.module()
        for name, rows in publish.subjects(publication, points):
            try:
                module.data(rows)
            except UserError as reason:
                yield f"  {name}: not yet: {reason}"
            else:
                yield f"  {name}"


def _budgets(rows: pd.DataFrame) -> str:
    texts = []
    for kind, same in frames.groups(rows, ("budget.kind",)):
        values = sorted({float(value) for value in same["budget.value"]}, reverse=kind["budget.kind"] == "density")
        texts.append(f"{kind['budget.kind']} " + " ".join(f"{value:g}" for value in values))
    return "; ".join(texts)


def _range(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}–{seeds[-1]}"
    return ", ".join(map(str, seeds))


def _aligned(lines: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        yield "  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
