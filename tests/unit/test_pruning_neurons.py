"""Dead neurons: wiring read off real networks, cascades worked by hand, and removal that changes no output."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from pruneexp.models import alexnet, lenet, torchvision_models, vgg
from pruneexp.pruning.layers import weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.neurons import dead_units, remove_dead, without_dead
from pruneexp.pruning.wiring import trace
from tests.contracts.allocations import within


def chain() -> nn.Sequential:
    """2 maps of 2 x 2 -> 3 units -> 2 units -> 2 classes."""
    torch.manual_seed(0)
    first = [nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*first, nn.Linear(8, 3), nn.ReLU(), nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))


IMAGE = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(4))


def bias_of(net: nn.Module, layer: str) -> Tensor:
    return net.get_parameter(f"{layer}.bias")


def masks_of(net: nn.Module) -> dict[str, Tensor]:
    return {name: mask.clone() for name, mask in MaskSet.dense(weights(net)).items()}


def dead(net: nn.Module, masks: dict[str, Tensor], example: Tensor = IMAGE) -> dict[str, list[int]]:
    found = dead_units(net, MaskSet(masks), example)
    return {name: units.nonzero().flatten().tolist() for name, units in found.items() if units.any()}


class Neighbours(nn.Module):
    """A home-made normalisation across channels."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (1 + x.square().sum(1, keepdim=True))


class Swapped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flip(1)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        out: Tensor = self.head(x + torch.relu(self.second(x)))
        return out


def grouped(between: nn.Module) -> nn.Sequential:
    first = [nn.Conv2d(1, 4, 3), nn.ReLU(), between]
    return nn.Sequential(*first, nn.Conv2d(4, 6, 1, groups=2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6, 2))


class TestWiring:
    def test_blocks_and_groups(self) -> None:
        links = trace(chain(), IMAGE).links
        assert [(link.source, link.target) for link in links] == [("0", "3"), ("3", "5"), ("5", "7")]
        assert [link.block for link in links] == [4, 1, 1]
        assert [link.groups for link in trace(grouped(nn.Dropout()), IMAGE).links] == [2, 1]

    @pytest.mark.parametrize("between", [nn.LocalResponseNorm(3), Neighbours()])
    def test_normalisation_across_channels_couples(self, between: nn.Module) -> None:
        assert [link.coupled for link in trace(grouped(between), IMAGE).links] == [True, False]

    @pytest.mark.parametrize("between", [nn.BatchNorm2d(4), nn.Identity(), nn.Sequential(nn.GELU(), nn.Dropout2d())])
    def test_what_treats_units_alone_does_not(self, between: nn.Module) -> None:
        assert [link.coupled for link in trace(grouped(between), IMAGE).links] == [False, False]

    @pytest.mark.parametrize("between", [Swapped(), nn.ChannelShuffle(2), nn.Softmax(1)])
    def test_what_mixes_units_is_no_chain(self, between: nn.Module) -> None:
        assert trace(grouped(between), IMAGE).links == ()

    def test_skip_connections_are_no_chain(self) -> None:
        assert trace(Residual(), torch.randn(2, 4)).links == ()

    def test_a_layer_used_twice_is_no_chain(self) -> None:
        layer = nn.Linear(4, 4)
        assert trace(nn.Sequential(layer, layer), torch.randn(2, 4)).links == ()

    def test_leaves_no_trace(self) -> None:
        net = grouped(Neighbours()).train()
        net[0].eval()
        trace(net, IMAGE)
        assert [module.training for module in net][:3] == [False, True, True]
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


class TestPaperNetworks:
    """Blocks of the link from the convolutions to the linear layers, groups and couplings of the six models."""

    @pytest.mark.parametrize(
        ("build", "links", "block"),
        [
            (lenet.LeNet300100, 2, 1),
            (lenet.LeNet5, 3, 16),
            (vgg.VGG16, 15, 49),
            (torchvision_models.alexnet, 7, 36),
            (torchvision_models.vgg16, 15, 49),
        ],
    )
    def test_are_chains(self, build: Callable[[], nn.Module], links: int, block: int) -> None:
        with torch.device("meta"):  # the test needs only shapes
            net = build()
            wiring = trace(net, torch.empty(1, *cast(tuple[int, int, int], net.input_shape)))
        assert len(wiring.links) == links
        assert max(link.block for link in wiring.links) == block
        assert not any(link.coupled for link in wiring.links)

    def test_alexnet_is_grouped_and_coupled(self) -> None:
        net = alexnet.AlexNet(image_size=67)
        links = trace(net, torch.zeros(1, *net.input_shape)).links
        assert [link.groups for link in links] == [2, 1, 2, 2, 1, 1, 1]
        assert [link.coupled for link in links] == [True, True, False, False, False, False, False]


