"""The measurement of one recorded point on this machine: a result of the store, which no other machine shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from pruneexp.cache.identity import stage_key
from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.data.tensors import TensorSource
from pruneexp.export.network import PrunedNetwork
from pruneexp.measure.clock import Timing, by_turns, watching
from pruneexp.measure.dead_units import dead_units
from pruneexp.measure.forms import FORMS, GPU_FORMS, FormRun, NoSuchForm
from pruneexp.measure.memory import peak_of_call, peak_of_graph
from pruneexp.pruning.edits.edit import Edit
from pruneexp.pruning.removal import removed
from pruneexp.schema import PointIdentity, UnitWeights
from pruneexp.stages.setting import Regime
from pruneexp.training.trainer import SharedBatches, TrainWork

#: Part of the key: raised where what is timed, or how, changes.
VERSION = 3

#: Steps of a training that are timed at once.
_STEPS = 4


@dataclass(frozen=True)
class MeasureRequest:
    """The ``forms`` to time, all where none is named, at these ``batches``; each for so many ``seconds``.

    ``step``: a step of training as well.
    """

    forms: tuple[str, ...]
    batches: tuple[int, ...]
    seconds: float
    step: bool


@dataclass(frozen=True)
class FormTimes:
    """What was found: timings by form and batch, of a training step by form, and why forms are left out.

    ``memory`` is the peak in bytes, by form and batch (``measure.memory``), ``sizes`` are those of the weights of each
    form. Other processes kept ``others`` cores busy. ``units``: what retraining made of the weights of dead units.
    """

    latency: Mapping[str, Mapping[int, Timing]]
    step: Mapping[str, Timing]
    memory: Mapping[str, Mapping[int, int]]
    sizes: Mapping[str, int]
    left_out: Mapping[str, str]
    others: float
    threads: int
    machine: Mapping[str, Any]
    units: tuple[UnitWeights, ...] = ()


def measured(pruned: PrunedNetwork, of: PointIdentity, asked: MeasureRequest, *, again: bool = False) -> FormTimes:
    """The measurement of a point: that of the store, or one made now; ``again`` makes it anew."""
    session = pruned.session
    machine = machine_of(session.environment())
    config = {**asdict(asked), "forms": list(asked.forms), "batches": list(asked.batches), "machine": machine}
    parents = list(dict.fromkeys([of.final_key, of.mask_key]))
    key = stage_key("measure", VERSION, config, parents, session.job.setting.learner.fingerprint)

    def make(_: Checkpoint) -> Artefact:
        return Artefact({}, _record(replace(_timed(pruned, asked, machine), units=dead_units(pruned, of))))

    if again:
        session.store.remove(key)
    artefact, _ = session.store.produce(key, "measure", make)
    return _read(artefact.record)


def machine_of(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What decides how long a computation takes, as far as a process can tell."""
    found, packages = environment["machine"], environment["packages"]
    names = ("processor", "cpus", "threads", "accelerator")
    return {**{name: found[name] for name in names}, "torch": packages.get("torch")}


def _timed(pruned: PrunedNetwork, asked: MeasureRequest, machine: Mapping[str, Any]) -> FormTimes:
    device = pruned.session.job.setting.learner.device
    forms: dict[str, FormRun] = {}
    left_out: dict[str, str] = {}
    for name in asked.forms or (name for name in FORMS if device.type == "cuda" or name not in GPU_FORMS):
        try:
            forms[name] = FORMS[name](pruned)
        except NoSuchForm as error:
            left_out[name] = str(error)
    latency: dict[str, dict[int, Timing]] = {name: {} for name in forms}
    memory: dict[str, dict[int, int]] = {name: {} for name in forms}
    with watching() as busy:
        for batch in asked.batches:
            inputs = pruned.example(batch).to(device)
            calls = {name: partial(form.run, inputs) for name, form in forms.items()}
            for name, timing in by_turns(calls, partial(wait_for, device), seconds=asked.seconds).items():
                latency[name][batch] = timing
        step = _steps(pruned, asked.seconds, small="removed" in forms) if asked.step else {}
    for batch in asked.batches:  # after all times: graphs are run by other processes
        inputs = pruned.example(batch).to(device)
        for name, form in forms.items():
            if (peak := _peak(form, inputs)) is not None:
                memory[name][batch] = peak
    sizes = {name: form.size for name, form in forms.items()}
    return FormTimes(latency, step, memory, sizes, left_out, busy.cores, torch.get_num_threads(), machine)


def _peak(form: FormRun, inputs: torch.Tensor) -> int | None:
    """Bytes that a form takes at most, its weights included."""
    if form.graph is not None:
        return peak_of_graph(form.graph, inputs, torch.get_num_threads())
    return form.size + peak_of_call(partial(form.run, inputs), inputs.device)


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _steps(pruned: PrunedNetwork, seconds: float, *, small: bool) -> dict[str, Timing]:
    """A step of the dense network's training, and one of retraining under the masks, at the batch of the recipe.

    ``small``: one of retraining the network without channels, too, under what is left of the masks.
    """
    setting = pruned.session.job.setting
    learner, retraining = setting.learner, setting.retraining
    if retraining.trainer.identity.get("name") == "removed":  # the step under the masks is that of the whole network
        retraining = replace(retraining, trainer=setting.dense.trainer)
    calls = {
        "dense": _training(pruned, setting.dense, learner.network("fresh"), None),
        "masked": _training(pruned, retraining, learner.network("fresh"), pruned.masks),
    }
    if small:
        fewer = removed(pruned.network, pruned.masks, learner.example(2, "removal")[0])
        calls["removed"] = _training(pruned, retraining, fewer.network, fewer.masks)
    taken = by_turns(calls, partial(wait_for, learner.device), seconds=seconds)
    return {
        name: Timing(each.median / _STEPS, each.low / _STEPS, each.high / _STEPS, each.calls)
        for name, each in taken.items()
    }


def _training(pruned: PrunedNetwork, regime: Regime, network: nn.Module, edit: Edit | None) -> Callable[[], object]:
    """A few steps of a network by the trainer of a regime, on noise."""
    learner = pruned.session.job.setting.learner
    recipe = replace(regime.recipe.value, epochs=1)
    batches = SharedBatches(
        task=learner.task.value,
        data=TensorSource(*learner.example(recipe.batch_size * _STEPS, "measure")),
        seed=0,
        device=learner.device,
    )

    def train() -> object:
        work = TrainWork(network=network, recipe=recipe, edit=edit, penalty=regime.penalty.value)
        return regime.trainer.value.train([work], batches, None)

    return train


def _record(found: FormTimes) -> dict[str, Any]:
    latency = {form: {str(n): asdict(timing) for n, timing in of.items()} for form, of in found.latency.items()}
    memory = {form: {str(n): peak for n, peak in of.items()} for form, of in found.memory.items()}
    return {**asdict(found), "latency": latency, "memory": memory, "machine": dict(found.machine)}


def _read(record: Mapping[str, Any]) -> FormTimes:
    return FormTimes(
        latency={form: {int(n): Timing(**each) for n, each in of.items()} for form, of in record["latency"].items()},
        step={form: Timing(**each) for form, each in record["step"].items()},
        memory={form: {int(n): peak for n, peak in of.items()} for form, of in record["memory"].items()},
        sizes=record["sizes"],
        left_out=record["left_out"],
        others=record["others"],
        threads=record["threads"],
        machine=record["machine"],
        units=tuple(UnitWeights(*each) for each in record["units"]),
    )
