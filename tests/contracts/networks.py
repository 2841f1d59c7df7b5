"""The promises of every network: a test class inherits ``NetworkContract`` and builds its network."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from torch import nn

from pruneexp.models.adapt import input_shape_of
from pruneexp.pruning.layers import prunable


class NetworkContract:
    """Override ``build`` (a small variant will do: it runs on one core) and the facts of that variant."""

    classes: int
    layers: tuple[str, ...]  # prunable layers, in order

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls, build: Callable[[], nn.Module]) -> nn.Module:
        """Shared by the tests, which leave its weights alone: drawing them is what takes the time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build()

    def test_gives_one_logit_per_class(self, network: nn.Module) -> None:
        with torch.no_grad():
            logits = network.eval()(_images(network))
        assert logits.shape == (2, self.classes)
        assert logits.isfinite().all()

    def test_prunable_layers(self, network: nn.Module) -> None:
        assert tuple(prunable(network)) == self.layers

    def test_a_seed_decides_the_initial_weights(self, network: nn.Module, build: Callable[[], nn.Module]) -> None:
        other = network.state_dict()
        first, again = _seeded(build, 1), _seeded(build, 1)
        assert all(torch.equal(weight, again[name]) for name, weight in first.items())
        drawn = {name: weight for name, weight in first.items() if name.endswith("weight") and weight.ndim > 1}
        assert len(drawn) >= len(self.layers)  # normalisations start from constants
        assert all(not torch.equal(weight, other[name]) for name, weight in drawn.items())

    def test_a_state_dict_holds_the_whole_network(self, network: nn.Module, build: Callable[[], nn.Module]) -> None:
        with torch.device("meta"):
            empty = build()
        empty.load_state_dict(network.state_dict(), assign=True)
        images = _images(network)
        with torch.no_grad():
            assert torch.equal(empty.eval()(images), network.eval()(images))

    def test_evaluation_is_deterministic_and_leaves_the_images_alone(self, network: nn.Module) -> None:
        images = _images(network)
        before = images.clone()
        with torch.no_grad():
            assert torch.equal(network.eval()(images), network.eval()(images))
        assert torch.equal(images, before)

    def test_every_parameter_learns(self, network: nn.Module) -> None:
        network.train()
        nn.functional.cross_entropy(network(_images(network)), torch.tensor([0, 1])).backward()
        silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        network.zero_grad(set_to_none=True)
        assert silent == []


class ResidualContract(NetworkContract):
    """Of residual networks for small images, whose blocks may have scales."""

    block: ClassVar[type[nn.Module]]
    last: ClassVar[str]  # the layer of a block that, where its weights are zero, leaves nothing to add
    sized: ClassVar[Callable[..., nn.Module]]  # by channels and pixels a network of seven classes
    scaled: ClassVar[Callable[..., nn.Module]]  # with scales of its blocks, or without, one for 1 x 14 x 14

    @pytest.mark.parametrize(("channels", "size"), [(1, 14), (1, 28), (3, 32), (3, 9)])
    def test_other_images(self, channels: int, size: int) -> None:
        assert self.sized(channels, size)(torch.zeros(2, channels, size, size)).shape == (2, 7)

    def test_scales_of_blocks_start_from_one_and_multiply_what_is_added(self) -> None:
        def build(scales: bool) -> nn.Module:
            torch.manual_seed(0)
            return self.scaled(scales).eval()

        images, plain, scaled = torch.rand(2, 1, 14, 14), build(False), build(True)
        assert torch.equal(plain(images), scaled(images))
        added = {f"stage{stage}.0.scale" for stage in (1, 2, 3)}
        assert scaled.state_dict().keys() - plain.state_dict().keys() == added
        for name in added:
            nn.init.zeros_(scaled.get_parameter(name))
        blocks = [name for name, module in plain.named_modules() if isinstance(module, self.block)]
        assert len(blocks) == len(added)
        for name in blocks:
            nn.init.zeros_(plain.get_parameter(f"{name}.{self.last}.weight"))
        assert torch.equal(plain(images), scaled(images))


def _images(network: nn.Module) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(2, *input_shape_of(network, (0, 0, 0)), generator=draw)


def _seeded(build: Callable[[], nn.Module], seed: int) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().state_dict()