class TestDeadUnits:
    def test_dense_network_has_none(self) -> None:
        assert dead(chain(), masks_of(chain())) == {}

    def test_without_inputs(self) -> None:
        masks = masks_of(chain())
        masks["3"][1] = False
        assert dead(chain(), masks) == {"3": [1]}

    def test_without_outputs(self) -> None:
        masks = masks_of(chain())
        masks["5"][:, 2] = False
        assert dead(chain(), masks) == {"3": [2]}

    def test_a_map_is_heard_through_any_of_its_positions(self) -> None:
        masks = masks_of(chain())
        masks["3"][:, 4:7] = False
        assert dead(chain(), masks) == {}
        masks["3"][:, 7] = False
        assert dead(chain(), masks) == {"0": [1]}

    def test_cascades_forwards(self) -> None:
        masks = masks_of(chain())
        masks["0"][0] = False  # map 0 has no inputs
        masks["3"][1, 4:] = False  # leaves map 0 as the only input of unit 1
        masks["5"][0, [0, 2]] = False  # leaves unit 1 as the only input of unit 0
        assert dead(chain(), masks) == {"0": [0], "3": [1], "5": [0]}

    def test_cascades_backwards(self) -> None:
        masks = masks_of(chain())
        masks["7"][:, 1] = False  # unit 1 of "5" has no outputs
        masks["5"][0, 2] = False  # the other output of unit 2 of "3"
        masks["3"][:2, :4] = False  # the other outputs of map 0
        assert dead(chain(), masks) == {"0": [0], "3": [2], "5": [1]}

    def test_classes_need_no_outputs_but_inputs(self) -> None:
        masks = masks_of(chain())
        masks["7"][0] = False
        assert dead(chain(), masks) == {"7": [0]}

    def test_groups_are_separate(self) -> None:
        net = grouped(nn.Identity())
        masks = masks_of(net)
        masks["3"][3:, 0] = False  # second group, its first input: map 2
        assert dead(net, masks) == {"0": [2]}

    def test_layers_out_of_scope_are_dense(self) -> None:
        masks = {"0": masks_of(chain())["0"]}
        masks["0"][1] = False
        assert dead(chain(), masks) == {"0": [1]}

    def test_without_a_chain_only_inputs_count(self) -> None:
        masks = masks_of(Residual())
        masks["second"][2] = False
        masks["head"][:, 1] = False
        assert dead(Residual(), masks, torch.randn(2, 4)) == {"second": [2]}

    def test_effective_masks_lose_every_connection_of_the_dead(self) -> None:
        masks = masks_of(chain())
        masks["3"][1] = False
        masks["7"][:, 1] = False
        effective = without_dead(chain(), MaskSet(masks), IMAGE)
        assert effective["5"].tolist() == [[True, False, True], [False, False, False]]
        assert effective.kept == MaskSet(masks).kept - 1 - 3
        assert list(effective) == list(masks)


def unchanged(net: nn.Module, masks: MaskSet, example: Tensor) -> dict[str, int]:
    """Remove, compare the outputs on other images, and count the removed units."""
    masks.apply_(net)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    removal = remove_dead(net, masks, example)
    others = torch.randn(6, *example.shape[1:], generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        torch.testing.assert_close(removal.network.eval()(others), net.eval()(others), rtol=1e-6, atol=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert within(removal.masks, masks)
    return {name: int(units.sum()) for name, units in removal.removed.items() if units.any()}


class TestRemoval:
    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("density", [0.05, 0.2, 0.5])
    def test_outputs_stay_equal(self, seed: int, density: float) -> None:
        net = chain()
        noise = torch.Generator().manual_seed(seed)
        masks = MaskSet({name: torch.rand(w.shape, generator=noise) < density for name, w in weights(net).items()})
        removed = unchanged(net, masks, IMAGE)
        hidden = {name: int(units.sum()) for name, units in dead_units(net, masks, IMAGE).items() if units.any()}
        hidden.pop("7", None)
        assert removed == hidden  # without padding every dead unit of this chain goes

    def test_the_constant_of_a_dead_neuron_is_folded(self) -> None:
        net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        with torch.no_grad():
            bias_of(net, "0").copy_(torch.tensor([0.5, 3.0]))
            weights(net)["2"].copy_(torch.tensor([[1.0, 2.0]]))
            bias_of(net, "2").fill_(1.0)
        masks = MaskSet({"0": torch.tensor([[True, True], [False, False]]), "2": torch.ones(1, 2, dtype=torch.bool)})
        removal = remove_dead(net, masks, torch.randn(1, 2))
        assert bias_of(removal.network, "2").tolist() == [7.0]  # 1 + 2 * relu(3)
        assert weights(removal.network)["2"].tolist() == [[1.0, 0.0]]
        assert removal.removed["0"].tolist() == [False, True]

    @pytest.mark.parametrize(("padding", "bias", "gone"), [(0, 0.7, 1), (1, 0.7, 0), (1, -0.7, 1)])
    def test_into_a_convolution_only_where_exact(self, padding: int, bias: float, gone: int) -> None:
        net = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=padding, groups=2), nn.Flatten())
        net.append(nn.Linear(4 * (2 + 2 * padding) ** 2, 2))
        with torch.no_grad():
            bias_of(net, "0").fill_(bias)
        masks = masks_of(net)
        masks["0"][3] = False
        assert unchanged(net, MaskSet(masks), IMAGE).get("0", 0) == gone

    def test_across_channels_nothing_is_removed(self) -> None:
        net = grouped(nn.LocalResponseNorm(3, alpha=1.0))
        masks = masks_of(net)
        masks["0"][3] = False
        masks["3"][3:, 0] = False
        assert unchanged(net, MaskSet(masks), IMAGE) == {}

    def test_a_next_layer_without_bias_takes_no_constant(self) -> None:
        net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1, bias=False))
        nn.init.ones_(bias_of(net, "0"))
        masks = masks_of(net)
        masks["0"][1] = False
        assert unchanged(net, MaskSet(masks), torch.randn(1, 2)) == {}

    def test_through_batch_normalisation(self) -> None:
        net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
        nn.init.normal_(net.get_buffer("1.running_mean"))
        nn.init.uniform_(bias_of(net, "1"))
        masks = masks_of(net)
        masks["0"][2] = False
        assert unchanged(net, MaskSet(masks), torch.randn(2, 3)) == {"0": 1}
