"""Every shipped YAML composes, passes the checks and names things that exist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.plugins.launcher import Launcher
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from pruneexp.config import skeleton
from pruneexp.config.checks import plain, targets, validate
from pruneexp.config.groups import GROUPS, NEEDED
from pruneexp.config.sweep import check_command
from sweeps.compose import read
from sweeps.studies import instantiated
from tests.contracts.composing import composed

CONF = skeleton.conf_folder()
FILES = sorted(str(path.relative_to(CONF).with_suffix("")) for path in CONF.rglob("*.yaml"))
CHOICES = [name for name in FILES if "/" in name]
STUDIES = [name.removeprefix("study/") for name in CHOICES if name.startswith("study/")]


def made(node: DictConfig) -> None:
    assert instantiate(node) is not None


def penalties(config: DictConfig) -> None:
    for part in ("train", "retrain"):
        instantiate(config.reg[part])  # which may be none


def network_without_memory(config: DictConfig) -> None:
    if config.data.info.classes is None:
        config.data.info.classes = 2  # they are counted when the data are loaded
    with torch.device("meta"):
        assert isinstance(instantiate(config.model), nn.Module)


def data_without_files(config: DictConfig) -> None:
    data = OmegaConf.masked_copy(config.data, [str(key) for key in config.data if key != "info"])
    if "root" not in data:
        assert instantiate(data).classes == config.data.info.classes
        return
    data.root = "no/such/folder"
    with pytest.raises(InstantiationException) as caught:
        instantiate(data)
    assert "no/such/folder" in str(caught.value.__cause__)


def scores_and_allocation(config: DictConfig) -> None:
    made(config.criterion.score)
    made(config.criterion.allocation)


#: How the part of a job that a group chooses is made.
PARTS: dict[str, Callable[[DictConfig], None]] = {
    "model": network_without_memory,
    "data": data_without_files,
    "reg": penalties,
    "dropout": lambda config: made(config.dropout),
    "criterion": scores_and_allocation,
    "schedule": lambda config: made(config.schedule),
    "mode": lambda config: made(config.mode),
}


def test_every_choice_lies_in_a_group_and_every_group_has_one() -> None:
    groups = {"hydra/launcher" if name.startswith("hydra/") else name.split("/")[0] for name in CHOICES}
    assert groups == {*GROUPS, "hydra/launcher"}
    assert set(NEEDED) == PARTS.keys()


@pytest.mark.parametrize("name", [name for name in CHOICES if not name.startswith(("study/", "hydra/"))])
def test_a_choice_composes_and_its_targets_exist(name: str) -> None:
    group, _, choice = name.partition("/")
    config, choices = composed(f"{group}={choice}")
    validate(config)
    if group == "experiment":
        check_command([f"experiment={choice}"])  # every job that it sweeps over
    assert choices[group] == choice
    for where, target in targets(plain(config)):
        assert callable(get_object(target)), where
    for part in PARTS if group == "experiment" else {group} & PARTS.keys():
        PARTS[part](config)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_composes_and_can_be_made(name: str) -> None:
    command = read([f"study={name}"])
    assert command.choices["study"] == name
    for where, target in targets(plain(command.study)):
        assert callable(get_object(target)), where
    study: Any = instantiated(command.study)
    assert set(vars(study)) == set(command.study) - {"_target_"}
    assert "study" not in command.config


@pytest.mark.parametrize("path", sorted((CONF / "study").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_study_says_what_it_is_for_and_its_command(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    assert sum(line.startswith(f"# python -m sweeps study={path.stem}") for line in comments) == 1


def test_the_typed_command_composes_into_two_jobs() -> None:
    skeleton.register()
    for reg in ("l1", "l2"):
        check_command(["model=alexnet", f"reg={reg}"])
    config, choices = composed("model=alexnet", "reg=l1")
    assert (choices["model"], choices["reg"], choices["train"]) == ("alexnet", "l1", "mnist5k_alexnet")
    assert config.model.image_size == 67


def test_a_pair_without_a_recipe_takes_the_defaults() -> None:
    config, choices = composed("model=lenet5", "data=cifar10")
    assert choices["train"] == "default"
    assert config.train.epochs == skeleton.TrainConfig().epochs


@pytest.mark.parametrize("path", sorted((CONF / "experiment").rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_preset_starts_with_its_command(path: Path) -> None:
    package, command, *rest = path.read_text(encoding="utf-8").splitlines()
    name = path.relative_to(CONF / "experiment").with_suffix("").as_posix()
    assert package == "# @package _global_"
    assert command.startswith(f"# python -m pruneexp experiment={name}")
    assert rest[0].startswith("# ")


@pytest.mark.parametrize("path", sorted((CONF / "hydra/launcher").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_launcher_says_its_command_and_can_be_made(path: Path) -> None:
    skeleton.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose("config", [f"hydra/launcher={path.stem}"], return_hydra_config=True).hydra.launcher
    assert isinstance(instantiate(node), Launcher)
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(f"# python -m pruneexp -m hydra/launcher={path.stem} ")
