"""The sensitivity scan as a stage: what its key depends on, and that its rows are what single cuts give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pruneexp.cache.store import Store
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.schema import Budget, LayerSensitivity, unflatten
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Runner, Stage
from pruneexp.stages.mask import probe, prune
from pruneexp.stages.parts import Part
from pruneexp.stages.retrain import retrain
from pruneexp.stages.scan import Grid, scan
from pruneexp.stages.setting import Setting
from tests.contracts.jobs import built

GRID = Grid((Budget("density", 0.5), Budget("density", 0.05)), resamples=50)
MEMORY = 2**30


@pytest.fixture(scope="module")
def setting() -> Setting:
    return built().setting


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(Store(tmp_path_factory.mktemp("store")))


def scanned(setting: Setting, grid: Grid, memory: int = MEMORY) -> Stage:
    return scan(setting, train_dense(setting), grid, memory=memory)


def rows(runner: Runner, stage: Stage) -> list[LayerSensitivity]:
    return [unflatten(LayerSensitivity, row) for row in runner.record(stage)["rows"]]


def alone(setting: Setting, layer: str) -> Setting:
    """Whatever the budget, every other layer stays dense."""
    others = [name for name in ("fc1", "fc2", "fc3") if name != layer]
    cut = replace(setting.cut.value, allocation=PerLayer(exempt=others))
    return replace(setting, cut=Part(cut, {**setting.cut.identity, "exempt": others}))


def test_everything_that_is_asked_is_part_of_the_key_and_memory_is_not(setting: Setting) -> None:
    grids = [
        GRID,
        replace(GRID, budgets=GRID.budgets[:1]),
        replace(GRID, budgets=(Budget("quality", 0.5), Budget("quality", 0.05))),
        replace(GRID, coupled=(("fc1", "fc2"),)),
        replace(GRID, epochs=1),
        replace(GRID, epochs=2),
        replace(GRID, resamples=51),
    ]
    assert len({scanned(setting, grid).key for grid in grids}) == len(grids)
    assert scanned(setting, GRID, memory=1).key == scanned(setting, GRID).key


@pytest.mark.parametrize(
    ("override", "bare", "retrained"),
    [
        ("seed=1", True, True),
        ("train.lr=0.02", True, True),
        ("criterion=random", True, True),
        ("criterion.layers=[linear]", True, True),
        ("retrain.lr_factor=0.5", False, True),
        ("reg=l1_then_l2", True, True),
        ("retrain.epochs=7", False, False),  # the scan has epochs of its own
        ("criterion.min_keep=3", False, False),  # which levels, and not how they are shared out
        ("criterion=layer_std", False, False),
        ("curve.densities=[0.3]", False, False),
        ("mode=scratch_e", False, False),
    ],
)
def test_a_setting_is_part_of_the_key_where_it_can_change_a_number(
    setting: Setting, override: str, bare: bool, retrained: bool
) -> None:
    other = built(override).setting
    for grid, differs in ((GRID, bare), (replace(GRID, epochs=1), retrained)):
        assert (scanned(other, grid).key != scanned(setting, grid).key) is differs


def test_rows_are_in_the_networks_order_from_the_mildest(setting: Setting, runner: Runner) -> None:
    found = rows(runner, scanned(setting, GRID))
    assert [(row.group, row.layers, row.kind, row.level.value) for row in found] == [
        (layer, (layer,), "linear", density) for layer in ("fc1", "fc2", "fc3") for density in (0.5, 0.05)
    ]
    record = runner.record(scanned(setting, GRID))
    assert record["images"] == len(setting.learner.data.value.val)
    val = runner.record(train_dense(setting))["val"]
    assert record["dense"] == pytest.approx({"loss": val["loss"], "top1": val["top1"]}, rel=1e-6)
    assert record["plain"] == []


@pytest.mark.parametrize("layer", ["fc1", "fc2", "fc3"])
def test_a_row_is_what_a_cut_of_that_layer_alone_gives(setting: Setting, runner: Runner, layer: str) -> None:
    marks = [row for row in rows(runner, scanned(setting, GRID)) if row.group == layer]
    for row, budget in zip(marks, GRID.budgets, strict=True):
        cut = runner.record(probe(alone(setting, layer), train_dense(setting), budget))
        assert row.val["top1"] == cut["val"]["top1"]
        assert row.val.loss == pytest.approx(cut["val"]["loss"], rel=1e-5)
        [count] = [count for count in cut["counts"] if count["layer"] == layer]
        assert (row.weights_total, row.weights_kept) == (count["weights_total"], count["weights_kept"])


def test_a_retrained_row_is_what_retraining_after_that_cut_gives(setting: Setting, runner: Runner) -> None:
    grid = replace(GRID, budgets=GRID.budgets[1:], epochs=setting.retraining.epochs)
    dense = train_dense(setting)
    for row in rows(runner, scanned(setting, grid)):
        cut = prune(alone(setting, row.group), dense, grid.budgets[0], None)
        expected = runner.record(retrain(setting, cut))
        assert row.val["top1"] == expected["val"]["top1"]
        assert row.val.loss == pytest.approx(expected["val"]["loss"], rel=1e-5)


def test_coupled_layers_are_cut_together(setting: Setting, runner: Runner) -> None:
    grid = Grid((Budget("quality", 1.0),), coupled=(("fc1", "fc3"),), resamples=50)
    together, single = rows(runner, scanned(setting, grid))
    assert (together.group, together.layers, single.group) == ("fc1+fc3", ("fc1", "fc3"), "fc2")
    assert together.weights_total == 43_200 + 400
    bare = rows(runner, scanned(setting, replace(grid, coupled=())))
    assert together.weights_kept == bare[0].weights_kept + bare[2].weights_kept
    assert replace(single, bounds={}) == replace(bare[1], bounds={})


def test_a_scan_trained_again_in_another_store_is_the_same(setting: Setting, runner: Runner, tmp_path: Path) -> None:
    grid = replace(GRID, budgets=GRID.budgets[1:], epochs=1)
    stage = scanned(setting, grid)
    afresh = Runner(Store(tmp_path)).record(stage)
    known = runner.record(stage)
    assert afresh["rows"] == known["rows"]
    assert afresh["effort"]["epochs"] == known["effort"]["epochs"] == 3
    assert afresh["effort"]["flop"] == known["effort"]["flop"] > 0
