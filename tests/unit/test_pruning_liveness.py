"""Dead units and effective weights: cascades worked out by hand, and networks of every kind against real gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from pruneexp.pruning.layers import weights
from pruneexp.pruning.liveness import Liveness, liveness
from pruneexp.pruning.masks import MaskSet
from pruneexp.tracing.graphs import tensors_of
from tests.contracts import wired
from tests.contracts.tracing import traced_by

IMAGE = (1, 4, 4)


def chain() -> nn.Sequential:
    """2 maps of 2 x 2 -> 3 units -> 2 units -> 2 classes."""
    torch.manual_seed(0)
    first = [nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*first, nn.Linear(8, 3), nn.ReLU(), nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))


def masks_of(net: nn.Module) -> dict[str, Tensor]:
    return {name: mask.clone() for name, mask in MaskSet.dense(weights(net)).items()}


def live(net: nn.Module, masks: dict[str, Tensor], shape: tuple[int, ...] = IMAGE) -> Liveness:
    MaskSet(masks).apply_(net)
    return liveness(traced_by(net, shape), tensors_of(net), {f"{name}.weight": mask for name, mask in masks.items()})


def by_values(net: nn.Module, shape: tuple[int, ...]) -> Liveness:
    """As ``live``, where the weights that are not zero are the kept ones."""
    kept = {name: parameter != 0 for name, parameter in net.named_parameters() if parameter.ndim > 1}
    return liveness(traced_by(net, shape), tensors_of(net), kept)


def dead(net: nn.Module, masks: dict[str, Tensor], shape: tuple[int, ...] = IMAGE) -> dict[str, list[int]]:
    found = live(net, masks, shape)
    assert not found.unfollowed
    units = {name: ~found.effective[f"{name}.weight"].flatten(1).any(1) for name in weights(net)}
    return {name: lost.nonzero().flatten().tolist() for name, lost in units.items() if lost.any()}


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        out: Tensor = self.head(x + torch.relu(self.second(x)))
        return out


def between(*modules: nn.Module) -> nn.Sequential:
    """4 maps of 2 x 2, something between, two groups of 3 maps, and 2 classes."""
    torch.manual_seed(0)
    first = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Sequential(*modules)]
    return nn.Sequential(*first, nn.Conv2d(4, 6, 1, groups=2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6, 2))


class TestChains:
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
        net = between(nn.Identity())
        masks = masks_of(net)
        masks["3"][3:, 0] = False  # second group, its first input: map 2
        assert dead(net, masks) == {"0": [2]}

    def test_effective_weights_lose_every_connection_of_the_dead(self) -> None:
        masks = masks_of(chain())
        masks["3"][1] = False
        masks["7"][:, 1] = False
        effective = live(chain(), masks).effective
        assert effective["5.weight"].tolist() == [[True, False, True], [False, False, False]]
        counted = sum(int(effective[f"{name}.weight"].sum()) for name in masks)
        assert counted == MaskSet(masks).kept - 1 - 3


class TestBetweenLayers:
    @pytest.mark.parametrize(
        "modules",
        [
            (nn.BatchNorm2d(4),),
            (nn.GELU(), nn.Dropout2d()),
            (nn.MaxPool2d(3, 1, padding=1),),
            (nn.MaxPool2d(2, ceil_mode=True),),
            (nn.AdaptiveAvgPool2d(2), nn.ReLU(inplace=True)),
            (nn.AdaptiveMaxPool2d(2),),
            (nn.Upsample(scale_factor=2, mode="bilinear"), nn.AvgPool2d(2)),
        ],
    )
    def test_what_treats_maps_alone_keeps_them_apart(self, modules: tuple[nn.Module, ...]) -> None:
        net = between(*modules)
        net.append(nn.Identity())
        net[4] = nn.AdaptiveAvgPool2d(1)
        masks = masks_of(net)
        masks["0"][1] = False  # the second input of the first group
        masks["3"][:3, 0] = False  # whose first input is not read either
        assert dead(net, masks) == {"0": [0, 1], "3": [0, 1, 2]}

    def test_a_normalisation_across_channels_connects_them(self) -> None:
        net = between(nn.LocalResponseNorm(3))
        masks = masks_of(net)
        masks["3"][:3, 1] = False  # map 1 is not read, but it divides its neighbours
        assert dead(net, masks) == {}
        apart = between(nn.Identity())
        assert dead(apart, masks) == {"0": [1]}

    def test_a_shuffle_is_followed(self) -> None:
        net = between(nn.ChannelShuffle(2))  # 0 2 1 3
        masks = masks_of(net)
        masks["3"][:3, 1] = False
        assert dead(net, masks) == {"0": [2]}

    def test_a_kept_weight_that_happens_to_be_zero_counts(self) -> None:
        net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        nn.init.zeros_(net.get_parameter("1.weight"))
        nn.init.zeros_(net.get_parameter("2.weight"))
        assert dead(net, masks_of(net), (4,)) == {}

    def test_a_product_with_a_constant_of_zero_closes_a_path(self) -> None:
        class Covered(nn.Linear):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x * torch.tensor([1.0, 0.0, 1.0, 1.0]))

        net = nn.Sequential(nn.Linear(4, 4), Covered(4, 2))
        assert dead(net, masks_of(net), (4,)) == {"0": [1]}

    def test_a_skip_connection_is_another_way(self) -> None:
        masks = masks_of(Residual())
        masks["second"][2] = False
        masks["head"][:, 1] = False
        assert dead(Residual(), masks, (4,)) == {"second": [1, 2]}

    def test_what_has_no_rule_is_named_and_counts_as_connected(self) -> None:
        class Sampled(Residual):
            def forward(self, x: Tensor) -> Tensor:
                grid = torch.zeros(len(x), 1, 4, 2)
                sampled = nn.functional.grid_sample(self.first(x)[:, None, None], grid, align_corners=False)
                logits: Tensor = self.head(self.second(sampled.flatten(1)))
                return logits

        net = Sampled()
        masks = masks_of(net)
        masks["second"][:, 1:] = False
        found = live(net, masks, (4,))
        assert found.unfollowed == {"grid_sampler_2d"}
        assert bool(found.effective["first.weight"].all())


class TestParametersOfOtherKinds:
    def test_an_added_parameter_counts_where_its_sum_is_read(self) -> None:
        class Placed(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.place, self.head = nn.Parameter(torch.ones(2, 3)), nn.Linear(6, 2)

            def forward(self, x: Tensor) -> Tensor:
                logits: Tensor = self.head((x + self.place).flatten(1))
                return logits

        net = Placed()
        masks = masks_of(net)
        masks["head"][:, 4] = False
        effective = live(net, masks, (2, 3)).effective
        assert effective["place"].tolist() == [[True, True, True], [True, False, True]]

    def test_rows_of_a_table_matter_where_they_differ_and_are_read(self) -> None:
        class Table(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.table, self.head = nn.Embedding(3, 4), nn.Linear(4, 2)

            def forward(self, x: Tensor) -> Tensor:
                logits: Tensor = self.head(self.table((x > 0).long()).mean(1))
                return logits

        net = Table()
        with torch.no_grad():
            net.table.weight[:, 2] = 0.5  # the same number in every row
            net.table.weight[1, 3] = 0
            net.head.weight[:, 1] = 0
        effective = by_values(net, (5,)).effective
        rows = effective["table.weight"].tolist()
        assert rows == [[True, False, False, True], [True, False, False, False], [True, False, False, True]]
        assert effective["head.weight"].tolist() == [[True, False, False, True]] * 2

    def test_factors_of_a_weight_are_followed_to_each_other(self) -> None:
        class Factored(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.down, self.up = nn.Parameter(torch.ones(4, 2)), nn.Parameter(torch.ones(2, 3))

            def forward(self, x: Tensor) -> Tensor:
                return x @ (self.down @ self.up)

        net = Factored()
        with torch.no_grad():
            net.up[1] = 0
        effective = by_values(net, (4,)).effective
        assert effective["down"].tolist() == [[True, False]] * 4
        assert effective["up"].tolist() == [[True] * 3, [False] * 3]


@pytest.mark.parametrize("density", [0.1, 0.2])
@pytest.mark.parametrize("name", wired.NETWORKS)
def test_as_real_gradients_have_it(name: str, density: float) -> None:
    effective, extra, kept = 0, 0, 0
    for seed in range(8):
        net = wired.NETWORKS[name]().eval()
        wired.prune_(net, density, seed)
        found = by_values(net, wired.SHAPE)
        assert not found.unfollowed
        for layer, wanted in wired.effective_by_gradients(copy.deepcopy(net).double()).items():
            got = found.effective[layer]
            assert bool((got | ~wanted).all())
            effective, extra = effective + int(wanted.sum()), extra + int((got & ~wanted).sum())
            kept += int(net.get_parameter(layer).count_nonzero())
    assert 0 < effective <= kept
    assert extra <= (0.1 * kept if name == "attending" else 0)  # scores of attention may all change alike


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_torchs_recurrent_layers_are_as_those_by_hand(kind: str) -> None:
    class Fused(wired.Rows):
        def __init__(self) -> None:
            super().__init__()
            self.layer = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](6, 6, batch_first=True)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.layer(self.steps(images))[0][:, -1])
            return logits

    names = {"layer.weight_ih_l0": "inputs.weight", "layer.weight_hh_l0": "hidden.weight"}
    names |= {"layer.bias_ih_l0": "inputs.bias", "layer.bias_hh_l0": "hidden.bias"}
    for seed in range(4):
        by_hand, fused = wired.Remembering(kind), Fused()
        wired.prune_(by_hand, 0.15, seed)
        fused.load_state_dict({name: by_hand.get_parameter(names.get(name, name)) for name in fused.state_dict()})
        found = by_values(fused, wired.SHAPE)
        wanted, got = by_values(by_hand, wired.SHAPE).effective, found.effective
        assert not found.unfollowed
        assert all(torch.equal(got[name], wanted[names.get(name, name)]) for name in got if "weight" in name)


def test_tracing_leaves_no_mark_on_the_weights() -> None:
    net = chain()
    live(net, masks_of(net))
    assert all(parameter.grad is None for parameter in net.parameters())
