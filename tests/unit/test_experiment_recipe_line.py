"""What a plan says of the recipe: its name, or that none is tuned and which one is for such data."""

from __future__ import annotations

import pytest

from pruneexp.experiment.plan import recipe_line

DEFAULT = {"epochs": 20, "optimizer": "sgd", "lr": 0.01}


@pytest.mark.parametrize(
    ("model", "data", "instead"),
    [
        ("resnet56", "cifar100", "train=cifar_paper or cifar_short takes one for such data"),
        ("torchvision", "imagenet", "train=imagenet_paper takes one for such data"),
        ("resnet56", "mnist5k", "train=NAME takes another's"),
    ],
)
def test_where_none_is_tuned_it_names_one_for_such_data(model: str, data: str, instead: str) -> None:
    said = recipe_line({"model": model, "data": data, "train": "default"}, DEFAULT)
    assert said == f"none is tuned for {model} on {data}: 20 epochs of sgd at 0.01; {instead}"


def test_a_recipe_is_named() -> None:
    assert (
        recipe_line({"model": "resnet20", "data": "mnist5k", "train": "mnist5k_resnet20"}, DEFAULT)
        == "mnist5k_resnet20"
    )
