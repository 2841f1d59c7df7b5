"""``pruneexp.keep``: pruned weights stay zero in loops that are not ours; survivors train as with torch's masks."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

import pruneexp
from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from tests.contracts.training import half, network, weight

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": lambda given: SGD(given, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adam": lambda given: Adam(given, lr=0.01, weight_decay=0.1),
    "adamw": lambda given: AdamW(given, lr=0.01, weight_decay=0.1),
    "adamw, one kernel": lambda given: AdamW(given, lr=0.01, weight_decay=0.1, fused=True),
    "rmsprop": lambda given: RMSprop(given, lr=0.01, momentum=0.9),
}


def loss_of(net: nn.Module, step: int) -> Tensor:
    draws = torch.Generator().manual_seed(step)
    inputs, targets = torch.randn(8, 1, 6, 6, generator=draws), torch.randint(3, (8,), generator=draws)
    return nn.functional.cross_entropy(net(inputs), targets)


def trained(net: nn.Module, optimizer: Optimizer, steps: int = 3, clip: float | None = None) -> None:
    for step in range(steps):
        optimizer.zero_grad()
        loss_of(net, step).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()


def pruned(net: nn.Module, masks: MaskSet) -> list[float]:
    """The largest of the pruned weights of each layer."""
    return [float(weight(net, name)[~mask].abs().max()) for name, mask in masks.items()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_are_zero_after_each_step_also_with_the_momentum_of_a_dense_past(name: str) -> None:
    net = network()
    optimizer, masks = OPTIMIZERS[name](net.parameters()), half(net)
    trained(net, optimizer)
    assert min(pruned(net, masks)) > 0
    pruneexp.keep(masks, net, optimizer)
    assert pruned(net, masks) == [0, 0, 0, 0]
    before = weight(net, "6").clone()
    for _ in range(3):
        trained(net, optimizer, steps=1)
        assert pruned(net, masks) == [0, 0, 0, 0]
    assert bool((weight(net, "6") != before)[masks["6"]].all())


@pytest.mark.parametrize("clip", [None, 0.05])
def test_survivors_train_as_with_the_masks_of_torch(clip: float | None) -> None:
    """``torch.nn.utils.prune`` multiplies weights by masks in the forward pass, so that gradients are masked too."""
    ours, theirs = network(), network()
    masks = half(ours)
    for name, mask in masks.items():
        prune.custom_from_mask(theirs.get_submodule(name), "weight", mask)
    pruneexp.keep(masks, ours, optimizer := SGD(ours.parameters(), lr=0.1, momentum=0.9))
    trained(ours, optimizer, clip=clip)
    trained(theirs, SGD(theirs.parameters(), lr=0.1, momentum=0.9), clip=clip)
    for name in masks:
        masked = theirs.get_parameter(f"{name}.weight_orig") * masks[name]
        torch.testing.assert_close(weight(ours, name), masked.detach())


@pytest.mark.parametrize("kind", [torch.optim.LBFGS, SGD])
def test_a_closure_runs_the_backward_pass_within_the_step(kind: Callable[..., Optimizer]) -> None:
    net = network()
    masks, optimizer = half(net), kind(net.parameters(), lr=0.1)
    pruneexp.keep(masks, net, optimizer)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(net, 0)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]  # type: ignore[arg-type, attr-defined]
    assert pruned(net, masks) == [0, 0, 0, 0]
    assert losses[-1] < losses[0]


def test_mixed_precision_and_a_step_that_the_scaler_skips() -> None:
    net = network()
    masks, optimizer, scaler = half(net), SGD(net.parameters(), lr=0.1, weight_decay=0.1), torch.amp.GradScaler("cpu")
    pruneexp.keep(masks, net, optimizer)
    for step, factor in enumerate((1.0, float("inf"), 1.0)):
        before = weight(net, "6").clone()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(net, step)
        scaler.scale(loss * factor).backward()
        scaler.step(optimizer)
        scaler.update()
        assert pruned(net, masks) == [0, 0, 0, 0]
        assert torch.equal(weight(net, "6"), before) == (factor > 1)


def test_gradients_are_masked_as_they_accumulate_and_of_a_frozen_weight_nothing_is_asked() -> None:
    net = network()
    net[3].requires_grad_(False)
    masks = half(net)
    pruneexp.keep(masks, net, SGD(net.parameters(), lr=0.1))
    for step in range(2):
        loss_of(net, step).backward()
    gradient = net.get_parameter("6.weight").grad
    assert gradient is not None
    assert bool((gradient[~masks["6"]] == 0).all() and (gradient[masks["6"]] != 0).any())
    assert net.get_parameter("3.weight").grad is None
    assert pruned(net, masks) == [0, 0, 0, 0]


def test_a_network_that_is_cast_after_the_call_is_kept() -> None:
    net = network()
    masks, optimizer = half(net), SGD(net.parameters(), lr=0.1, momentum=0.9)
    pruneexp.keep(masks, net, optimizer)
    net.double()
    nn.functional.cross_entropy(net(torch.ones(4, 1, 6, 6).double()), torch.zeros(4, dtype=torch.int64)).backward()
    optimizer.step()
    assert pruned(net, masks) == [0, 0, 0, 0]


def test_it_ends_with_the_handle_or_with_the_block() -> None:
    net = network()
    masks, optimizer = half(net), SGD(net.parameters(), lr=0.1)
    with pruneexp.keep(masks, net, optimizer) as handle:
        trained(net, optimizer)
        assert handle.masks == masks
        assert pruned(net, masks) == [0, 0, 0, 0]
    trained(net, optimizer)
    assert min(pruned(net, masks)) > 0
    pruneexp.keep(masks, net, optimizer).remove()
    trained(net, optimizer)
    assert min(pruned(net, masks)) > 0


def test_a_block_that_ends_with_revived_weights_says_so() -> None:
    net = network()
    with (
        pytest.raises(RuntimeError, match=r"pruned weights are not zero in 0 \(\d+\), 3"),
        pruneexp.keep(half(net), net, SGD(net.parameters(), lr=0.1)),
    ):
        net.load_state_dict(network().state_dict())


def test_copies_and_pickles_of_network_and_optimizer_are_as_without_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)  # set by every job that was opened before
    net = network()
    masks, optimizer = half(net), SGD(net.parameters(), lr=0.1, momentum=0.9)
    pruneexp.keep(masks, net, optimizer)
    stream = io.BytesIO()
    torch.save(net, stream)
    stream.seek(0)
    for other in (copy.deepcopy(net), torch.load(stream, weights_only=False)):
        trained(other, SGD(other.parameters(), lr=0.1))
        assert min(pruned(other, masks)) > 0
    assert pruned(net, masks) == [0, 0, 0, 0]
    assert copy.deepcopy(optimizer).state_dict().keys() == optimizer.state_dict().keys()


class Wrapped(nn.Module):
    """As Lightning's modules hold a network."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.DataParallel(network())


