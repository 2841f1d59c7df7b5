"""A network tried out on a few inputs before anything is computed: what would stop a job is said now.

The passes change the network, its statistics and its gradients: it must be one that nothing else is done with.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from pruneexp.cost.flops import DenseFlop, by_layer, dense_flop
from pruneexp.data.dataset import Dataset
from pruneexp.errors import UserError, cause
from pruneexp.models.adapt import adapt
from pruneexp.pruning.layers import weights
from pruneexp.pruning.liveness import liveness
from pruneexp.tasks.task import OutputForm, Task
from pruneexp.tracing.graphs import tensors_of
from pruneexp.tracing.mode import evaluating
from pruneexp.tracing.trace import Trace, traced
from pruneexp.training import layout, seeding

#: What the moment is to blame for, and not the network.
_MEMORY = (torch.OutOfMemoryError, MemoryError)


@dataclass(frozen=True, kw_only=True)
class NetworkTask:
    """What a network is to do: learn a ``task``, from inputs of ``shape`` to outputs of the form ``output``.

    ``inputs`` and ``targets`` are a batch of two, on ``device``. ``batch`` is the size of that of a training step;
    ``half`` says that the step runs under autocast; ``single`` that a split ends with a batch of one. ``cure`` is what
    to set where training fails or gives more than one output.
    """

    task: Task
    shape: tuple[int, ...]
    output: OutputForm
    inputs: Tensor
    targets: Tensor
    device: torch.device
    batch: int
    half: bool
    single: bool
    cure: str = ""


@dataclass(frozen=True)
class Rehearsal:
    """The graph of a pass and its FLOP; ``contiguous``: whether only the usual order in memory will do.

    ``unfollowed`` are operations through which dead units are not followed.
    """

    trace: Trace
    flop: DenseFlop
    unfollowed: frozenset[str]
    contiguous: bool


def rehearsed(network: nn.Module, task: NetworkTask) -> Rehearsal:
    """Run a few inputs through ``network``, in evaluation and in training, without a trace in the global generators.

    Raises:
        UserError: the network does not take the inputs, gives outputs of another form, cannot be trained, or its FLOP
            cannot be counted.
    """
    with seeding.forked(task.device):
        usual = _answers(network, task.inputs.clone(), task)
        _check_output(usual, 2, task)
        _check_weights(network)
        if task.single:
            _check_single(network, task)
        trace = traced(network, task.inputs)
        flop = dense_flop(trace)
        unfollowed = liveness(trace, tensors_of(network), {}).unfollowed
        movable = layout.for_network(network) is not layout.as_is
        contiguous = movable and not _runs_in_channels_last(network, usual, task)
        if contiguous or not movable:
            network.zero_grad(set_to_none=True)
            _train(network, _first(task), task)
    if not sum(by_layer(network, flop).values()):
        raise UserError("no FLOP can be counted, because the model multiplies nothing by any of its weights")
    return Rehearsal(trace, flop, unfollowed, contiguous)


def check_batch(network: nn.Module, data: Dataset, task: NetworkTask) -> None:
    """Send the first training examples the way that training does: into the shape that ``network`` takes, and the loss.

    Raises:
        UserError: the data are not what they say they are, or do not fit the network or the task.
    """
    count = min(2, task.batch, len(data.train))
    try:
        inputs, targets = next(iter(data.train.batches(count, task.device, order=torch.arange(count))))
    except (UserError, *_MEMORY):
        raise
    except Exception as error:
        raise UserError(f"data set '{data.name}' gives no batch: {cause(error)}") from error
    given, wanted = (inputs.dtype, tuple(inputs.shape[1:])), (task.inputs.dtype, tuple(data.shape))
    if given != wanted:
        raise UserError(f"data set '{data.name}' gives inputs {_typed(*given)}, where {_typed(*wanted)} are promised")
    fitting = inputs if task.shape == wanted[1] else adapt(inputs, task.shape)
    try:
        with seeding.forked(task.device), torch.no_grad():
            network.train()  # a loss may take what the network gives in training alone
            task.task.loss(network, fitting, targets)
    except (UserError, *_MEMORY):
        raise
    except Exception as error:
        what = f"targets {_typed(targets.dtype, tuple(targets.shape[1:]))} of data set '{data.name}'"
        raise UserError(f"the loss of the task '{task.task.name}' does not take the {what}: {cause(error)}") from error


def _typed(dtype: torch.dtype, shape: tuple[int, ...]) -> str:
    return f"{str(dtype).removeprefix('torch.')} of shape {shape}"


def check_copy(network: nn.Module, copy: nn.Module, task: NetworkTask) -> None:
    """Refuse a network of which a new one with the same state answers otherwise: stages hand on nothing but the state.

    ``network`` has been rehearsed, so that what it counts or makes in a pass shows; ``copy`` is new, with the weights
    that dense training starts from.

    Raises:
        UserError: says where such numbers belong.
    """
    state = network.state_dict()
    if made := sorted(state.keys() ^ copy.state_dict().keys()):
        raise UserError(f"the model makes {', '.join(made)} while it runs: make them in its constructor")
    with seeding.forked(task.device):
        answers = _answers(network, task.inputs.clone(), task)
        if not _same(answers, _answers(network, task.inputs.clone(), task), network):
            return  # it draws whenever it is asked
        copy.load_state_dict(state)
        if not _same(answers, _answers(copy, task.inputs.clone(), task), network):
            raise UserError(
                "two copies of the model with the same state_dict answer differently: it draws numbers in its "
                "constructor, counts its passes, or heeds a switch such as pretrained; keep what it needs in buffers "
                "(register_buffer), which are stored with the weights"
            )


def _first(task: NetworkTask) -> Tensor:
    """As many inputs as a training step may have."""
    return task.inputs[: task.batch].clone()


def _answers(network: nn.Module, inputs: Tensor, task: NetworkTask) -> Any:
    try:
        with evaluating(network), torch.no_grad():
            return network(inputs)
    except _MEMORY:
        raise
    except Exception as error:
        what = f"{task.task.examples} of shape {tuple(inputs.shape[1:])}"
        raise UserError(f"the model does not take {what}: {cause(error)}") from error


def _check_output(outputs: Any, count: int, task: NetworkTask, when: str = "", otherwise: str = "") -> None:
    wanted = (count, *task.output.shape)
    if not isinstance(outputs, Tensor):
        given = f"a {type(outputs).__name__}"
    elif outputs.shape != wanted:
        given = f"a tensor of shape {tuple(outputs.shape)} for {count} {task.task.examples}"
    elif not outputs.is_floating_point():
        given = f"{outputs.dtype}"
    else:
        return
    words = otherwise or task.output.words
    raise UserError(f"the model gives {given}{when}, where one tensor of shape {wanted} is needed: {words}")


def _check_weights(network: nn.Module) -> None:
    if whole := [f"{name} ({w.dtype})" for name, w in weights(network).items() if not w.is_floating_point()]:
        raise UserError(f"the weights of {', '.join(whole)} are no floating-point numbers, which pruning needs")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UserError(
            f"all parameters of {type(network).__name__} are frozen (requires_grad=False), so nothing can be trained"
        )


def _check_single(network: nn.Module, task: NetworkTask) -> None:
    """A batch of one may lose its first dimension, which is put back, but nothing else."""
    outputs = _answers(network, task.inputs[:1].clone(), task)
    if not isinstance(outputs, Tensor) or outputs.numel() != prod(task.output.shape):
        given = f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
        raise UserError(
            f"the model gives {given} for a batch of one, and the last batch of val or test is one: keep the "
            "dimension of the batch, with flatten(1) in place of squeeze()"
        )


def _runs_in_channels_last(network: nn.Module, usual: Tensor, task: NetworkTask) -> bool:
    """Whether another order in memory changes no answer to the inputs, which are ``usual``, and stops no training.

    Answers tell nothing where not even the same order gives the same ones twice: the network draws, or counts.
    """
    try:
        with layout.arranged(network) as arrange:
            moved = _answers(network, arrange(task.inputs.clone()), task)
        again = partial(_answers, network, task.inputs.clone(), task)
        if not _same(usual, moved, network) and _same(usual, again(), network):
            return False
        with layout.arranged(network) as arrange:
            _train(network, arrange(_first(task)), task)
    except _MEMORY:
        raise
    except Exception:  # noqa: BLE001  code of a network may raise anything: it is tried in the usual order next
        return False
    return True


def _same(one: Tensor, other: Tensor, network: nn.Module) -> bool:
    """Equal but for rounding, measured against the largest answer. GPUs round factors of convolutions to 10 bits."""
    steps = [torch.finfo(t.dtype).eps for t in (one, *network.parameters()) if t.is_floating_point()]
    coarsest = max(*steps, 2**-10 if one.device.type == "cuda" else 0.0)
    largest = float(one.double().abs().nan_to_num(0, 0, 0).max())
    return torch.allclose(one.double(), other.double(), rtol=0, atol=coarsest**0.5 * largest, equal_nan=True)


def _train(network: nn.Module, inputs: Tensor, task: NetworkTask) -> None:
    """One forward and one backward pass as a step of training makes them.

    What a network gives in training is for the loss of its task to know, which may take more than the outputs.
    """
    given: list[Any] = []

    def watched(*batch: Tensor) -> Any:
        given.append(network(*batch))
        return given[-1]

    network.train()
    words = task.cure or "have forward return that alone"
    try:
        with torch.autocast(task.device.type, torch.bfloat16) if task.half else nullcontext():
            loss, outputs = task.task.loss(watched, inputs, task.targets[: len(inputs)])
        loss.backward()
        _check_output(outputs, len(inputs), task, " in training mode", words)
    except (UserError, *_MEMORY):
        raise
    except Exception as error:
        if given:
            _check_output(given[0], len(inputs), task, " in training mode", words)
        what = f"a batch of {len(inputs)} {task.task.examples} of shape {task.shape}"
        cure = task.cure and f"; {task.cure}"
        raise UserError(f"the model cannot be trained on {what}: {cause(error)}{cure}") from error
