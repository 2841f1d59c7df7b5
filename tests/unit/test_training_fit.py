"""The training loop: hand-worked steps, the plain loop it must equal, penalties, freezing, divergence."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.training import seeding
from pruneexp.training.events import TrainingEvent
from pruneexp.training.fit import Diverged, fit
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import L1, L2, WeightDecay
from tests.contracts.training import CPU, SGD, Killed, Memory, Tensors, digits, half, network, same, values, weight


def test_two_steps_by_hand_with_l1_mask_and_momentum() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    net.get_parameter("1.weight").data = torch.tensor([[0.5, 9.0], [0.0, -0.25]])
    data = Tensors(torch.tensor([1.0, 2.0]).view(1, 1, 1, 2), torch.tensor([0]))
    recipe = Recipe(epochs=2, batch_size=1, optimizer="sgd", lr=0.5, momentum=0.5)
    masks = MaskSet({"1": torch.tensor([[True, False], [True, True]])})
    fit(net, data, recipe, seed=0, device=CPU, edit=masks, penalty=L1(0.1))

    a, b, c = 0.5, 0.0, -0.25  # kept weights: first row 1st, second row both
    ma = mb = mc = 0.0
    for _ in range(2):
        p = 1 / (1 + math.exp((b + 2 * c) - a))  # probability of class 0; its logit is a, the other's b + 2 c
        sign = [(x > 0) - (x < 0) for x in (a, b, c)]
        ma = 0.5 * ma + ((p - 1) + 0.1 * sign[0])
        mb = 0.5 * mb + ((1 - p) + 0.1 * sign[1])
        mc = 0.5 * mc + (2 * (1 - p) + 0.1 * sign[2])
        a, b, c = a - 0.5 * ma, b - 0.5 * mb, c - 0.5 * mc
    assert weight(net, "1").flatten().tolist() == pytest.approx([a, 0.0, b, c], rel=1e-5)


def reference(net: nn.Module, data: Tensors, recipe: Recipe, seed: int) -> list[float]:
    """The promises of ``fit`` as a plain loop: order and dropout from (seed, purpose, epoch), a fused optimizer."""
    net.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=recipe.lr, momentum=recipe.momentum, fused=True)
    losses = []
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(data), generator=seeding.generator(seed, "order", epoch))
        total = 0.0
        with seeding.stream(seed, "dropout", epoch):
            for chosen in order.split(recipe.batch_size):
                optimizer.zero_grad()
                loss = cross_entropy(net(data.images[chosen]), data.labels[chosen])
                loss.backward()
                optimizer.step()
                total += loss.item() * len(chosen)
        losses.append(total / len(data))
    return losses


def test_equals_a_plain_loop_bit_for_bit() -> None:
    ours, theirs = network(dropout=0.3), network(dropout=0.3)
    result = fit(ours, digits(), SGD, seed=5, device=CPU)
    losses = reference(theirs, digits(), SGD, 5)
    assert same(values(ours), values(theirs))
    assert list(result.losses) == losses
    assert (result.steps, result.epochs) == (12, 2)


def test_layout_mode_and_gradients_are_as_before() -> None:
    net = network().eval()
    fit(net, digits(), SGD, seed=5, device=CPU)
    assert not any(module.training for module in net.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())
    assert all(tensor.is_contiguous() for tensor in net.state_dict().values())


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    results = []
    for draws in (0, 3):
        torch.rand(draws)
        before, net = torch.get_rng_state(), network(dropout=0.5)
        fit(net, digits(), SGD, seed=5, device=CPU, augment=True)
        assert torch.equal(torch.get_rng_state(), before)
        results.append(values(net))
    assert same(*results)


def test_seeds_and_augmentation_matter() -> None:
    seen = []
    for seed, augment in ((0, False), (1, False), (0, True)):
        net = network()
        fit(net, digits(), SGD, seed=seed, device=CPU, augment=augment)
        seen.append(values(net)["8.weight"])
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_penalties_act_on_weights_alone() -> None:
    """Huge L2 with a zero-loss gradient: the logits do not depend on anything but the last layer's bias."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    nn.init.zeros_(weight(net, "3"))
    before = values(net)
    recipe = Recipe(epochs=1, batch_size=44, optimizer="sgd", lr=0.1, momentum=0.0)
    fit(net, digits(), recipe, seed=0, device=CPU, penalty=L2(1.0))
    after = values(net)
    torch.testing.assert_close(after["1.weight"], 0.9 * before["1.weight"])
    assert torch.equal(after["1.bias"], before["1.bias"])
    assert torch.equal(after["2.weight"], before["2.weight"])


def test_adamw_decouples_the_penalty() -> None:
    ours = nn.Sequential(nn.Flatten(), nn.Linear(36, 3, bias=False))
    theirs = nn.Sequential(nn.Flatten(), nn.Linear(36, 3, bias=False))
    theirs.load_state_dict(ours.state_dict())
    data, recipe = digits(), Recipe(epochs=5, batch_size=44, optimizer="adamw", lr=0.01)
    fit(ours, data, recipe, seed=0, device=CPU, penalty=L2(0.3))
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.3)
    for _ in range(5):
        optimizer.zero_grad()
        cross_entropy(theirs(data.images), data.labels).backward()
        optimizer.step()
    torch.testing.assert_close(values(ours), values(theirs), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weight_decay_acts_on_all_parameters_as_torchs_does(optimizer: Literal["sgd", "adamw"]) -> None:
    ours, theirs = (nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.LayerNorm(4), nn.Linear(4, 3)) for _ in "ab")
    theirs.load_state_dict(ours.state_dict())
    data, recipe = digits(), Recipe(epochs=5, batch_size=44, optimizer=optimizer, lr=0.01, momentum=0.9)
    fit(ours, data, recipe, seed=0, device=CPU, penalty=WeightDecay(0.3))
    decaying: torch.optim.Optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.3)
    if optimizer == "sgd":
        decaying = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9, weight_decay=0.3)
    for _ in range(5):
        decaying.zero_grad()
        cross_entropy(theirs(data.images), data.labels).backward()
        decaying.step()
    torch.testing.assert_close(values(ours), values(theirs), rtol=1e-4, atol=1e-6)


