"""Parameters and FLOP of the networks that we ship: those that papers print, and those of docs/networks.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_DOWN, ROUND_HALF_UP
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate

from pruneexp.cost.flops import dense_flop
from tests.contracts.composing import composed
from tests.contracts.pruned_networks import PHOTO, PRESETS, left_by_preset, resnet50_of, sizes
from tests.contracts.shipped_networks import (
    CIFAR,
    PRUNED,
    cifar_table,
    cost_of,
    cut,
    epochs_of_scratch_b,
    other_table,
    printed,
    savings,
    scratch_table,
)
from tests.contracts.tracing import traced_by

PAGE = Path(__file__).parents[2] / "docs/networks.md"


def by_depth(names: Iterable[str]) -> list[Any]:
    """Names of networks; the deepest take five seconds each, and are slow tests."""
    return [pytest.param(name, marks=[pytest.mark.slow] * ("110" in name or "BC" in name)) for name in names]


@pytest.mark.parametrize("name", by_depth(name for name, metric in printed() if metric == "parameters"))
def test_parameters_are_those_that_papers_print(name: str) -> None:
    """Some papers round, and others leave digits out."""
    own, said = cost_of(*CIFAR[name]).parameters / 1e6, printed()[name, "parameters"]
    assert said in {cut(own, said, rounding) for rounding in (ROUND_DOWN, ROUND_HALF_UP)}


@pytest.mark.parametrize("name", by_depth(name for name, metric in printed() if metric == "flops"))
def test_flop_are_those_that_papers_print(name: str) -> None:
    """Li et al. 2017 call a multiply-add one FLOP."""
    said = printed()[name, "flops"]
    assert cut(cost_of(*CIFAR[name]).flop / 2e9, said, ROUND_HALF_UP) == said


@pytest.mark.parametrize(("name", "dense"), PRUNED.items())
def test_scratch_b_has_the_epochs_of_liu_by_both_rules(name: str, dense: str) -> None:
    own, theirs = savings(name, dense)
    said = printed()[name, "flops_ratio_dense_over_pruned"]
    assert cut(theirs, said, ROUND_HALF_UP) == said
    assert str(epochs_of_scratch_b(own)) == str(epochs_of_scratch_b(theirs)) == printed()[name, "epochs"]


@pytest.mark.parametrize("preset", by_depth(name for name in PRESETS if not name.startswith("resnet34")))
def test_a_preset_prunes_to_the_network_of_the_paper(preset: str) -> None:
    """All that is left has the shapes of the network that is made with these widths, and so its costs."""
    model = {"vgg16_a": "vgg16_cifar_a"}.get(preset, preset)
    config, _ = composed(f"model={model}", "data=cifar10")
    assert sizes(left_by_preset(preset)) == sizes(instantiate(config.model, _convert_="all"))


@pytest.mark.parametrize(
    ("name", "blocks", "parameters", "products"),
    [
        ("ResNet-41", (0, 4, 6, 3), "25.3", "3.473"),
        ("ResNet-32", (1, 4, 4, 1), "14.3", "2.779"),
        ("ResNet-26", (0, 2, 5, 1), "14.8", "2.381"),
    ],
)
def test_of_sparse_structures_only_resnet_41_has_the_costs_that_are_printed(
    name: str, blocks: tuple[int, ...], parameters: str, products: str
) -> None:
    """With the blocks of each stage that the table of their code lists, M parameters and G multiply-adds."""
    network, said = resnet50_of(*blocks), printed("imagenet")
    own = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert parameters in {cut(own, parameters, rounding) for rounding in (ROUND_DOWN, ROUND_HALF_UP)}
    assert cut(dense_flop(traced_by(network, PHOTO)).total / 2e9, products, ROUND_HALF_UP) == products
    there = said[name, "parameters"], said[name, "flops"]
    assert there == {
        "ResNet-41": (parameters, products), "ResNet-32": ("18.6", "2.818"), "ResNet-26": ("15.6", "2.329"),
    }[name]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("table", [cifar_table, scratch_table, other_table])
def test_the_page_has_the_tables_of_these_networks(table: Callable[[], Iterator[str]]) -> None:
    """Where a network is new or another, put the lines of this table in the place of those of the page."""
    lines = list(table())
    assert "\n".join(lines) in PAGE.read_text(encoding="utf-8")
