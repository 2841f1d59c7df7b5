"""Drop rates: Han's rule worked by hand, and which layer each dropout belongs to."""

from __future__ import annotations

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pruneexp.models.alexnet import AlexNet
from pruneexp.training.dropout import DropoutPolicy, Fixed, NoDropout, Phase, Scaled, applied, layers_of_dropouts


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Dropout2d(0.2), nn.Flatten(), nn.Linear(8, 4), nn.Dropout(0.5), nn.Linear(4, 2)
    )


def test_han_example() -> None:
    assert Scaled()(0.5, 9, 100) == pytest.approx(0.15)


def test_the_others() -> None:
    assert Fixed()(0.5, 9, 100) == 0.5
    assert NoDropout()(0.5, 9, 100) == 0.0


@given(st.floats(0, 1), st.integers(1, 1000), st.data())
def test_scaled_never_drops_more(original: float, connections: int, data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, connections))
    assert 0 <= Scaled()(original, kept, connections) <= original


def test_a_dropout_belongs_to_the_linear_layer_before_it() -> None:
    assert layers_of_dropouts(small()) == {"1": "3", "4": "3"}


def test_the_papers_alexnet() -> None:
    with torch.device("meta"):
        network = AlexNet()
    assert layers_of_dropouts(network) == {"dropout1": "fc1", "dropout2": "fc2"}


def test_torchvisions_alexnet_drops_before_its_first_linear_layer() -> None:
    with torch.device("meta"):
        network = torchvision.models.alexnet()
    assert layers_of_dropouts(network) == {"classifier.0": "classifier.1", "classifier.3": "classifier.1"}


def test_a_dropout_after_the_last_convolution() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Dropout())
    assert layers_of_dropouts(network) == {"2": "1"}


@pytest.mark.parametrize(
    ("policy", "phase", "expected"),
    [
        (Scaled(), "retrain", {"1": 0.06, "4": 0.15}),
        (Scaled(), "train", {"1": 0.2, "4": 0.5}),
        (Fixed(), "retrain", {"1": 0.2, "4": 0.5}),
        (NoDropout(), "train", {"1": 0.0, "4": 0.0}),
        (NoDropout(), "retrain", {"1": 0.0, "4": 0.0}),
    ],
)
def test_rates_of_a_phase(policy: DropoutPolicy, phase: Phase, expected: dict[str, float]) -> None:
    network = small()
    with applied(network, policy, phase, {"3": 0.09, "0": 0.5}) as rates:
        assert rates == pytest.approx(expected)
        assert network.get_submodule("4").p == rates["4"]
    assert network.get_submodule("4").p == 0.5


def break_while_applied(network: nn.Module) -> None:
    with applied(network, Scaled(), "retrain", {"3": 0.25}) as rates:
        raise KeyError(rates["4"])


def test_rates_come_back_after_an_error_and_never_compound() -> None:
    network = small()
    for _ in range(3):
        with pytest.raises(KeyError, match=r"^0\.25$"):
            break_while_applied(network)
    assert network.get_submodule("1").p == 0.2


def test_a_layer_without_a_density_is_dense() -> None:
    with applied(small(), Scaled(), "retrain", {}) as rates:
        assert rates == {"1": 0.2, "4": 0.5}


def test_bad_input() -> None:
    with (
        pytest.raises(ValueError, match=r"density of layer '3' is 1.5"),
        applied(small(), Scaled(), "retrain", {"3": 1.5}),
    ):
        pass
    with pytest.raises(ValueError, match="phase is 'prune'"), applied(small(), Scaled(), "prune", {}):  # type: ignore[arg-type]
        pass
