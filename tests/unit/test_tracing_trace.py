"""The graph of a pass: it computes what the network does, leaves the network alone, and refuses what it cannot hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.tracing.trace import Trace
from tests.contracts.tracing import traced_by


class Writing(nn.Module):
    """Writes into slices, and holds tensors that are neither parameters nor buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.plain, self.last = torch.eye(3), nn.Linear(3, 2)

    def forward(self, images: Tensor) -> Tensor:
        x = images @ self.plain * torch.tensor([1.0, 2.0, 3.0])
        x[:, 0] = 0
        x[:, 1:].add_(1)
        logits: Tensor = self.last(x)
        return logits


class Sequence(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.rows = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](3, 4, 2, batch_first=True, bidirectional=True)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.rows(images)[0][:, -1]
        return logits


class Heeding(nn.Linear):
    """Its code reads what it computes; ``how`` says in which way."""

    def __init__(self, how: str) -> None:
        super().__init__(3, 3)
        self.how = how

    def forward(self, images: Tensor) -> Tensor:
        if self.how == "if" and images.sum() > 0:
            images = -images
        if self.how == "item":
            images = images * images.sum().item()
        if self.how == "size":
            images = images[images.sum(1) > 0]
        if self.how == "numpy":
            images = torch.from_numpy(images.numpy())
        return super().forward(images)


def again(trace: Trace, network: nn.Module) -> Tensor:
    """The outputs of the graph."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    names = [*trace.parameters.values(), *trace.buffers.values()]
    with torch.no_grad():
        outputs: Tensor = trace.module(*(tensors[name] for name in names), trace.example)
    return outputs


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (Writing, (3,)),
        (lambda: Sequence("lstm"), (5, 3)),
        (lambda: Sequence("gru"), (5, 3)),
        (lambda: nn.TransformerEncoderLayer(6, 2, 8, batch_first=True, norm_first=True), (4, 6)),
        (lambda: nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.BatchNorm2d(4), nn.ReLU(inplace=True)), (2, 5, 5)),
    ],
)
def test_it_computes_what_the_network_does_and_changes_nothing_in_place(
    build: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    network = build().eval()
    trace = traced_by(network, shape)
    with torch.no_grad():
        torch.testing.assert_close(again(trace, network), network(trace.example))
    assert not any(node.target._schema.is_mutable for node in trace.operations if hasattr(node.target, "_schema"))


def test_the_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    network[2].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.random.get_rng_state()
    traced_by(network, (3,))
    assert [module.training for module in network.modules()] == [True, True, True, False]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_shared_parameter_has_one_placeholder() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    assert list(traced_by(network, (3,)).parameters.values()) == ["0.weight", "0.bias", "1.bias"]


def test_where_a_node_comes_from() -> None:
    network = Writing()
    trace = traced_by(network, (3,))
    assert trace.images in trace.varying
    assert set(trace.outputs) <= trace.varying
    assert {names for names in trace.origins.values() if names} == {
        frozenset({"last.weight"}),
        frozenset({"last.bias"}),
    }


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("if", "what it does depends on the values of activations"),
        ("item", "depends on activations"),
        ("size", "depends on activations"),
        ("numpy", "not supported for tensor subclasses; compute with torch.where"),
    ],
)
def test_code_that_reads_activations_cannot_be_recorded(how: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        traced_by(Heeding(how), (3,))
