"""Removal: the small network computes what the masked one does, in every way that channels are coupled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from pruneexp.errors import UserError
from pruneexp.models.lstm import LanguageLSTM
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.layers import weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal import Architecture, read_architecture, removed, shrink_, write_architecture
from pruneexp.schema import Budget
from tests.contracts.channels import apart, cut, restless


class Joining(nn.Module):
    """A body between a convolution and a linear layer; ``how`` its output joins its input."""

    def __init__(self, body: nn.Module, how: Callable[[Tensor, Tensor], Tensor], width: int) -> None:
        super().__init__()
        self.stem, self.norm, self.body, self.how = nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), body, how
        self.head = nn.Linear(width * 25, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.norm(self.stem(images)).relu()
        logits: Tensor = self.head(self.how(x, self.body(x)).flatten(1))
        return logits


def shuffled(x: Tensor, y: Tensor) -> Tensor:
    """As ShuffleNet: half goes by, and then channels of both halves alternate."""
    half = x.chunk(2, 1)[0]
    both = torch.cat([half, y], 1)
    count, channels = both.shape[:2]
    return both.view(count, 2, channels // 2, 5, 5).transpose(1, 2).reshape(count, channels, 5, 5)


def beside(x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([x, y, x], 1)


def body(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "residual": lambda: Joining(
        body(nn.Conv2d(8, 6, 3, padding=1), nn.BatchNorm2d(6), nn.PReLU(6), nn.Conv2d(6, 8, 1)), torch.add, 8
    ),
    "dense": lambda: Joining(body(nn.Conv2d(8, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()), beside, 22),
    "depthwise": lambda: Joining(
        body(nn.Conv2d(8, 16, 3, padding=1, groups=8), nn.BatchNorm2d(16), nn.ReLU6(), nn.Conv2d(16, 8, 1)),
        torch.add,
        8,
    ),
    "few groups": lambda: Joining(
        body(nn.Conv2d(8, 12, 3, padding=1, groups=2), nn.ReLU(), nn.Conv2d(12, 4, 1)), beside, 20
    ),
    "many groups": lambda: Joining(
        body(nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False), nn.BatchNorm2d(8)), beside, 24
    ),
    "transposed": lambda: Joining(body(nn.ConvTranspose2d(8, 5, 3, padding=1), nn.Hardswish()), beside, 21),
    "shuffled": lambda: Joining(body(nn.Conv2d(8, 4, 1), nn.ReLU()), shuffled, 8),
    "gated": lambda: Joining(
        body(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.SiLU(), nn.Conv2d(4, 8, 1), nn.Sigmoid()), torch.mul, 8
    ),
    "shared": lambda: Joining(body(layer := nn.Conv2d(8, 8, 1), nn.ReLU(), layer), torch.add, 8),
}
SHAPE = (2, 5, 5)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_it_computes_what_the_masked_network_does(name: str, share: float) -> None:
    torch.manual_seed(0)
    network = restless(NETWORKS[name]())
    masks = cut(network, SHAPE, Budget("units", share)).masks
    difference, small = apart(network, masks, SHAPE)
    assert difference < 1e-5
    assert sum(weight.numel() for weight in weights(small).values()) == masks.kept < masks.total
    assert all(bool((weight != 0).all()) for weight in weights(small).values())


class Rows(nn.Module):
    """Recurrent layers of two levels and directions, between an input and a linear layer."""

    def __init__(self, kind: type[nn.LSTM | nn.GRU]) -> None:
        super().__init__()
        self.rows = kind(3, 6, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(12, 2)

    def forward(self, rows: Tensor) -> Tensor:
        logits: Tensor = self.head(self.rows(rows)[0])
        return logits


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_hidden_units_of_recurrent_layers_go(kind: type[nn.LSTM | nn.GRU]) -> None:
    torch.manual_seed(0)
    network = restless(Rows(kind))
    masks = cut(network, (4, 3), Budget("units", 0.5)).masks
    difference, small = apart(network, masks, (4, 3))
    assert difference < 1e-5
    assert isinstance(small, Rows)
    assert small.rows.hidden_size == 3
    assert small.rows.weight_hh_l1_reverse.shape == (3 * len(network.get_parameter("rows.weight_hh_l0")) // 6, 3)


def test_the_language_model_loses_hidden_units_and_embedding() -> None:
    torch.manual_seed(0)
    network = restless(LanguageLSTM(tokens=11, embedding=4, hidden=6, layers=2))
    tokens = torch.randint(11, (2, 5))
    masks = MaskSet.dense(weights(network))
    for name, dim, gone in (("layers.0.weight_hh_l0", 1, 2), ("layers.1.weight_ih_l0", 1, 2), ("head", 1, 5)):
        masks[name].select(dim, gone).fill_(False)
    masks["layers.1.weight_hh_l0"][:, 5] = False
    masks["layers.0.weight_ih_l0"][:, 1] = False
    small = removed(network, masks, tokens).network
    assert isinstance(small, LanguageLSTM)
    assert (small.embedding.embedding_dim, small.head.in_features) == (3, 5)
    assert [layer.hidden_size for layer in small.layers] == [5, 5]


def test_single_weights_that_are_pruned_stay_zero_in_it_and_a_layer_keeps_one_channel() -> None:
    network = restless(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)))
    masks = {"0": torch.rand(4, 5) < 0.5, "2": torch.zeros(3, 4, dtype=torch.bool)}
    small = removed(network, MaskSet(masks), torch.randn(2, 5)).network
    assert [tuple(weight.shape) for weight in weights(small).values()] == [(1, 5), (3, 1)]
    assert torch.equal(small(torch.randn(2, 5)), network.get_parameter("2.bias").expand(2, 3))
    masks["2"] = torch.tensor([[True, False, True, False]]).expand(3, 4)
    small = removed(network, MaskSet(masks), torch.randn(2, 5)).network
    assert torch.equal(small.get_parameter("0.weight") != 0, masks["0"][[0, 2]])


def test_a_global_threshold_may_leave_one_channel() -> None:
    torch.manual_seed(0)
    network = restless(NETWORKS["residual"]())
    network.get_parameter("body.0.weight").data.mul_(1e-3)
    masks = cut(network, SHAPE, Budget("units", 0.5), GlobalThreshold()).masks
    difference, small = apart(network, masks, SHAPE)
    assert difference < 1e-5
    assert small.get_parameter("body.0.weight").shape[0] == 1


def test_code_that_needs_its_own_sizes_is_refused() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(2, 4, 1), nn.Linear(4 * 9, 2)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.conv(images).view(-1, 4 * 9))
            return logits

    network = restless(Fixed())
    with pytest.raises(UserError, match=r"channels cannot be taken out of Fixed.*sizes it was made with"):
        removed(network, cut(network, (2, 3, 3), Budget("units", 0.5)).masks, torch.randn(2, 2, 3, 3))


class TestConstants:
    def rows(self, network: nn.Module, *names: str) -> MaskSet:
        """Masks that prune the first two rows of these layers, and nothing that reads them."""
        masks = MaskSet.dense(weights(network))
        for name in names:
            masks[name][:2] = False
        return masks

    def test_what_a_dead_channel_gives_goes_into_the_bias_of_what_reads_it(self) -> None:
        torch.manual_seed(0)
        network = restless(
            nn.Sequential(
                nn.Conv2d(2, 5, 3, padding=1),
                nn.BatchNorm2d(5),
                nn.ReLU(),
                nn.Conv2d(5, 6, 3, bias=False),
                nn.BatchNorm2d(6),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(54, 3),
            )
        )
        network.get_parameter("1.bias").data[:2] = 0.3  # constants of which ReLU leaves something
        network.get_buffer("1.running_mean")[:2] = network.get_parameter("0.bias").data[:2]
        network.get_parameter("4.bias").data[:2] = 0.4
        difference, small = apart(network, self.rows(network, "0", "3"), SHAPE)
        assert difference < 1e-5
        assert [tuple(weight.shape[:2]) for weight in weights(small).values()] == [(3, 2), (4, 3), (3, 36)]
        wanted = network.get_parameter("3.weight")[2:, :2].sum((1, 2, 3)) * 0.3
        assert torch.allclose(small.get_parameter("3.bias"), wanted, atol=1e-6)

    def test_behind_padding_it_stays_unless_it_is_zero(self) -> None:
        torch.manual_seed(0)
        network = restless(nn.Sequential(nn.Conv2d(2, 5, 1), nn.ReLU(), nn.Conv2d(5, 3, 3, padding=1), nn.Flatten()))
        network.get_parameter("0.bias").data[:2] = torch.tensor([0.5, -0.5])
        difference, small = apart(network, self.rows(network, "0"), SHAPE)
        assert difference < 1e-5
        assert small.get_parameter("0.weight").shape[0] == 4
        assert small.get_parameter("0.bias")[0] == 0.5

    def test_the_architecture_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        torch.manual_seed(0)

        def build() -> nn.Module:
            first, last = nn.Conv2d(2, 5, 1, bias=False), nn.Conv2d(5, 3, 1, bias=False)
            return nn.Sequential(first, nn.BatchNorm2d(5), nn.ReLU(), last).eval()

        network, fresh = restless(build()), build()
        network.get_parameter("1.bias").data[:] = 0.8
        small = removed(network, self.rows(network, "0"), torch.randn(2, *SHAPE))
        assert small.architecture.biases == ("3",)
        write_architecture(tmp_path / "architecture.json", small.architecture)
        shrink_(fresh, read_architecture(tmp_path / "architecture.json"))
        fresh.load_state_dict(small.network.state_dict())
        inputs = torch.randn(2, *SHAPE)
        assert torch.equal(fresh(inputs), small.network(inputs))
        with pytest.raises(UserError, match=r"not of ResNet, which has no 3"):
            shrink_(resnet18(), small.architecture)
        with pytest.raises(UserError, match=r"not of ResNet: it cuts .*, which it has not"):
            shrink_(resnet18(), Architecture(small.architecture.kept))
        narrow = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 3, 1))
        with pytest.raises(UserError, match=r"not of Sequential: it cuts 0\.weight, which is .* here"):
            shrink_(narrow, small.architecture)
        (tmp_path / "architecture.json").write_text("[]")
        with pytest.raises(UserError, match=r"the architecture in .* cannot be read"):
            read_architecture(tmp_path / "architecture.json")


def test_a_table_that_is_a_matrix_too_loses_what_no_row_of_it_has() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.inner = nn.Embedding(7, 5), nn.Linear(5, 5)

        def forward(self, tokens: Tensor) -> Tensor:
            x = self.table(tokens)
            logits: Tensor = (x + self.inner(x)) @ self.table.weight.t()
            return logits

    torch.manual_seed(0)
    network, tokens = restless(Tied()), torch.randint(7, (2, 4))
    masks = MaskSet.dense(weights(network))
    masks["inner"][:, 2] = False
    assert removed(network, masks, tokens).architecture.kept == {}  # the table reads it
    masks["table"][:, 2] = False
    small = removed(network, masks, tokens).network
    assert small.get_parameter("table.weight").shape == (7, 4)
    assert small.get_parameter("inner.weight").shape == (4, 4)


def test_a_vector_that_activations_are_multiplied_by_holds_what_it_reads() -> None:
    class Pointing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.vector = nn.Linear(3, 6), nn.Parameter(torch.randn(6, 1))

        def forward(self, rows: Tensor) -> Tensor:
            logits: Tensor = self.first(rows).relu() @ self.vector
            return logits

    with pytest.raises(UserError, match=r"no channels that can go.*first \(a matrix that is no layer\)"):
        cut(Pointing(), (3,), Budget("units", 0.5))
