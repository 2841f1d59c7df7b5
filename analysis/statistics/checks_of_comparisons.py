"""Checks of what makes networks comparable: the same dense networks, recipes, code and data, and the controls.

Knows the columns of points, and no table. Each check is a function of the points alone. What a criterion is made of is
told by the configuration of its curve (``analysis.records.origin_frames``), not by its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis.names import counted, display_name, extent
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.checklist import Check, Finding, curves, failing, listed, subjects
from analysis.statistics.conditions import RETRAINING, telling, words
from analysis.statistics.curves import budget_text
from pruneexp.schema import OF_A_MODE

RANDOM, MAGNITUDE = (f"pruneexp.pruning.criteria.{name}" for name in ("random.Random", "magnitude.Magnitude"))
#: Allocations whose counts do not depend on scores, so that any score under them has the same proportions.
_BLIND = tuple(f"pruneexp.pruning.allocations.{name}" for name in (
    "per_layer.PerLayer", "layer_std.LayerStd", "erk.Erk", "lamp.Lamp", "n_of_m.NOfM", "per_output.PerOutput"
))  # fmt: skip
#: What networks are made with before they are pruned, but for penalty and dropout, which are compared on purpose.
_DENSE = (
    "train", "train_epochs", "train_lr", "train_schedule", "batch_size", "optimizer", "momentum", "warmup", "clip",
    "label_smoothing", "augment", "trainer", "precision", "dense_settings", "data_fingerprint",
)  # fmt: skip
_TRAINED_UNDER = ("reg", "reg_strength", "reg_lr_factor", "dropout")
_RECIPE = tuple(name for name in RETRAINING if name not in ("reg_retrain_strength", *OF_A_MODE))
_ONE_CODE = "commit, and give all commands again in one version"


class _Way(NamedTuple):
    """A criterion by its parts: the target of its score, and all that its counts per layer follow from, as text."""

    name: str
    score: str
    proportions: str
    schedule: str
    budgets: frozenset[str]
    rows: pd.DataFrame


def methods(points: pd.DataFrame) -> Finding:
    alone = {name: rows for name, rows in subjects(points)
             if max(len(curves(same)) for _, same in selection.groups(rows, frames.BUDGET)) < 2}  # fmt: skip
    if alone:
        return failing(f"nothing beside one method of {listed(list(alone))}", pd.concat(alone.values()),
                       "criterion=global_magnitude,layer_magnitude,random_global")  # fmt: skip
    return Finding("holds", f"{counted(len(curves(points)), 'curve')}, at shared budgets")


def random_control(points: pd.DataFrame) -> Finding:
    return _controlled(points, RANDOM, "random", (RANDOM,))


def magnitude_control(points: pd.DataFrame) -> Finding:
    return _controlled(points, MAGNITUDE, "magnitude", (RANDOM, MAGNITUDE))


def _controlled(points: pd.DataFrame, score: str, noun: str, spared: tuple[str, ...]) -> Finding:
    """Whether each criterion has one of this score beside it, in the same proportions and at the same budgets."""
    if "made_by.criterion" not in points or points["made_by.criterion"].isna().any():
        return Finding("not recorded", "some curves carry no configuration, which tells the parts of a criterion")
    lacking: list[tuple[str, _Way]] = []
    judged = 0
    for name, rows in subjects(points):
        ways = _ways(rows)
        controls = [way for way in ways if way.score == score]
        for way in (way for way in ways if way.score not in spared):
            judged += 1
            beside = (one for one in controls if (one.proportions, one.schedule) == (way.proportions, way.schedule))
            if not any(way.budgets <= one.budgets for one in beside):
                lacking.append((name, way))
    if not judged:
        return Finding("not applicable", f"no criterion has another score than {noun}")
    if not lacking:
        return Finding("holds", f"a {noun} control for each of {counted(judged, 'way')} to prune")
    named = listed([f"{way.name} ({display_name('schedule', way.schedule)})" for _, way in lacking])
    return failing(f"no {noun} control in the proportions of {named}", pd.concat([way.rows for _, way in lacking]),
                   _mended(score, lacking[0][1]))  # fmt: skip


def _ways(rows: pd.DataFrame) -> list[_Way]:
    """The ways to prune a network that are logged with inherited weights, or at all where none is."""
    pruned = rows[rows["mode"] == "prune"]
    found = []
    for key, same in selection.groups(rows if pruned.empty else pruned, ("criterion", "made_by.criterion", "schedule")):
        parts = json.loads(key["made_by.criterion"])
        budgets = frozenset(budget_text(*budget.values()) for budget, _ in selection.groups(same, frames.BUDGET))
        found.append(_Way(display_name("criterion", key["criterion"]), _target(parts.get("score")), _proportions(parts),
                          key["schedule"], budgets, same))  # fmt: skip
    return found


def _proportions(parts: Mapping[str, Any]) -> str:
    """All that decides how many weights each layer keeps; options that are empty say nothing."""
    names = ("allocation", "unit", "layers", "exclude", "min_keep")
    deciding = {name: parts.get(name) for name in names}
    if _target(parts.get("allocation")) not in _BLIND:
        deciding["score"] = parts.get("proportions") or parts.get("score")
    return json.dumps(_filled(deciding), sort_keys=True)


def _filled(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    filled = {name: _filled(each) for name, each in value.items()}
    return {name: each for name, each in filled.items() if each not in (None, [], {}, "")}


def _target(node: Any) -> str:
    return str(node.get("_target_", "")) if isinstance(node, Mapping) else ""


def _mended(score: str, way: _Way) -> str:
    deciding = json.loads(way.proportions)
    by_lot = score == RANDOM and "unit" not in deciding
    if by_lot and _target(deciding.get("score")) == MAGNITUDE:
        return "criterion=random_global"
    if by_lot and _target(deciding.get("allocation")).endswith(".PerLayer"):
        return "criterion=random"
    return "docs/criteria.md, Controls"


def same_dense(points: pd.DataFrame) -> Finding:
    found = list(selection.groups(points, (*frames.SUBJECT, *_TRAINED_UNDER, "seed")))
    several = [rows for _, rows in found if rows["dense_key"].nunique() > 1]
    if not several:
        return Finding("holds", f"one per seed and penalty, {counted(points['dense_key'].nunique(), 'network')} in all")
    rows = pd.concat(several)
    keys = selection.combinations(rows, _DENSE)
    told = telling(keys, _DENSE)
    names = sorted({words(key, told) for key in keys}) if told else ["settings that no column tells"]
    return failing(f"dense networks of one seed differ: {listed(names)}", rows, _choose(told))


def same_recipe(points: pd.DataFrame) -> Finding:
    for mode, rows in _by_mode(points):
        keys = selection.combinations(rows, _RECIPE)
        if told := telling(keys, _RECIPE):
            named = listed(sorted({words(key, told) for key in keys}))
            return failing(f"{mode}: {named}", rows, _choose(told))
        if "made_by.retrain" in rows and (names := _differing(rows["made_by.retrain"].dropna().unique())):
            return failing(f"{mode}: retrain.{listed(names)} differs", rows)
    by_compute = points["mode"].str.startswith("scratch_b")  # epochs of these follow from what is left
    for mode, rows in _by_mode(points[~by_compute]):
        for budget, same in selection.groups(rows, frames.BUDGET):
            if same["added_epochs"].nunique() > 1:
                took = (
                    f"{extent(same['added_epochs'])} epochs after the dense network at {budget_text(*budget.values())}"
                )
                return failing(f"{mode}: {took}", same, "`python -m analysis fairness`, scores beside them")
    return Finding("holds", "one recipe in each mode, as many epochs at each budget")


def _by_mode(points: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    found = selection.groups(points, (*frames.SUBJECT, *OF_A_MODE))
    return [(display_name("mode", key["mode"]), rows) for key, rows in found]


def _differing(recipes: Iterable[str]) -> list[str]:
    """The keys in which recipes, as JSON, have different values."""
    found = [json.loads(text) for text in recipes]
    names = sorted({name for recipe in found for name in recipe})
    return [name for name in names if any(recipe.get(name) != found[0].get(name) for recipe in found)]


def _choose(told: tuple[str, ...]) -> str:
    return f"--where {told[0]}=..." if told else ""


def scratch(points: pd.DataFrame) -> Finding:
    """Whether each budget of each way to prune, but for random controls, has its own masks trained from scratch."""
    trained = points["mode"].str.startswith("scratch")
    masks = set(points.loc[trained, "mask_key"])
    by_lot = points.get("made_by.criterion", pd.Series("", points.index)).fillna("").str.contains(RANDOM, regex=False)
    ways = selection.groups(
        points[~trained & ~by_lot], (*frames.SUBJECT, "reg", "criterion", "schedule", *frames.BUDGET)
    )
    bare = [(key, same) for key, same in ways if masks.isdisjoint(same["mask_key"])]
    if bare:
        named = listed([display_name("criterion", key["criterion"]) for key, _ in bare])
        evidence = f"{counted(len(bare), 'budget')} of {named} without it"
        return failing(evidence, pd.concat([same for _, same in bare]), "mode=scratch_e,scratch_b")
    modes = sorted({display_name("mode", mode) for mode in points["mode"][trained]})
    return Finding("holds", f"{listed(modes)}, by the recipe of the dense network")


def same_code(points: pd.DataFrame) -> Finding:
    found, unknown = _texts(points, "made_by.code")
    if unknown is not None:
        return unknown
    changed = points[points["made_by.code"].str.endswith(", changed")]
    if len(found) > 1 or not changed.empty:
        evidence = f"{len(found)} versions: {listed(found)}" if len(found) > 1 else f"{found[0]}: not what is committed"
        return failing(evidence, points if len(found) > 1 else changed, _ONE_CODE)
    return Finding("holds", f"commit {found[0]}")


def same_libraries(points: pd.DataFrame) -> Finding:
    found, unknown = _texts(points, "made_by.packages")
    if unknown is not None:
        return unknown
    versions = [text.split(", ") for text in found]
    differing = sorted({each for text in versions for each in text if not all(each in other for other in versions)})
    if differing:
        return failing(f"{listed(differing)}", points, "give all commands again in one environment")
    return Finding("holds", listed([each for each in versions[0] if each.split()[0] in ("python", "torch", "numpy")]))


def _texts(points: pd.DataFrame, column: str) -> tuple[list[str], Finding | None]:
    """The values of a column of origins, or what is said where runs do not tell it."""
    if column not in points or points[column].isna().all():
        return [], Finding("not recorded", "the runs of these curves do not tell it")
    bare = points[points[column].isna()]
    if not bare.empty:
        return [], failing(f"{counted(len(bare), 'point')} of runs that do not tell it", bare, _ONE_CODE)
    return sorted(set(points[column])), None


def same_data(points: pd.DataFrame) -> Finding:
    found = {key["data"]: rows for key, rows in selection.groups(points, ("data",))}
    several = {name: rows for name, rows in found.items() if rows["data_fingerprint"].nunique() > 1}
    if several:
        evidence = f"{listed([display_name('data', name) for name in several])}: several sets under one name"
        return failing(evidence, pd.concat(several.values()), "--where data_fingerprint=...")
    return Finding("holds", f"one fingerprint: {listed([display_name('data', name) for name in found])}")


_BLALOCK, _LIU, _WANG = "Blalock et al. 2020", "Liu et al. 2019", "Wang et al. 2023"
CHECKS = (
    Check("methods", "Curves of competing methods beside each other", _BLALOCK, methods),
    Check("random", "A random control in the same proportions", _BLALOCK, random_control),
    Check("magnitude", "A magnitude control in the same proportions", _BLALOCK, magnitude_control),
    Check("scratch", "The same architectures trained from scratch", _LIU, scratch),
    Check("dense", "The same dense networks under every method", _WANG, same_dense),
    Check("recipe", "The same fine-tuning after every method", _WANG, same_recipe),
    Check("code", "One version of the code", _BLALOCK, same_code),
    Check("libraries", "One version of each library", _BLALOCK, same_libraries),
    Check("data", "The same data and splits", _BLALOCK, same_data),
)
