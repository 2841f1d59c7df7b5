"""What the training of several pruned networks takes together: epochs and FLOP, with the dense network's and without.

Knows the columns of points, and neither a figure nor a table.
"""

from __future__ import annotations

import pandas as pd

#: Columns of the compute: without that of the dense network, and with it.
COMPUTE = ("added_epochs", "training_epochs", "added_flop", "training_flop")
_BESIDE_DENSE = ("prune", "retrain", "scratch")


def of_all_sizes(rows: pd.DataFrame) -> tuple[float, ...]:
    """What all budgets of one curve of one seed take together, in the order of ``COMPUTE``.

    The dense network is trained once. Where each round goes on from the round before (``path``), the sparsest network
    has been through all others, so that these take nothing beside it; what is trained from fresh weights always does.
    """
    made: list[float] = []
    on_the_way = bool(rows["path"].notna().all())
    fresh = str(rows["mode"].iloc[0]).startswith("scratch")
    for unit in ("epochs", "flop"):
        added = 0.0
        for kind in _BESIDE_DENSE:
            each = rows[f"ledger.{kind}.{unit}"]
            added += float(each.max() if on_the_way and not (fresh and kind == "scratch") else each.sum())
        made += [added, added + float(rows[f"ledger.dense.{unit}"].max())]
    return tuple(made)
