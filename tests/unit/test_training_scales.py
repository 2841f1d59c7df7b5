"""Penalties on scales in training: slimming and sparse structures, against plain loops and closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pruneexp.config.skeleton import conf_folder
from pruneexp.errors import UserError
from pruneexp.models.resnet_cifar import CifarResNet
from pruneexp.training import optimizers, seeding
from pruneexp.training.fit import fit
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import L1, Slimming, SparseStructure
from pruneexp.training.step import check_reach
from tests.contracts.composing import composed
from tests.contracts.training import CPU, Killed, Memory, digits, network, same, values

RECIPE = Recipe(epochs=2, batch_size=8, optimizer="sgd", lr=0.1, momentum=0.9)
GAMMA, DECAY = 0.02, 0.01
#: Strengths of Network Slimming in the code of Liu et al. 2019, by the first word of a preset; 1e-4 is the default.
STRENGTHS = {"vgg16": 1e-4, "vgg19": 1e-4, "preresnet164": 1e-5, "densenet40": 1e-5, "vgg11": 1e-5}
PRESETS = sorted(path.stem for path in (conf_folder() / "experiment/rethinking/slimming").glob("*.yaml"))


def scales(net: nn.Module) -> list[nn.Parameter]:
    return [module.weight for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def plain(net: nn.Module, sparse: bool) -> None:
    """The training as the papers' codes write it: torch's SGD, and beside it the steps of the scales."""
    shrunk = scales(net) if sparse else []
    rest = [each for each in net.parameters() if all(each is not scale for scale in shrunk)]
    optimizer = torch.optim.SGD(rest, lr=RECIPE.lr, momentum=RECIPE.momentum, weight_decay=DECAY)
    velocities, data = [torch.zeros_like(each) for each in shrunk], digits()
    net.train()
    for epoch in range(RECIPE.epochs):
        order = torch.randperm(len(data), generator=seeding.generator(3, "order", epoch))
        for chosen in order.split(RECIPE.batch_size):
            net.zero_grad()
            cross_entropy(net(data.images[chosen]), data.labels[chosen]).backward()
            for scale in [] if sparse else scales(net):
                assert scale.grad is not None
                scale.grad += GAMMA * scale.detach().sign()
            optimizer.step()
            for index, scale in enumerate(shrunk):
                velocities[index] = step(scale, velocities[index])


@torch.no_grad()
def step(scale: nn.Parameter, velocity: Tensor) -> Tensor:
    """Equations 10 to 12, number by number."""
    assert scale.grad is not None
    for index in range(len(scale)):
        z = float(scale[index]) - RECIPE.lr * float(scale.grad[index])
        soft = (1 if z > 0 else -1) * max(0.0, abs(z) - RECIPE.lr * GAMMA)
        velocity[index] = soft - float(scale[index]) + RECIPE.momentum * float(velocity[index])
        scale[index] = soft + RECIPE.momentum * float(velocity[index])
    return velocity


@pytest.mark.parametrize("penalty", [Slimming(GAMMA, DECAY), SparseStructure(GAMMA, DECAY)])
def test_training_is_that_of_a_plain_loop(penalty: Slimming | SparseStructure) -> None:
    ours, theirs = network(), network()
    fit(ours, digits(), RECIPE, seed=3, device=CPU, penalty=penalty)
    plain(theirs, isinstance(penalty, SparseStructure))
    torch.testing.assert_close(values(ours), values(theirs), rtol=1e-4, atol=1e-5)


def minimise(at: Tensor, strength: float, momentum: float) -> Tensor:
    """What proximal steps come to from 1, of the sum of 0.5 (x - at)^2 + strength |x|."""
    recipe = Recipe(epochs=1, batch_size=1, optimizer="sgd", lr=0.1, momentum=momentum)
    value = nn.Parameter(torch.ones(len(at)))
    optimizer = optimizers.build([value, nn.Parameter(torch.ones(1))], recipe, {value: strength})
    for _ in range(600):
        value.grad = value.detach() - at
        optimizer.update(recipe.lr)
    return value.detach()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_proximal_steps_end_at_the_soft_threshold(momentum: float) -> None:
    at = torch.tensor([2.0, 0.6, 0.4, 0.0, -0.3, -1.5])
    found = minimise(at, 0.5, momentum)
    torch.testing.assert_close(found, torch.tensor([1.5, 0.1, 0.0, 0.0, 0.0, -1.0]), rtol=0, atol=1e-5)
    assert found.eq(0).tolist() == [False, False, True, True, True, False]


def test_scales_become_exactly_zero_and_gradients_alone_leave_none() -> None:
    recipe = Recipe(epochs=8, batch_size=8, optimizer="sgd", lr=0.1, momentum=0.9)
    zeros = []
    for penalty in (SparseStructure(1.0, 0.0), Slimming(1.0, 0.0)):
        net = network()
        fit(net, digits(), recipe, seed=3, device=CPU, penalty=penalty)
        zeros.append(sum(int((scale == 0).sum()) for scale in scales(net)))
    assert zeros == [4, 0]


def test_blocks_alone_are_shrunk_where_that_is_asked() -> None:
    net = CifarResNet(3, 1, 6, depth=8, widths=(2, 2, 2), block_scales=True)
    still = Recipe(epochs=1, batch_size=44, optimizer="sgd", lr=1e-9, momentum=0.0)
    fit(net, digits(), still, seed=0, device=CPU, penalty=SparseStructure(1e8, 0.0, channels=False))
    expected = torch.full((3,), 0.9)  # 1 - rate x strength
    torch.testing.assert_close(torch.stack([net.get_parameter(f"stage{n}.0.scale") for n in (1, 2, 3)]), expected)
    assert all(bool((scale > 0.99).all()) for scale in scales(net))


def test_a_resumed_training_with_proximal_steps_has_the_same_bits() -> None:
    def train(memory: Memory | None) -> nn.Module:
        net = network(dropout=0.4)
        fit(net, digits(), RECIPE, seed=3, device=CPU, penalty=SparseStructure(GAMMA, DECAY), checkpoint=memory)
        return net

    memory = Memory(save_after=4, die_after=5)
    with pytest.raises(Killed):
        train(memory)
    assert "optimizer/velocity/0" in memory.kept[0][0]
    assert same(values(train(Memory(0, 10**9, kept=memory.kept))), values(train(None)))


def test_a_penalty_on_scales_needs_scales() -> None:
    bare = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    said = r"^reg.train acts on the scales of batch normalisation, and Sequential has none: .* such as reg=l1"
    with pytest.raises(UserError, match=said):
        check_reach(Slimming(0.1, 0.0), bare, "reg.train")
    check_reach(L1(0.1), bare, "reg.train")
    check_reach(SparseStructure(0.1, 0.0), network(), "reg.train")
    with pytest.raises(UserError, match=r"scales of residual blocks, which model.block_scales=true adds"):
        check_reach(SparseStructure(0.1, 0.0, channels=False), network(), "reg.train")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_slims_at_the_strength_of_the_paper(preset: str) -> None:
    config, choices = composed(f"experiment=rethinking/slimming/{preset}")
    assert choices["reg"] == choices["criterion"] == "slimming"
    assert config.reg.train.strength == STRENGTHS[preset.partition("_")[0]]
    assert config.reg.train._target_ == f"{Slimming.__module__}.{Slimming.__qualname__}"


def test_every_strength_of_the_paper_has_a_preset_and_1e_4_is_the_default() -> None:
    assert {preset.partition("_")[0] for preset in PRESETS} == STRENGTHS.keys()
    assert composed("reg=slimming")[0].reg.strength == 1e-4