def test_masks_are_found_by_layer_by_parameter_and_through_wrappers() -> None:
    masks = half(network())
    bare, wrapped = network(), Wrapped()
    spellings = {"0": "0.weight", "3": "module.3", "6": "model.module.6.weight", "8": "_orig_mod.8"}
    pruneexp.keep({spellings[name]: mask for name, mask in masks.items()}, bare, SGD(bare.parameters(), lr=0.1))
    assert pruned(bare, masks) == [0, 0, 0, 0]
    pruneexp.keep(masks, wrapped, SGD(wrapped.parameters(), lr=0.1))
    assert pruned(wrapped.model.module, masks) == [0, 0, 0, 0]


class Accelerated(Optimizer):
    """As accelerate wraps an optimizer: it is one by its class alone, and hands each step on."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        self.optimizer.step(closure)


def test_the_optimizer_within_a_wrapper_is_the_one_that_is_watched() -> None:
    net = network()
    masks, inner = half(net), SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    trained(net, inner)
    wrapper = Accelerated(inner)
    pruneexp.keep(masks, net, wrapper)
    loss_of(net, 0).backward()
    wrapper.step()
    assert pruned(net, masks) == [0, 0, 0, 0]


@pytest.mark.parametrize("named", [".", "masks.safetensors"])
def test_masks_are_read_from_an_export(tmp_path: Path, named: str) -> None:
    net = network()
    masks = half(net)
    save_file(masks.to_tensors(), tmp_path / "masks.safetensors")
    assert pruneexp.keep(tmp_path / named, net, SGD(net.parameters(), lr=0.1)).masks == masks


def test_what_does_not_fit_is_said_in_a_sentence(tmp_path: Path) -> None:
    net = network()
    optimizer, mask = SGD(net.parameters(), lr=0.1), torch.ones(8, 16, dtype=torch.bool)
    for masks, sentence in (
        (
            {"66": mask},
            r"the masks name '66', and Sequential has no such weight \(did you mean 6\?\); it has 0, 3,",
        ),
        ({"6": mask.T}, r"The mask of layer '6' has shape \(16, 8\), its weight has \(8, 16\)"),
        ({"6": mask, "module.6": mask}, r"two masks are for the weight '6': module.6 is the second"),
        ({}, "there is no mask to keep"),
        (tmp_path / "none.safetensors", r"the masks in .*none\.safetensors cannot be read: "),
    ):
        with pytest.raises(UserError, match=sentence):
            pruneexp.keep(masks, net, optimizer)
    with pytest.raises(UserError, match="this SGD updates none of the weights that have masks"):
        pruneexp.keep(half(net), net, SGD(network().parameters(), lr=0.1))
    with pytest.raises(ValueError, match=r"the mask of '6' has dtype torch\.float32; allowed is torch\.bool"):
        pruneexp.keep({"6": mask.float()}, net, optimizer)
    with pytest.raises(AttributeError, match="module 'pruneexp' has no attribute 'keeep'"):
        pruneexp.keeep  # type: ignore[attr-defined]  # noqa: B018
    assert min(pruned(net, half(net))) > 0  # nothing was cut
