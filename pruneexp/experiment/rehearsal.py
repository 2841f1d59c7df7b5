"""A network tried out on a few images before anything is computed: what would stop a job is said now.

The passes change the network, its statistics and its gradients: it must be one that nothing else is done with.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pruneexp.cost.flops import DenseFlop, by_layer, dense_flop
from pruneexp.errors import UserError, cause
from pruneexp.pruning.layers import weights
from pruneexp.pruning.liveness import liveness
from pruneexp.tracing.graphs import tensors_of
from pruneexp.tracing.mode import evaluating
from pruneexp.tracing.trace import Trace, traced
from pruneexp.training import layout, seeding

#: What the moment is to blame for, and not the network.
_MEMORY = (torch.OutOfMemoryError, MemoryError)


@dataclass(frozen=True, kw_only=True)
class NetworkTask:
    """What a network is to do: images of ``shape`` (C, H, W) in, one logit per class out.

    ``batch`` are the images of a training step; ``half`` says that it runs under autocast; ``single`` that a split ends
    with a batch of one image. ``cure`` is what to set where training fails or gives more than logits.
    """

    shape: tuple[int, int, int]
    classes: int
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
    """Run a few images through ``network``, in evaluation and in training, without a trace in the global generators.

    Raises:
        UserError: the network does not take the images, does not give one logit per class, cannot be trained, or its
            FLOP cannot be counted.
    """
    with seeding.forked(task.device):
        noise = _noise(task)
        usual = _answers(network, noise.clone())
        _check_logits(usual, 2, task)
        _check_weights(network)
        if task.single:
            _check_single(network, task)
        trace = traced(network, noise)
        flop = dense_flop(trace)
        unfollowed = liveness(trace, tensors_of(network), {}).unfollowed
        movable = layout.for_network(network) is not layout.as_is
        contiguous = movable and not _runs_in_channels_last(network, noise, usual, task)
        if contiguous or not movable:
            network.zero_grad(set_to_none=True)
            _train(network, noise[: task.batch].clone(), task)
    if not sum(by_layer(network, flop).values()):
        raise UserError("no FLOP can be counted, because the model multiplies nothing by any of its weights")
    return Rehearsal(trace, flop, unfollowed, contiguous)


def check_copy(network: nn.Module, copy: nn.Module, task: NetworkTask) -> None:
    """Refuse a network of which a new one with the same state answers otherwise: stages hand on nothing but the state.

    ``network`` has been rehearsed, so that what it counts or makes in a pass shows; ``copy`` is new, with the weights
    that dense training starts from.

    Raises:
        UserError: says where such numbers belong.
    """
    state, noise = network.state_dict(), _noise(task)
    if made := sorted(state.keys() ^ copy.state_dict().keys()):
        raise UserError(f"the model makes {', '.join(made)} while it runs: make them in its constructor")
    with seeding.forked(task.device):
        answers = _answers(network, noise.clone())
        if not _same(answers, _answers(network, noise.clone()), network):
            return  # it draws whenever it is asked
        copy.load_state_dict(state)
        if not _same(answers, _answers(copy, noise.clone()), network):
            raise UserError(
                "two copies of the model with the same state_dict answer differently: it draws numbers in its "
                "constructor, counts its passes, or heeds a switch such as pretrained; keep what it needs in buffers "
                "(register_buffer), which are stored with the weights"
            )


def _noise(task: NetworkTask) -> Tensor:
    return torch.randn(2, *task.shape, generator=seeding.generator(0, "rehearsal")).to(task.device)


def _answers(network: nn.Module, images: Tensor) -> Any:
    try:
        with evaluating(network), torch.no_grad():
            return network(images)
    except _MEMORY:
        raise
    except Exception as error:
        shape = tuple(images.shape[1:])
        raise UserError(f"the model does not take images of shape {shape}: {cause(error)}") from error


def _check_logits(
    outputs: Any, images: int, task: NetworkTask, when: str = "", otherwise: str = "one logit per class"
) -> None:
    wanted = (images, task.classes)
    if not isinstance(outputs, Tensor):
        given = f"a {type(outputs).__name__}"
    elif outputs.shape != wanted:
        given = f"a tensor of shape {tuple(outputs.shape)} for {images} images"
    elif not outputs.is_floating_point():
        given = f"{outputs.dtype}"
    else:
        return
    raise UserError(f"the model gives {given}{when}, where one tensor of shape {wanted} is needed: {otherwise}")


def _check_weights(network: nn.Module) -> None:
    if whole := [f"{name} ({w.dtype})" for name, w in weights(network).items() if not w.is_floating_point()]:
        raise UserError(f"the weights of {', '.join(whole)} are no floating-point numbers, which pruning needs")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UserError(
            f"all parameters of {type(network).__name__} are frozen (requires_grad=False), so nothing can be trained"
        )


def _check_single(network: nn.Module, task: NetworkTask) -> None:
    """A batch of one image may lose its first dimension, which is put back, but nothing else."""
    outputs = _answers(network, _noise(task)[:1])
    if not isinstance(outputs, Tensor) or outputs.numel() != task.classes:
        given = f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
        raise UserError(
            f"the model gives {given} for a single image, and the last batch of val or test is one: keep the "
            "dimension of the batch, with flatten(1) in place of squeeze()"
        )


def _runs_in_channels_last(network: nn.Module, noise: Tensor, usual: Tensor, task: NetworkTask) -> bool:
    """Whether another order in memory changes no answer to the noise, which are ``usual``, and stops no training.

    Answers tell nothing where not even the same order gives the same ones twice: the network draws, or counts.
    """
    try:
        with layout.arranged(network) as arrange:
            moved = _answers(network, arrange(noise.clone()))
        if not _same(usual, moved, network) and _same(usual, _answers(network, noise.clone()), network):
            return False
        with layout.arranged(network) as arrange:
            _train(network, arrange(noise[: task.batch].clone()), task)
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


def _train(network: nn.Module, images: Tensor, task: NetworkTask) -> None:
    """One forward and one backward pass as a step of training makes them."""
    labels = torch.zeros(len(images), dtype=torch.int64, device=task.device)
    network.train()
    try:
        with torch.autocast(task.device.type, torch.bfloat16) if task.half else nullcontext():
            outputs = network(images)
            cure = task.cure or "have forward return the logits alone"
            _check_logits(outputs, len(images), task, " in training mode", cure)
            loss = cross_entropy(outputs, labels)
        loss.backward()
    except (UserError, *_MEMORY):
        raise
    except Exception as error:
        what = f"the model cannot be trained on a batch of {len(images)} images of shape {task.shape}"
        raise UserError(f"{what}: {cause(error)}{task.cure and f'; {task.cure}'}") from error
