"""Drop rates: Han's rule worked by hand, for each call of a dropout."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pruneexp.errors import UserError
from pruneexp.training import seeding
from pruneexp.training.dropout import DropoutPolicy, Fixed, NoDropout, Phase, Scaled, applied, calls_of
from tests.contracts.dropping import Functional, Shared, noise


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


def changed(
    network: nn.Module, policy: DropoutPolicy, phase: Phase, densities: dict[str, float], shape: tuple[int, ...]
) -> AbstractContextManager[dict[str, float]]:
    return applied(network, policy, phase, densities, calls_of(network, policy, noise(*shape)))


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
    with changed(network, policy, phase, {"3": 0.09, "0": 0.5}, (1, 4, 4)) as rates:
        assert rates == pytest.approx(expected)
        assert network.get_submodule("4").p == rates["4"]
    assert network.get_submodule("4").p == 0.5


def break_while_applied(network: nn.Module) -> None:
    with changed(network, Scaled(), "retrain", {"3": 0.25}, (1, 4, 4)) as rates:
        raise KeyError(rates["4"])


def test_rates_come_back_after_an_error_and_never_compound() -> None:
    network = small()
    for _ in range(3):
        with pytest.raises(KeyError, match=r"^0\.25$"):
            break_while_applied(network)
    assert network.get_submodule("1").p == 0.2


def test_a_layer_without_a_density_is_dense() -> None:
    with changed(small(), Scaled(), "retrain", {}, (1, 4, 4)) as rates:
        assert rates == {"1": 0.2, "4": 0.5}


def test_bad_input() -> None:
    with (
        pytest.raises(ValueError, match=r"density of layer '3' is 1.5"),
        changed(small(), Scaled(), "retrain", {"3": 1.5}, (1, 4, 4)),
    ):
        pass
    with pytest.raises(ValueError, match="phase is 'prune'"), applied(small(), Scaled(), "prune", {}, ()):  # type: ignore[arg-type]
        pass


IMAGES = torch.linspace(-1, 2, 288).view(2, 1, 12, 12)  # bright on average
DENSITIES = {"conv1": 0.81, "fc1": 0.25, "fc2": 0.64}


def seen(network: nn.Module, *images: Tensor) -> list[float]:
    """The rates at which a shared dropout drops in passes over these images."""
    Shared.rates.clear()
    for batch in images:
        network(batch)
    return list(Shared.rates)


def test_a_dropout_that_is_called_twice_has_the_rate_of_each_layer() -> None:
    network = Shared()
    with changed(network, Scaled(), "retrain", DENSITIES, (1, 12, 12)) as rates:
        assert rates == pytest.approx({"drop[0]": 0.25, "drop[1]": 0.4})  # 0.5 sqrt(0.25), 0.5 sqrt(0.64)
        expected = pytest.approx([0.25, 0.4])
        assert seen(network, IMAGES) == seen(network, IMAGES) == expected
        network.eval()(IMAGES)
        assert seen(network.train(), IMAGES) == expected
        assert seen(copy.deepcopy(network), IMAGES, IMAGES)[2:] == expected
        assert seen(network, IMAGES) == expected
    assert seen(network, IMAGES) == [0.5, 0.5]
    assert seen(copy.deepcopy(network), IMAGES) == [0.5, 0.5]


@pytest.mark.parametrize(("policy", "phase"), [(Scaled(), "train"), (Fixed(), "retrain"), (NoDropout(), "retrain")])
def test_one_rate_needs_no_call(policy: DropoutPolicy, phase: Phase) -> None:
    """Nor does the network have to call its dropouts equally often in each pass."""
    network, rate = Shared(times=3), 0.0 if isinstance(policy, NoDropout) else 0.5
    with changed(network, policy, phase, DENSITIES, (1, 12, 12)) as rates:
        assert rates == {"drop": rate}
        assert seen(network, IMAGES, -IMAGES) == [rate] * 6


def test_calls_at_one_rate_may_be_as_many_as_the_images() -> None:
    class OneByOne(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.drop, self.fc2 = nn.Linear(144, 64), nn.Dropout(0.5), nn.Linear(64, 2)

        def forward(self, images: Tensor) -> Tensor:
            return torch.stack([self.fc2(self.drop(self.fc1(image.flatten()))) for image in images])

    network = OneByOne()
    with changed(network, Scaled(), "retrain", {"fc1": 0.25, "fc2": 0.5}, (1, 12, 12)) as rates:
        assert rates == {"drop": 0.25}
        for images in (IMAGES, IMAGES[:1], torch.cat([IMAGES, IMAGES])):
            network(images)
        assert network.drop.p == 0.25


@pytest.mark.parametrize("times", [0, 2])
def test_a_network_that_calls_it_another_number_of_times_is_refused(times: int) -> None:
    network = Shared(times=times)
    calls = calls_of(Shared(), Scaled(), noise(1, 12, 12))
    with applied(network, Scaled(), "retrain", DENSITIES, calls):
        network(IMAGES)
        with pytest.raises(UserError, match=r"drop drops, but it is called 2 times in one pass and .* in another"):
            network(-IMAGES)
    assert network.drop.p == 0.5


class Recomputed(nn.Module):
    """Between its layers, ``again`` computes activations anew in the backward pass."""

    def __init__(self, again: bool) -> None:
        super().__init__()
        self.again = again
        self.fc1, self.drop, self.fc2 = nn.Linear(144, 64), nn.Dropout(0.5), nn.Linear(64, 2)

    def forward(self, images: Tensor) -> Tensor:
        hidden = images.flatten(1).requires_grad_()
        hidden = checkpoint(self.between, hidden, use_reentrant=False) if self.again else self.between(hidden)
        return self.fc2(hidden)  # type: ignore[no-any-return]

    def between(self, hidden: Tensor) -> Tensor:
        return self.drop(self.fc1(hidden).relu())  # type: ignore[no-any-return]


def test_activations_that_are_computed_again_are_dropped_alike() -> None:
    gradients: list[Tensor | None] = []
    for again in (False, True):
        with seeding.stream(0, "weights and drops"):
            network = Recomputed(again)
            with changed(network, Scaled(), "retrain", {"fc1": 0.25, "fc2": 0.5}, (1, 12, 12)) as rates:
                assert rates == {"drop": 0.25}
                network(IMAGES).sum().backward()
                assert network.drop.p == 0.25
        gradients.append(network.get_parameter("fc1.weight").grad)
    once, again_too = gradients
    assert once is not None
    assert again_too is not None
    assert torch.equal(once, again_too)


def test_activations_that_are_computed_again_are_refused_where_rates_differ() -> None:
    network = Shared(again=True)
    with (
        changed(network, Scaled(), "retrain", DENSITIES, (1, 12, 12)),
        pytest.raises(UserError, match="drop, which is called 2 times within a pass at several rates, where"),
    ):
        network(IMAGES).sum().backward()


def test_a_policy_that_cannot_reach_what_drops_is_refused() -> None:
    for policy, name in ((NoDropout(), "none"), (Scaled(), "scaled")):
        with pytest.raises(UserError, match=rf"dropout={name} cannot reach the functional dropout in Functional"):
            calls_of(Functional("mha"), policy, noise(1, 12, 12))
    assert calls_of(Functional("mha"), Fixed(), noise(1, 12, 12)) == ()