def test_l1_makes_weights_small_and_l2_starts_from_the_same() -> None:
    starts, ends = [], []
    for penalty in (L1(0.05), L2(0.05)):
        net = network(seed=9)
        starts.append(values(net))
        fit(net, digits(), replace(SGD, epochs=8), seed=9, device=CPU, penalty=penalty)
        ends.append(weight(net, "6").abs().lt(1e-2).float().mean().item())
    assert same(*starts)
    assert ends[0] > ends[1]


def test_a_single_parameter_can_be_frozen() -> None:
    net = network()
    before = values(net)
    fit(net, digits(), SGD, seed=0, device=CPU, frozen=["8.weight"])
    after = values(net)
    assert torch.equal(after["8.weight"], before["8.weight"])
    assert not torch.equal(after["8.bias"], before["8.bias"])


def test_frozen_layers_do_not_move() -> None:
    net = network()
    before = values(net)
    masks = half(net).restrict(["6", "8"])
    fit(net, digits(), SGD, seed=0, device=CPU, frozen=("0", "1", "3"), edit=masks, penalty=L2(0.1))
    after = values(net)
    moved = {name.partition(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert moved == {"6", "8"}
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_frozen_names_are_checked() -> None:
    with pytest.raises(UserError, match=r"Cannot freeze 'conv9' of Sequential; its modules are 0, 1, 2"):
        fit(network(), digits(), SGD, seed=0, device=CPU, frozen=("conv9",))
    with pytest.raises(UserError, match="Nothing is left to train"):
        fit(network(), digits(), SGD, seed=0, device=CPU, frozen=("0", "1", "3", "6", "8"))


def test_divergence_names_epoch_and_learning_rate() -> None:
    with pytest.raises(Diverged, match=r"in epoch \d of 2 at learning rate 1e\+30"):
        fit(network(), digits(), replace(SGD, lr=1e30), seed=0, device=CPU)


def test_a_last_update_that_breaks_a_weight_is_noticed() -> None:
    """The only step's loss is finite; the weights it leaves are not."""
    data = digits()
    recipe = Recipe(epochs=1, batch_size=len(data), optimizer="sgd", lr=1e38, momentum=0.0)
    with pytest.raises(Diverged, match="epoch 1 of 1"):
        fit(
            nn.Sequential(nn.Flatten(), nn.Linear(36, 3)),
            Tensors(1e3 * data.images, data.labels),
            recipe,
            seed=0,
            device=CPU,
        )


def test_epochs_are_told() -> None:
    seen: list[TrainingEvent] = []
    recipe = replace(SGD, schedule="step", milestones=(0.5,))
    result = fit(network(), digits(), recipe, seed=0, device=CPU, listen=seen.append)
    epochs = [event for event in seen if event.kind == "epoch"]
    assert [(event.epoch, event.total) for event in epochs] == [(1, 2), (2, 2)]
    assert [event.lr for event in epochs] == pytest.approx([0.1, 0.01])
    assert tuple(event.loss for event in epochs) == result.losses
    assert 0 < sum(event.seconds for event in epochs) <= result.seconds


def test_steps_are_told_within_a_long_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pruneexp.training.events.TICK", 0.0)
    seen: list[TrainingEvent] = []
    fit(network(), digits(), replace(SGD, epochs=1), seed=0, device=CPU, listen=seen.append)
    assert [event.kind for event in seen] == ["begin", *["step"] * 6, "epoch", "done"]
    assert [event.share * 6 for event in seen] == pytest.approx([0, 1, 2, 3, 4, 5, 6, 0, 0])
    assert [event.epoch for event in seen] == [*[0] * 7, 1, 1]


def test_a_resumed_training_begins_where_it_was() -> None:
    memory, seen = Memory(save_after=8, die_after=8), list[TrainingEvent]()
    with pytest.raises(Killed):
        fit(network(), digits(), SGD, seed=0, device=CPU, checkpoint=memory)
    fit(network(), digits(), SGD, seed=0, device=CPU, checkpoint=Memory(0, 10**9, kept=memory.kept), listen=seen.append)
    assert [(event.kind, event.epoch) for event in seen] == [("begin", 1), ("epoch", 2), ("done", 2)]


def test_a_lone_last_image_is_left_out() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    result = fit(net, digits(41), SGD, seed=0, device=CPU)
    assert result.steps == 10


def test_no_epochs_change_nothing_but_the_pruned_weights() -> None:
    net = network()
    before, masks = values(net), half(net)
    result = fit(net, digits(), replace(SGD, epochs=0), seed=0, device=CPU, edit=masks)
    assert (result.losses, result.steps) == ((), 0)
    assert torch.equal(values(net)["6.weight"], before["6.weight"] * masks["6"])
    assert torch.equal(values(net)["1.running_mean"], before["1.running_mean"])


def test_bfloat16_keeps_float32_weights_and_learns() -> None:
    net = network()
    result = fit(net, digits(), replace(SGD, epochs=6, precision="bfloat16"), seed=0, device=CPU)
    assert result.losses[-1] < result.losses[0]
    assert all(p.dtype is torch.float32 for p in net.parameters())


def test_adapt_sees_every_batch() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
    result = fit(net, digits(), SGD, seed=0, device=CPU, adapt=lambda images: images.repeat(1, 1, 2, 2))
    assert result.steps == 12
