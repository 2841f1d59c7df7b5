"""The network and the data of a job: made from what is asked for, then tried out with each other; trains nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruneexp.cache.files import checksum
from pruneexp.cache.identity import stage_key
from pruneexp.config.groups import numbers
from pruneexp.cost.flops import DenseFlop, by_layer, map_sizes
from pruneexp.cost.network import NetworkCosts
from pruneexp.cost.storage import beside_layers
from pruneexp.data.dataset import Dataset
from pruneexp.errors import UserError
from pruneexp.experiment.alike import ANEW, Alike
from pruneexp.experiment.instances import instantiated, part
from pruneexp.experiment.network import NetworkFactory
from pruneexp.experiment.rehearsal import NetworkTask, check_batch, check_copy, rehearsed
from pruneexp.experiment.sources import described
from pruneexp.experiment.spec import JobSpec
from pruneexp.experiment.start import read_weights
from pruneexp.models.adapt import adapt, input_shape_of
from pruneexp.pruning.layers import prunable
from pruneexp.stages.parts import Part, code_of
from pruneexp.stages.setting import Learner, Weights
from pruneexp.tasks.classification import CLASSIFICATION
from pruneexp.tasks.task import Task
from pruneexp.training import seeding
from pruneexp.training.layout import stays_contiguous
from pruneexp.training.recipe import Recipe


def made(spec: JobSpec, alike: Alike = ANEW) -> tuple[JobSpec, Learner]:
    """The learner that is asked for, untried: the data are loaded, and no network is built yet.

    With it comes the job as it was asked for, classes of the data that were to be counted filled in.

    Raises:
        UserError: the data cannot be loaded or do not fit their task, or the file of weights cannot be read.
    """
    if spec.start_from:
        read_weights(spec.start_from)  # a wrong path is said before anything is built
    elif spec.start_from_except:
        raise UserError("train.start_from_except names what a file leaves fresh: name the file with train.start_from")
    data = _data(spec, alike)
    if _info(spec).get("classes", 0) is None and data.classes is not None:
        spec = spec.counting(data.classes)
    _check_classes(spec, data)
    learner = of_data(spec, data, _device(spec.values["device"]))
    learner.task.value.check(data)
    return spec, learner


def of_data(spec: JobSpec, data: Dataset, device: torch.device) -> Learner:
    """The learner of these data; what its network takes and costs is not known before one is built."""
    allow, model, start_from = spec.runtime.allow, spec.values["model"], spec.start_from
    fresh = tuple(sorted(spec.start_from_except))
    make = partial(instantiated, allowed=spec.allowed)
    identity = described(numbers("data", spec.values["data"]), allow)
    task = _task(spec)
    example, _ = task.value.example(data, data.shape, 1, seeding.generator(0, "dtype"))
    build = NetworkFactory(make, model, spec.seed, device, data.shape, example.dtype, start_from, fresh)
    if code := code_of(identity):
        data = replace(data, fingerprint=stage_key("data", 1, code, [], data.fingerprint))
    return Learner(
        model=Part(build, _model_identity(described(model, allow))),
        data=Part(data, identity),
        task=task,
        adapt=None,
        input_shape=data.shape,
        device=device,
        start_from=checksum(Path(start_from).expanduser()) if start_from else "",
        start_from_except=fresh,
        scores_epochs=spec.runtime.epoch_scores,
    )


def _model_identity(node: dict[str, Any]) -> dict[str, Any]:
    """What identifies a network: of ours, ``block_scales`` only where it has such."""
    ours = str(node["_target_"]).startswith("pruneexp.models.")
    return {key: value for key, value in node.items() if not (ours and key == "block_scales" and value is False)}


def tried(learner: Learner, probe: nn.Module, recipe: Recipe, alike: Alike = ANEW) -> Learner:
    """The learner with what is known once a few inputs have run through its network, as training by ``recipe`` would.

    ``probe`` is its network with fresh weights, one that nothing else is done with.

    Raises:
        UserError: the network does not fit the data, or cannot be trained.
    """
    task = _network_task(learner, probe, recipe)
    decisive = [learner.model.identity, learner.data.identity, task.batch, task.half, str(task.device)]
    rehearsal = alike.once(["rehearsal", *decisive], lambda: rehearsed(probe, task))
    check_batch(probe, learner.data.value, task)
    if not str(learner.model.identity["_target_"]).startswith("pruneexp.models."):
        check_copy(probe, learner.network("initial"), task)
    build = learner.model.value
    return replace(
        learner,
        model=replace(learner.model, value=partial(_in_usual_order, build) if rehearsal.contiguous else build),
        adapt=None if task.shape == learner.input_shape else partial(adapt, input_shape=task.shape),
        input_shape=task.shape,
        costs=_costs(probe, rehearsal.flop),
        trace=rehearsal.trace,
        unfollowed=rehearsal.unfollowed,
        matrices={name: layer.kind for name, layer in prunable(probe).items() if not layer.module},
    )


def _costs(probe: nn.Module, flop: DenseFlop) -> NetworkCosts:
    return NetworkCosts(by_layer(probe, flop), flop.total, *beside_layers(probe), map_sizes(probe, flop))


def _in_usual_order(build: Callable[[Weights], nn.Module], start: Weights) -> nn.Module:
    return stays_contiguous(build(start))


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: torch sees no GPU here; use device=cpu or device=auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _data(spec: JobSpec, alike: Alike) -> Dataset:
    node = {key: value for key, value in spec.values["data"].items() if key != "info"}
    data = alike.once(["data", node], lambda: instantiated("data", node, spec.allowed))
    if not isinstance(data, Dataset):
        raise UserError(f"data._target_={node['_target_']} returned a {type(data).__name__}, not a Dataset")
    return data


def _check_classes(spec: JobSpec, data: Dataset) -> None:
    classes = _info(spec).get("classes")
    if data.classes is not None and data.classes != classes:
        said = " is missing" if classes is None else f"={classes}"
        raise UserError(
            f"data.info.classes{said}, but {data.name} has {data.classes}: set data.info.classes={data.classes}"
        )


def _info(spec: JobSpec) -> dict[str, Any]:
    """What is known of the data before they are loaded."""
    info = spec.values["data"].get("info")
    return info if isinstance(info, dict) else {}


def _task(spec: JobSpec) -> Part[Task]:
    """The task that the data set names; classification, without an identity, where it names none."""
    node = _info(spec).get("task")
    if node is None:
        return Part(CLASSIFICATION, {})
    task = part(spec, "data.info.task", node)
    if not isinstance(task.value, Task):
        raise UserError(f"data.info.task={node} makes a {type(task.value).__name__}, which is no task (docs/own.md)")
    if not task.value.metrics:
        raise UserError(f"the task '{task.value.name}' has no metric, by which points could be judged")
    return Part(CLASSIFICATION, {}) if task.value == CLASSIFICATION else task


def _network_task(learner: Learner, network: nn.Module, recipe: Recipe) -> NetworkTask:
    """What the network is to do; torchvision's with auxiliary classifiers have a switch for them."""
    data, task = learner.data.value, learner.task.value
    shape = input_shape_of(network, data.shape)
    inputs, targets = replace(learner, input_shape=shape).example(2, "rehearsal")
    switch = "" if "aux_logits" in learner.model.identity else "+"
    return NetworkTask(
        task=task,
        shape=shape,
        output=task.output(data, shape),
        inputs=inputs,
        targets=targets,
        device=learner.device,
        batch=recipe.batch_size,
        half=recipe.precision == "bfloat16",
        single=any(len(split) % learner.evaluation_batch == 1 for split in (data.val, data.test)),
        cure=f"set {switch}model.aux_logits=false" if getattr(network, "aux_logits", False) else "",
    )
