"""The network and the data of a job: made from what is asked for, then tried out with each other; trains nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from pruneexp.cache.files import checksum
from pruneexp.cache.identity import stage_key
from pruneexp.config.groups import numbers
from pruneexp.cost.flops import by_layer
from pruneexp.cost.network import NetworkCosts
from pruneexp.cost.storage import beside_layers
from pruneexp.data.dataset import Dataset
from pruneexp.errors import UserError
from pruneexp.experiment.instances import instantiated
from pruneexp.experiment.network import NetworkFactory, weights_file
from pruneexp.experiment.rehearsal import NetworkTask, check_copy, rehearsed
from pruneexp.experiment.sources import described
from pruneexp.experiment.spec import JobSpec
from pruneexp.models.adapt import adapt, input_shape_of
from pruneexp.pruning.layers import prunable
from pruneexp.stages.parts import Part, code_of
from pruneexp.stages.setting import Learner, Weights
from pruneexp.training.layout import stays_contiguous
from pruneexp.training.recipe import Recipe


def made(spec: JobSpec) -> Learner:
    """The learner that is asked for, untried: the data are loaded, and no network is built yet.

    Raises:
        UserError: the data cannot be loaded, or the file of weights not be read.
    """
    if spec.start_from:
        weights_file(spec.start_from)  # a wrong path is said before anything is built
    return of_data(spec, _data(spec), _device(spec.values["device"]))


def of_data(spec: JobSpec, data: Dataset, device: torch.device) -> Learner:
    """The learner of these data; what its network takes and costs is not known before one is built."""
    allow, model, start_from = spec.runtime.allow, spec.values["model"], spec.start_from
    make = partial(instantiated, allowed=spec.allowed)
    identity = described(numbers("data", spec.values["data"]), allow)
    if code := code_of(identity):
        data = replace(data, fingerprint=stage_key("data", 1, code, [], data.fingerprint))
    return Learner(
        model=Part(NetworkFactory(make, model, spec.seed, device, data.shape, start_from), described(model, allow)),
        data=Part(data, identity),
        adapt=None,
        input_shape=data.shape,
        device=device,
        start_from=checksum(Path(start_from).expanduser()) if start_from else "",
    )


def tried(learner: Learner, probe: nn.Module, recipe: Recipe) -> Learner:
    """The learner with what is known once a few images have run through its network, as training by ``recipe`` would.

    ``probe`` is its network with fresh weights, one that nothing else is done with.

    Raises:
        UserError: the network does not fit the data, or cannot be trained.
    """
    task = _task(learner, probe, recipe)
    rehearsal = rehearsed(probe, task)
    if not str(learner.model.identity["_target_"]).startswith("pruneexp.models."):
        check_copy(probe, learner.network("initial"), task)
    build = learner.model.value
    return replace(
        learner,
        model=replace(learner.model, value=partial(_in_usual_order, build) if rehearsal.contiguous else build),
        adapt=None if task.shape == learner.input_shape else partial(adapt, input_shape=task.shape),
        input_shape=task.shape,
        costs=NetworkCosts(by_layer(probe, rehearsal.flop), rehearsal.flop.total, *beside_layers(probe)),
        trace=rehearsal.trace,
        unfollowed=rehearsal.unfollowed,
        matrices={name: layer.kind for name, layer in prunable(probe).items() if not layer.module},
    )


def _in_usual_order(build: Callable[[Weights], nn.Module], start: Weights) -> nn.Module:
    return stays_contiguous(build(start))


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: torch sees no GPU here; use device=cpu or device=auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _data(spec: JobSpec) -> Dataset:
    classes = spec.values["data"]["info"]["classes"]
    node = {key: value for key, value in spec.values["data"].items() if key != "info"}
    data = instantiated("data", node, spec.allowed)
    if not isinstance(data, Dataset):
        raise UserError(f"data._target_={node['_target_']} returned a {type(data).__name__}, not a Dataset")
    if data.classes != classes:
        raise UserError(
            f"data.info.classes={classes}, but {data.name} has {data.classes}: set data.info.classes={data.classes}"
        )
    return data


def _task(learner: Learner, network: nn.Module, recipe: Recipe) -> NetworkTask:
    """What the network is to do; torchvision's with auxiliary classifiers have a switch for them."""
    data = learner.data.value
    switch = "" if "aux_logits" in learner.model.identity else "+"
    return NetworkTask(
        shape=input_shape_of(network, data.shape),
        classes=data.classes,
        device=learner.device,
        batch=recipe.batch_size,
        half=recipe.precision == "bfloat16",
        single=any(len(split) % learner.evaluation_batch == 1 for split in (data.val, data.test)),
        cure=f"set {switch}model.aux_logits=false" if getattr(network, "aux_logits", False) else "",
    )
