"""From a composed configuration to the parts of a job: the only place where ``_target_``s become objects."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torchvision.models import get_model_builder, list_models

from pruneexp.cache.files import checksum
from pruneexp.cache.identity import stage_key
from pruneexp.config.checks import ALLOWED_TARGETS, budgets, check_target, plain, targets
from pruneexp.data.dataset import Dataset
from pruneexp.errors import UserError, cause
from pruneexp.experiment.naming import name_layers
from pruneexp.experiment.network import new_network, weights_file
from pruneexp.experiment.rehearsal import Task, check_copy, rehearsed
from pruneexp.experiment.sources import SOURCES, Signed, described
from pruneexp.models.adapt import adapt, input_shape_of
from pruneexp.pruning.layers import kind_of, prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import select
from pruneexp.schema import Budget
from pruneexp.stages.graph import Route
from pruneexp.stages.setting import Progress, Setting, Weights
from pruneexp.training.dropout import calls_of, rates
from pruneexp.training.layout import stays_contiguous
from pruneexp.training.recipe import Recipe
from pruneexp.training.seeding import generator

#: Packages with much that is no part of a network: there, what is named is looked at more closely.
LIBRARIES = ("torch.", "torchvision.")


class Schedule(Protocol):
    """The rounds that lead to a budget: ``path`` is mildest first and ends with ``target``."""

    def path(self, target: Budget, curve: Sequence[Budget]) -> tuple[Budget, ...]: ...


class Mode(Protocol):
    """The stages of one trade-off point."""

    def route(self, setting: Setting, path: Sequence[Budget]) -> Route: ...


@dataclass(frozen=True)
class Job:
    """One curve: its parts, and the route to each of its points; ``route`` leads to a budget beside the curve.

    ``path`` are the budgets of the whole curve where the rounds that lead to one depend on the others, else nothing.
    ``overlooked`` says which weights are not pruned and which FLOP not counted, if any.
    """

    setting: Setting
    budgets: tuple[Budget, ...]
    routes: tuple[Route, ...]
    route: Callable[[Budget], Route]
    path: tuple[Budget, ...] = ()
    overlooked: str = ""


def build(config: DictConfig, progress: Progress, own: Sequence[str] = ()) -> Job:
    """Instantiate everything a job needs and check that the parts fit each other; trains nothing.

    In ``config``, names of layers that were read as numbers become text.

    Raises:
        UserError: a part cannot be made, or does not fit the others.
    """
    device = _device(config.device.name)
    if config.runtime.threads:
        torch.set_num_threads(config.runtime.threads)
    if config.train.start_from:
        weights_file(config.train.start_from)  # a wrong path is said before anything is built
    allowed = (*ALLOWED_TARGETS, *config.runtime.allow, *own)
    make = partial(instantiated, allowed=allowed)
    data = _data(config, make)
    network = partial(new_network, config, make, device, data.shape)
    probe = network("fresh")
    train, retrain = _recipes(config)
    task = _task(config, probe, data, train, device)
    rehearsal = rehearsed(probe, task)
    if not str(config.model._target_).startswith("pruneexp.models."):
        check_copy(probe, network("initial"), task)
    check_homes("criterion.allocation", config.criterion.allocation, allowed)
    name_layers(config.criterion.allocation, prunable(probe, config.criterion.layers), "criterion.allocation")
    setting = Setting(
        network=partial(_in_usual_order, network) if rehearsal.contiguous else network,
        data=data,
        adapt=None if task.shape == data.shape else partial(adapt, input_shape=task.shape),
        input_shape=task.shape,
        train=train,
        retrain=retrain,
        augment=config.train.augment,
        train_penalty=make("reg.train", config.reg.train),
        retrain_penalty=make("reg.retrain", config.reg.retrain),
        local_retraining=config.retrain.scope.name == "local" and len(set(map(kind_of, prunable(probe).values()))) == 2,
        dropout=make("dropout", config.dropout),
        criterion=make("criterion.score", config.criterion.score),
        allocation=make("criterion.allocation", config.criterion.allocation),
        layers=tuple(config.criterion.layers),
        min_keep=config.criterion.min_keep,
        recalibrate_batchnorm=config.curve.recalibrate_batchnorm,
        seed=config.seed,
        device=device,
        configs={},
        progress=progress,
        layer_flop=rehearsal.layer_flop,
    )
    setting = replace(setting, dropouts=calls_of(probe, setting.dropout, task.shape))
    setting = replace(setting, configs=_identities(config, setting, probe))
    _check_selection(setting, probe, budgets(config)[0])
    return _routed(config, make, setting, rehearsal.overlooked)


def _routed(config: DictConfig, make: Callable[..., Any], setting: Setting, overlooked: str) -> Job:
    """The job of a setting: its budgets, and the stages that its mode and schedule lead to each of them by."""
    wanted = budgets(config)
    schedule: Schedule = make("schedule", config.schedule)
    code = described(config.mode, config.runtime.allow).get(SOURCES, {})
    mode: Mode = Signed(make("mode", config.mode).route, code)
    routes = tuple(mode.route(setting, schedule.path(budget, wanted)) for budget in wanted)
    chained = any(schedule.path(budget, wanted) != schedule.path(budget, (budget,)) for budget in wanted)
    return Job(
        setting,
        wanted,
        routes,
        lambda budget: mode.route(setting, schedule.path(budget, (budget,))),
        path=wanted if chained else (),
        overlooked=overlooked,
    )


def check_homes(path: str, node: Any, allowed: Sequence[str]) -> None:
    """Import the targets of a node, and refuse what only looks as if it came from an allowed package.

    Raises:
        UserError: a target cannot be imported, or comes from elsewhere.
    """
    for where, target in targets(plain(node), path):
        check_target(where, target, allowed)
        try:
            found = get_object(target)
        except Exception as error:
            raise UserError(f"{where}._target_={target} cannot be imported: {cause(error)}") from error
        home = f"{getattr(found, '__module__', '') or ''}.{getattr(found, '__name__', target.rpartition('.')[2])}"
        check_target(where, home, allowed)
        if home.startswith(LIBRARIES) and not _builds_a_network(found):
            raise UserError(
                f"{where}._target_={target} is not allowed: of torch and torchvision, networks and layers are"
            )


def _builds_a_network(found: Any) -> bool:
    """A class of networks or layers, or one of torchvision's functions that return a whole network."""
    if isinstance(found, type):
        return issubclass(found, nn.Module)
    return found in [get_model_builder(name) for name in list_models()]


