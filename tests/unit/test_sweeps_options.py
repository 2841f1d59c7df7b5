"""Options of studies out of their ranges: one sentence with the key, the value and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pruneexp.config.skeleton import conf_folder
from pruneexp.errors import UserError
from pruneexp.schema import BudgetKind
from sweeps import checks
from sweeps.studies import instantiated
from tests.contracts.studies import shipped

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("study", sorted(path.stem for path in Path(conf_folder(), "study").glob("*.yaml")))
def test_what_is_shipped_is_allowed(study: str) -> None:
    assert callable(instantiated(shipped(study)).run)


@pytest.mark.parametrize(
    ("study", "options", "sentence"),
    [
        ("layer_thresholds", {"trials": 2.5}, "study.trials=2.5: allowed is a whole number, 1 or more"),
        ("layer_thresholds", {"trials": None}, "study.trials=None: allowed is a whole number, 1 or more"),
        ("layer_thresholds", {"trials": True}, "study.trials=True: allowed is a whole number, 1 or more"),
        ("layer_thresholds", {"epochs": -1}, "study.epochs=-1: allowed is a whole number, 0 or more"),
        ("layer_thresholds", {"finalists": "all"}, "study.finalists=all: allowed is a whole number, 0 or more"),
        ("layer_thresholds", {"short_epochs": 0.5}, "study.short_epochs=0.5: allowed is a whole number, 0 or more"),
        ("layer_thresholds", {"margin": NAN}, "study.margin=nan: allowed is 0 or more"),
        ("layer_thresholds", {"max_drop": INF}, "study.max_drop=inf: allowed is 0 or more"),
        (
            "layer_thresholds",
            {"objective": "best"},
            "study.objective=best seeks the best network within a cost: say with ",
        ),
        (
            "layer_thresholds",
            {"max_cost": 0.5},
            "study.max_cost=0.5 is a limit of study.objective=best, and study.",
        ),
        (
            "layer_thresholds",
            {"objective": "best", "max_cost": 0},
            "study.max_cost=0: allowed is above 0, and at most 1",
        ),
        (
            "layer_thresholds",
            {"objective": "best", "max_cost": 50.0},
            "study.max_cost=50: allowed is above 0, and at most 1",
        ),
        (
            "layer_thresholds",
            {"objective": "best", "max_cost": "half"},
            "study.max_cost=half: allowed is a number, above 0, and at most 1",
        ),
        ("layer_thresholds", {"cliff": 0}, "study.cliff=0: allowed is above 0"),
        ("layer_thresholds", {"minutes": 0}, "study.minutes=0: allowed is above 0"),
        ("layer_thresholds", {"stale_seconds": 0}, "study.stale_seconds=0: allowed is 1 or more"),
        ("layer_thresholds", {"objective": "x"}, "study.objective=x: no such choice; there are pareto, smallest, best"),
        (
            "layer_thresholds",
            {"cost": "x"},
            "study.cost=x: no such choice; there are density, flop, parameters, bytes, ",
        ),
        ("layer_thresholds", {"form": "csr"}, "study.form=csr: no such choice; there are removed, removed_onnxruntime"),
        ("layer_thresholds", {"batch": 0}, "study.batch=0: allowed is a whole number, 1 or more"),
        ("layer_thresholds", {"pruner": "x"}, "study.pruner=x: no such choice; there are none, median, halving"),
        (
            "sensitivity",
            {"densities": None},
            "study.densities and study.qualities: give one of them, and set the other",
        ),
        ("sensitivity", {"densities": 0.5}, "study.densities=0.5: allowed is a list of numbers"),
        ("sensitivity", {"densities": []}, "study.densities is empty: give at least one value"),
        (
            "sensitivity",
            {"densities": [0.0]},
            "study.densities holds 0: densities (kept / total weights) lie in (0, 1]",
        ),
        ("sensitivity", {"densities": [0.5, 0.5]}, "study.densities holds 0.5 twice"),
        ("sensitivity", {"densities": [0.5, 0.1, 0.3]}, "study.densities=[0.5, 0.1, 0.3] is unsorted: write"),
        (
            "sensitivity",
            {"densities": None, "qualities": [-1]},
            "study.qualities holds -1: quality parameters are 0 or more",
        ),
        ("sensitivity", {"seeds": []}, "study.seeds=[]: allowed are one or more seeds, each once, as in 'study.see"),
        ("sensitivity", {"seeds": [1, 1]}, "study.seeds=[1, 1]: allowed are one or more seeds"),
        ("sensitivity", {"seeds": [1.5]}, "study.seeds=1.5: allowed is a whole number, 0 or more"),
        (
            "sensitivity",
            {"seeds": [2**31]},
            "study.seeds=2147483648: allowed is a whole number, 0 or more",
        ),
        ("sensitivity", {"epochs": 0.5}, "study.epochs=0.5: allowed is a whole number, 0 or more"),
        ("sensitivity", {"resamples": 0}, "study.resamples=0: allowed is a whole number, 1 or more"),
        ("sensitivity", {"memory_gib": -1}, "study.memory_gib=-1: allowed is 0 or more"),
        ("sensitivity", {"coupled": ["fc1", "fc2"]}, "study.coupled=['fc1', 'fc2']: allowed are groups of layers"),
        ("sensitivity", {"coupled": None}, "study.coupled=None: allowed are groups of layers"),
        ("knee", {"epsilon": "x"}, "study.epsilon=x: allowed is a number, 0 or more"),
        ("knee", {"lowest": 0}, "study.lowest=0: allowed is above 0 and below 1"),
        ("knee", {"tolerance": 1}, "study.tolerance=1: allowed is above 1 and below 10"),
        ("knee", {"confidence": 1}, "study.confidence=1: allowed is above 0 and below 1"),
        ("knee", {"seeds": 0}, "study.seeds=0: allowed are one or more seeds, each once, as in 'study.seeds=[0,1,2]'"),
        ("knee", {"seeds": None}, "study.seeds=None: allowed are one or more seeds"),
    ],
    ids=str,
)
def test_what_is_not_allowed_is_said_with_its_key(study: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        instantiated(shipped(study, **options))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("sweeps.studies.knee.math.sqrt", "study._target_=math.sqrt is not allowed"),
        ("sweeps.storing.open_storage", "study._target_=sweeps.storing.open_storage is not allowed"),
        ("sweeps.studies.none.None", "study._target_=sweeps.studies.none.None cannot be imported"),
    ],
)
def test_a_study_comes_from_the_studies(target: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        instantiated(shipped("knee", _target_=target))
    assert str(caught.value).startswith(sentence)


def test_an_option_that_is_not_there_is_said() -> None:
    node = shipped("knee")
    node.epsilom = 1.0
    with pytest.raises(UserError, match="unexpected keyword argument 'epsilom'"):
        instantiated(node)


@pytest.mark.parametrize(
    ("values", "kind", "sentence"),
    [
        (3, "quality", "key=3: allowed is a list of numbers, such as 'key=[0.5,0.1]'"),
        ([2, 1], "density", "key holds 2: densities (kept / total weights) lie in (0, 1]; 2 % is 0.02"),
        ([0.5, "x"], "density", "key=[0.5, 'x']: allowed is a list of numbers, such as 'key=[0.5,0.1]'"),
        ([0.5, INF], "quality", "key=[0.5, inf] holds a value that is not a finite number"),
    ],
)
def test_levels_out_of_range_are_said(values: Any, kind: BudgetKind, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        checks.levels("key", values, kind)
    assert str(caught.value) == sentence


def test_numbers_at_the_ends_of_their_ranges_are_allowed() -> None:
    checks.whole("key", 0, 0, 1)
    checks.whole("key", 1, 0, 1)
    checks.at_least("key", 0.0, 0)
    checks.seeds("key", [2**31 - 1, 0])
    checks.levels("key", [1.0, 1e-9], "density")
    checks.levels("key", [0, 99], "quality")
    checks.groups("key", [])
