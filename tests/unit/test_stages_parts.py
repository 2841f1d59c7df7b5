"""A part changes in its value and in its identity together; what is read anew with another seed follows the seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file

from pruneexp.errors import UserError
from pruneexp.experiment.spec import read
from pruneexp.schema import Budget
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Stage
from pruneexp.stages.mask import prune
from pruneexp.stages.parts import SOURCES, code_of
from pruneexp.stages.retrain import retrain
from pruneexp.stages.scratch import equal_epochs, train_rewound, train_scratch
from pruneexp.stages.setting import Setting
from tests.contracts.composing import composed
from tests.contracts.jobs import SMALL_NETWORK, built, job_of


def test_a_changed_part_is_the_part_of_the_changed_configuration() -> None:
    before, after = (built(f"retrain.epochs={epochs}").setting.retraining for epochs in (1, 5))
    assert before.lasting(5).recipe == after.recipe
    assert before.recipe.value.epochs == before.recipe.identity["epochs"] == 1


def test_a_change_within_a_part_is_that_of_the_configuration() -> None:
    words = ("criterion=layer_magnitude", "+criterion.allocation.scale={fc3: 2}")
    changed = built(words[0]).setting.cut.changed("allocation", scale={"fc3": 2})
    asked = built(*words).setting.cut
    assert changed.identity == asked.identity
    assert changed.value == asked.value


def test_a_field_that_a_part_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="scale"):
        built("criterion=global_magnitude").setting.cut.changed("allocation", scale={})


def test_code_is_found_wherever_it_stands() -> None:
    inner = {"_target_": "own.A", SOURCES: {"own.A": "1", "needed": "2"}}
    assert code_of({"a": [inner], "b": {"c": {SOURCES: {"own.B": "3"}}}}) == {"own.A": "1", "needed": "2", "own.B": "3"}
    assert code_of({"a": [1, "x"], "b": None}) == {}


def test_a_signed_route_shares_the_dense_network_alone() -> None:
    route = built().routes[0]
    signed, other = (route.signed({"own.Mode": digest}) for digest in "12")
    assert route.signed({}) is route
    keys = [{step.kind: step.key for step in each.steps} for each in (route, signed, other)]
    assert len({each["dense"] for each in keys}) == 1
    assert len({each["mask"] for each in keys}) == len({each["retrain"] for each in keys}) == 3
    assert signed.final.parents[0] is signed.mask


def starting_from(path: Path) -> Setting:
    """A setting whose dense training starts from a file."""
    setting = built().setting
    assert setting.learner.start_from == ""
    return replace(setting, learner=replace(setting.learner, start_from=path.name))


def test_a_file_of_weights_identifies_what_starts_from_it_and_its_children(tmp_path: Path) -> None:
    settings = [starting_from(tmp_path / name) for name in ("one", "other")]
    kinds = ("dense", "mask", "retrain", "scratch", "rewound")
    stages = [dict(zip(kinds, every_stage(setting), strict=True)) for setting in settings]
    configs = {kind: [each[kind].config for each in stages] for kind in kinds}
    assert {kind for kind, (first, second) in configs.items() if first != second} == {"dense", "rewound"}
    assert all(stages[0][kind].key != stages[1][kind].key for kind in kinds)


def every_stage(setting: Setting) -> tuple[Stage, ...]:
    dense = train_dense(setting)
    mask = prune(setting, dense, Budget("density", 0.5), None)
    scratch = train_scratch(setting, mask, equal_epochs(), scaled_init=False)
    return dense, mask, retrain(setting, mask), scratch, train_rewound(setting, mask)


def test_the_digest_of_a_file_of_weights_is_that_of_its_content(tmp_path: Path) -> None:
    state = built().setting.learner.network("initial").state_dict()
    for name, factor in (("one", 1.0), ("same", 1.0), ("other", 2.0)):
        save_file({key: tensor * factor for key, tensor in state.items()}, tmp_path / f"{name}.safetensors")
    first, second, third = (
        built(f"train.start_from='{tmp_path}/{name}.safetensors'") for name in ("one", "same", "other")
    )
    assert first.routes[0].dense.key == second.routes[0].dense.key != third.routes[0].dense.key
    assert torch.equal(first.setting.learner.network("initial").state_dict()["fc1.weight"], state["fc1.weight"])


def test_a_choice_without_a_key_that_is_needed_is_named() -> None:
    config, choices = composed(*SMALL_NETWORK)
    del config.criterion.score
    with pytest.raises(UserError, match=r"criterion\.score is missing: every choice of criterion needs it"):
        job_of(config, choices)


def test_what_refers_to_the_seed_follows_another_seed() -> None:
    config, choices = composed(*SMALL_NETWORK, "data.seed=${seed}", "seed=3")
    spec = read(config, choices)
    other = spec.seeded(7)
    assert (spec.seed, spec.values["data"]["seed"]) == (3, 3)
    assert (other.seed, other.values["data"]["seed"], other.choices) == (7, 7, spec.choices)
    assert other.runtime == spec.runtime
    assert OmegaConf.create(other.yaml()).data.seed == 7
