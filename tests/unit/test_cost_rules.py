"""The rules behind Han et al. 2015, Tables 2 to 5, against the values worked out of the printed columns."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.cost.rules import flop_share, total_share
from pruneexp.cost.storage import INDEX_BITS, VALUE_BITS

TESTS = Path(__file__).parents[1]
FOLDERS = (TESTS / "data", TESTS.parent / "analysis/reference")

#: Activations of one image by layer; convolutions that are followed by pooling count after it.
ACTIVATIONS = {
    "LeNet-300-100": [300, 100, 10],
    "LeNet-5": [20 * 12**2, 50 * 4**2, 500, 10],
    "AlexNet": [96 * 27**2, 256 * 13**2, 384 * 13**2, 384 * 13**2, 256 * 6**2, 4096, 4096, 1000],
    "VGG-16": [
        *(64 * 224**2, 64 * 112**2),
        *(128 * 112**2, 128 * 56**2),
        *(256 * 56**2, 256 * 56**2, 256 * 28**2),
        *(512 * 28**2, 512 * 28**2, 512 * 14**2),
        *(512 * 14**2, 512 * 14**2, 512 * 7**2),
        *(4096, 4096, 1000),
    ],
}
TABLES = ("table2_lenet300100", "table3_lenet5", "table4_alexnet", "table5_vgg16")

Printed = dict[str, dict[str, float]]  # row -> metric -> value


def read(name: str) -> list[dict[str, str]]:
    (path,) = (path for folder in FOLDERS for path in folder.glob(f"han2015_{name}.csv"))
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def tables() -> dict[str, Printed]:
    found: dict[str, Printed] = {}
    for name in TABLES:
        for row in read(name):
            found.setdefault(row["model"], {}).setdefault(row["row"], {})[row["metric"]] = float(row["value"])
    return found


def derived(model: str, printed: Printed) -> dict[tuple[str, str, str], float]:
    """(model, row, metric) -> percent, from the printed rows: each layer from two columns, each total from its own."""
    layers = [name for name in printed if name not in ("Total", "caption")]
    column = {
        metric: [printed[layer][metric] for layer in layers]
        for metric in ("weights", "flop", "activation_density", "weight_density", "flop_density")
    }
    read_by = [1.0, *(share / 100 for share in column["activation_density"])]
    flop = [flop_share(w, a) for w, a in zip(column["weight_density"], read_by, strict=False)]
    totals = {
        "activation_density_from_rule": zip(column["activation_density"], ACTIVATIONS[model], strict=True),
        "flop_density_from_rule": zip(column["flop_density"], column["flop"], strict=True),
        "weight_density_from_rows": zip(column["weight_density"], column["weights"], strict=True),
    }
    values = {(model, layer, "flop_density_from_rule"): share for layer, share in zip(layers, flop, strict=True)}
    return values | {(model, "Total", metric): total_share(parts) for metric, parts in totals.items()}


def test_every_derived_value_is_reproduced() -> None:
    ours: dict[tuple[str, str, str], float] = {}
    for model, printed in tables().items():
        ours |= derived(model, printed)
    checks = {(r["model"], r["row"], r["metric"]): float(r["value"]) for r in read("derived_checks")}
    overhead = checks.pop(next(key for key in checks if key[2] == "overhead"))
    assert len(checks) == 43
    assert ours == pytest.approx(checks, abs=0.1)
    assert pytest.approx(overhead, abs=0.1) == 100 * INDEX_BITS / VALUE_BITS


def test_every_printed_flop_share_is_within_a_point() -> None:
    for model, printed in tables().items():
        ours = derived(model, printed)
        for layer, row in printed.items():
            if layer != "caption":
                assert ours[model, layer, "flop_density_from_rule"] == pytest.approx(row["flop_density"], abs=1.0)


def test_every_printed_total_activation_share_is_exact() -> None:
    for model, printed in tables().items():
        share = derived(model, printed)[model, "Total", "activation_density_from_rule"]
        assert round(share) == printed["Total"]["activation_density"]


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 10**9)), min_size=1))
def test_a_total_lies_between_its_parts(parts: list[tuple[float, int]]) -> None:
    shares = [share for share, _ in parts]
    assert min(shares) - 1e-12 <= total_share(parts) <= max(shares) + 1e-12


@pytest.mark.parametrize("parts", [[], [(0.5, 0)]])
def test_a_total_of_nothing(parts: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="the sizes add up to 0, must be more than 0"):
        total_share(parts)
