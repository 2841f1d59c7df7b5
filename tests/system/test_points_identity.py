"""What tells points apart: whatever changes a stage's key changes more of the identity than repetitions differ in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pruneexp.errors import UserError
from pruneexp.experiment.identity import identity
from pruneexp.schema import REPEATED, PointIdentity, flatten, group_of
from tests.contracts.composing import composed
from tests.contracts.jobs import SMALL_NETWORK, job_of

JOB = ("curve.densities=[0.5,0.2]", "criterion=layer_magnitude")
#: Choices beside those of the first job, with the parts of the configuration in which they differ from it.
OTHERS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("reg=l1_then_l2", "schedule=iterative"): ("reg", "schedule"),
    ("reg=none", "schedule=progressive"): ("reg", "schedule", "curve"),
    ("train.schedule=step", "train.milestones=[0.5]", "retrain.schedule=step", "retrain.milestones=[0.5]"): (
        "train",
        "retrain",
    ),
    ("mode=scratch_b", "criterion=stochastic_magnitude"): ("mode", "criterion"),
    ("mode=scratch_e", "criterion=random"): ("mode", "criterion"),
    ("mode=rewind", "criterion=layer_std"): ("mode", "criterion"),
    ("criterion=taylor",): ("criterion",),
    ("criterion=random_global",): ("criterion",),
    ("criterion=n_of_m", "curve.densities=[0.5]"): ("criterion",),
    ("mode=lr_rewind", "reg=l1"): ("mode",),
    ("mode=scratch_e", "reg=slimming", "model=vgg_small"): ("reg",),
}
#: Values that have a meaning somewhere, by the type of the value that they replace.
VALUES: Mapping[type, Sequence[Any]] = {
    bool: (True, False),
    int: (1, 2, 3, 20, 256),
    float: (0.25, 0.75, 2.0),
    str: (0.25, 3, 20, "adam", "cosine", "constant", "bfloat16", "local", "stacked"),
    list: ([0.5, 0.3, 0.2], [0.25, 0.75], ["fc1"], ["linear"]),
    dict: ({"fc1": 0.5},),
    type(None): (2, 0.4),
}


@cache
def base(*overrides: str) -> tuple[DictConfig, Mapping[str, str]]:
    return composed(*SMALL_NETWORK, *JOB, *overrides)


def points(overrides: Sequence[str], changes: Mapping[str, Any]) -> tuple[PointIdentity, ...]:
    """The identity of each point of the small job with these values; computes nothing."""
    config, choices = base(*overrides)
    config = config.copy()
    for key, value in changes.items():
        OmegaConf.update(config, key, value, merge=False, force_add=True)
    job = job_of(config, choices)
    return tuple(identity(job, *pair) for pair in zip(job.budgets, job.routes, strict=True))


def told(of: PointIdentity) -> dict[str, Any]:
    return {name: value for name, value in flatten(of).items() if name not in REPEATED}


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a configuration by its key; lists, and what is empty, are values."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, node


def blind(overrides: Sequence[str], parts: Sequence[str]) -> tuple[set[str], set[str]]:
    """Keys of these parts that change the last stage of a point, and those of them that its identity does not show."""
    before = {of.budget: of for of in points(overrides, {})}
    config, _ = base(*overrides)
    changing, unseen = set(), set()
    for key, value in leaves(OmegaConf.to_container(config, resolve=False, enum_to_str=True)):
        if key.partition(".")[0] not in parts or key.endswith("_target_") or key.startswith("data.info"):
            continue
        for other in VALUES[type(value)]:
            try:
                after = points(overrides, {key: other})
            except (UserError, OmegaConfBaseException, TypeError):
                continue  # it means nothing here
            known = [(before[of.budget], of) for of in after if of.budget in before]
            if any(old.final_key != of.final_key for old, of in known):
                changing.add(key)
                unseen |= {key for old, of in known if old.final_key != of.final_key and told(old) == told(of)}
                break
    return changing, unseen


def test_whatever_changes_a_stage_changes_the_identity() -> None:
    parts = ("model", "data", "train", "retrain", "reg", "dropout", "criterion", "schedule", "mode", "curve")
    changing, unseen = blind((), parts)
    assert unseen == set()
    assert len(changing) >= 30, sorted(changing)
    assert {"reg.train.strength", "reg.retrain.strength", "train.lr", "data.samples"} <= changing


@pytest.mark.parametrize(("overrides", "parts"), OTHERS.items(), ids=" ".join)
def test_so_does_whatever_changes_another_choice(overrides: tuple[str, ...], parts: tuple[str, ...]) -> None:
    changing, unseen = blind(overrides, parts)
    assert unseen == set()
    assert changing


@pytest.mark.parametrize(
    ("changes", "strengths"),
    [
        ({}, (1e-4, 5e-4)),
        ({"reg.train.strength": 1e-3}, (1e-3, 5e-4)),
        ({"reg.retrain.strength": 1e-3}, (1e-4, 1e-3)),
        ({"reg.train": {"_target_": "pruneexp.training.regularizers.NoPenalty"}}, (0.0, 5e-4)),
    ],
)
def test_strengths_are_those_that_the_penalties_have(changes: dict[str, Any], strengths: tuple[float, float]) -> None:
    (of, *_) = points(("reg=l1_then_l2",), changes)
    assert (of.reg_strength, of.reg_retrain_strength) == strengths


def test_what_a_network_started_from_is_told_and_in_no_key(tmp_path: Path) -> None:
    (usual, *_) = points((), {})
    files = [tmp_path / name for name in ("first.pt", "second.pt")]
    torch.save(job_of(*base()).setting.learner.network("initial").state_dict(), files[0])
    files[1].write_bytes(files[0].read_bytes())
    (one, *_), (other, *_) = (points((), {"train.start_from": str(file)}) for file in files)
    assert (usual.started_from, one.started_from, other.started_from) == (None, "first.pt", "second.pt")
    assert usual.dense_settings != one.dense_settings
    assert replace(one, started_from="second.pt") == other


def test_penalties_that_differ_in_training_alone_are_no_repetitions() -> None:
    (one, *_), (other, *_) = (points((), {"reg.train.strength": value}) for value in (1e-3, 1e-2))
    assert group_of(one, with_budget=True) != group_of(other, with_budget=True)


def test_points_that_other_budgets_lead_to_are_told_apart_where_these_matter() -> None:
    for schedule, apart in (("progressive", True), ("iterative", False), ("one_shot", False)):
        short, long = (points((f"schedule={schedule}",), {"curve.densities": budgets})[-1]
                       for budgets in ([0.5, 0.2], [0.5, 0.3, 0.2]))  # fmt: skip
        assert short.budget == long.budget
        assert (group_of(short, with_budget=True) != group_of(long, with_budget=True)) is apart
        assert long.path == ("0.5,0.3,0.2" if apart else None)


def test_people_can_choose_by_what_the_hashes_cover() -> None:
    (of, *_) = points(("schedule=iterative",), {"train.lr": 0.02, "criterion.min_keep": 3})
    assert (of.train_lr, of.batch_size, of.optimizer, of.min_keep, of.rounds) == (0.02, 64, "sgd", 3, 5)
    (scratch, *_) = points(("mode=scratch_b",), {"mode.cap": 2})
    assert (scratch.cap, scratch.scaled_init, scratch.rounds) == (2, "false", 1)
    assert of.cap is None


def test_the_rate_of_a_penalty_is_a_rate_and_belongs_to_the_penalty() -> None:
    (plain, *_) = points((), {"train.lr": 0.5})
    (scaled, *_) = points((), {"train.lr": 1.0, "reg.lr_factor": 0.5})
    assert (scaled.dense_key, scaled.final_key) == (plain.dense_key, plain.final_key)
    assert (scaled.train_lr, scaled.reg_lr_factor, plain.reg_lr_factor) == (1.0, 0.5, None)
    (whole, *_) = points((), {"train.lr": 1.0})
    for name in ("dense_settings", "prune_settings"):
        assert getattr(scaled, name) == getattr(whole, name) != getattr(plain, name)
    assert scaled.reg_settings != whole.reg_settings == plain.reg_settings
