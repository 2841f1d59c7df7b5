"""What of a comparison a figure of points shows, and by which options. Knows no ink."""

from __future__ import annotations

import pandas as pd

from analysis.comparison.compared import TwoSides
from analysis.statistics.matching import SIDE
from pruneexp.errors import UserError


def points(frame: pd.DataFrame, made: TwoSides) -> pd.DataFrame:
    """The points that the table compares; their sides are called A and B, and by their names.

    Raises:
        UserError: no network is on both sides.
    """
    if any(pair.first["model"] != pair.second["model"] for line in made.lines for pair in line.pairs):
        raise UserError("a picture is of one network, and the sides are of different ones.")
    called = {side: f"{letter}: {side}" for side, letter in zip(made.sides, "AB", strict=True)}
    compared = {run for line in made.lines for run in line.runs}
    shown = frame[frame["run_id"].isin(compared)]
    return shown.assign(**{SIDE: shown[SIDE].map(called)}).reset_index(drop=True)


def look(made: TwoSides) -> dict[str, str]:
    """Options of the trade-off: scores as in the table; a colour for each side, or for each value of what differs.

    The latter where each side has one value of the first thing that differs: its legend says more than a side's name.
    """
    pairs = {pair.key: pair for line in made.lines for pair in line.pairs}.values()
    modes = {key["mode"] for pair in pairs for key in pair.sides}
    color = SIDE
    if first := {pair.named[:1] for pair in pairs} - {()}:
        (name, *_), *others = first
        if not others and all(len({pair.sides[place][name] for pair in pairs}) == 1 for place in (0, 1)):
            color = name
    asked = {"y": f"{made.split}.after.{made.metric.name}", "color": color}
    return asked | ({"facet": "mode"} if len(modes) > 1 and color != "mode" else {})
