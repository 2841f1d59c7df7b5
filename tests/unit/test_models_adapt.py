"""Images made to fit a network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pruneexp.errors import UserError
from pruneexp.models.adapt import adapt, input_shape_of


def test_fitting_images_are_returned_as_they_are() -> None:
    images = torch.randn(2, 3, 8, 8)
    assert adapt(images, (3, 8, 8)) is images


def test_grey_is_repeated() -> None:
    images = torch.randn(2, 1, 8, 8)
    adapted = adapt(images, (3, 8, 8))
    assert adapted.shape == (2, 3, 8, 8)
    assert all(torch.equal(adapted[:, c], images[:, 0]) for c in range(3))


def test_doubling_by_hand() -> None:
    adapted = adapt(torch.tensor([0.0, 4.0]).view(1, 1, 1, 2), (1, 1, 4))
    assert adapted.flatten().tolist() == [0.0, 1.0, 3.0, 4.0]  # samples at -0.25, 0.25, 0.75, 1.25, clamped


def test_shrinking_does_not_blur() -> None:
    adapted = adapt(torch.arange(9.0).view(1, 1, 1, 9), (1, 1, 3))
    assert adapted.flatten().tolist() == [1.0, 4.0, 7.0]


def test_resizes_and_repeats_at_once() -> None:
    assert adapt(torch.zeros(2, 1, 28, 28), (3, 67, 67)).shape == (2, 3, 67, 67)


def test_colour_does_not_fit_a_grey_network() -> None:
    with pytest.raises(UserError, match="the images have 3 channels and the network takes 1"):
        adapt(torch.zeros(1, 3, 8, 8), (1, 8, 8))


def test_a_network_without_input_shape_takes_the_data_as_it_is() -> None:
    assert input_shape_of(nn.Linear(2, 2), (1, 28, 28)) == (1, 28, 28)


def test_a_network_asks_for_its_shape() -> None:
    network = nn.Flatten()
    network.input_shape = [3, 8, 9]  # type: ignore[assignment]
    assert input_shape_of(network, (1, 28, 28)) == (3, 8, 9)


@pytest.mark.parametrize("shape", [(3, 8), 8, (3, 0, 8), "no"])
def test_a_wrong_input_shape_is_named(shape: object) -> None:
    network = nn.Flatten()
    network.input_shape = shape  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"Flatten\.input_shape is .* must be three positive integers"):
        input_shape_of(network, (1, 28, 28))