def instantiated(path: str, node: Any, allowed: Sequence[str]) -> Any:
    """The object of a node, from the allowed packages alone.

    Raises:
        UserError: a target is not allowed, or cannot be made.
    """
    check_homes(path, node, allowed)
    # Every `torch.load` of this process, those of torchvision included, reads tensors and unpickles nothing else.
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        return instantiate(node)
    except InstantiationException as error:
        raise UserError(f"{path}: {cause(error)}") from error


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: torch sees no GPU here; use device=cpu or device=auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _data(config: DictConfig, make: Callable[..., Any]) -> Dataset:
    info = config.data.info
    data = make("data", OmegaConf.masked_copy(config.data, [key for key in config.data if key != "info"]))
    if not isinstance(data, Dataset):
        raise UserError(f"data._target_={config.data._target_} returned a {type(data).__name__}, not a Dataset")
    if data.classes != info.classes:
        raise UserError(
            f"data.info.classes={info.classes}, but {data.name} has {data.classes}: "
            f"set data.info.classes={data.classes}"
        )
    code = described(config.data, config.runtime.allow).get(SOURCES)
    return replace(data, fingerprint=stage_key("data", 1, code, [], data.fingerprint)) if code else data


def _in_usual_order(network: Callable[[Weights], nn.Module], start: Weights) -> nn.Module:
    return stays_contiguous(network(start))


def _recipes(config: DictConfig) -> tuple[Recipe, Recipe]:
    values = plain(config.train)
    for key in ("augment", "start_from"):
        del values[key]
    retrain = plain(config.retrain)
    try:
        train = Recipe(**values)
        changes = {key: retrain[key] for key in ("epochs", "schedule", "milestones")}
        changes["lr"] = values["lr"] * retrain["lr_factor"]
        return train, Recipe(**{**values, **changes})
    except ValueError as error:
        raise UserError(f"train or retrain: {error}") from error


def _task(config: DictConfig, network: nn.Module, data: Dataset, recipe: Recipe, device: torch.device) -> Task:
    """What the network is to do; torchvision's with auxiliary classifiers have a switch for them."""
    switch = "" if "aux_logits" in config.model else "+"
    return Task(
        shape=input_shape_of(network, data.shape),
        classes=data.classes,
        device=device,
        batch=recipe.batch_size,
        half=recipe.precision == "bfloat16",
        single=any(len(split) % Setting.evaluation_batch == 1 for split in (data.val, data.test)),
        cure=f"set {switch}model.aux_logits=false" if getattr(network, "aux_logits", False) else "",
    )


def _identities(config: DictConfig, setting: Setting, network: nn.Module) -> dict[str, Any]:
    """The plain values that stage keys are made of; a network without dropout does not depend on the policy."""
    dense_rates = rates(network, setting.dropout, "train", {}, setting.dropouts)
    described_here = partial(described, allowed=config.runtime.allow)
    model = described_here(config.model)
    if config.train.start_from:
        model["_start_from_"] = checksum(Path(config.train.start_from).expanduser())
    return {
        "model": model,
        "train": {**asdict(setting.train), "augment": setting.augment},
        "retrain": {**asdict(setting.retrain), "augment": setting.augment, "local": setting.local_retraining},
        "train_penalty": described_here(config.reg.train),
        "retrain_penalty": described_here(config.reg.retrain),
        "dropout": described_here(config.dropout) if dense_rates else None,
        "dense_dropout": dense_rates or None,
        "criterion": described_here(config.criterion),
        "score": described_here(config.criterion.score),
    }


def _check_selection(setting: Setting, network: nn.Module, budget: Budget) -> None:
    """Let the criterion choose among a few weights per layer, so that a wrong layer name is found before training."""
    draws = torch.Generator().manual_seed(0)
    scope = {name: torch.randn(8, 8, generator=draws) for name in prunable(network, setting.layers)}
    select(
        scope,
        Budget(budget.kind, 1.0 if budget.kind == "density" else 0.0),  # prunes nothing: only names are looked at
        setting.criterion,
        setting.allocation,
        survivors=MaskSet.dense(scope),
        min_keep=setting.min_keep,
        generator=generator(setting.seed, "criterion"),
    )
