"""Energy of layers by Han et al. 2015, Figure 1, from hand-made points."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from analysis.figures import energy
from analysis.records import frames, layer_frames
from pruneexp.errors import UserError
from pruneexp.schema import LayerRow
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point


def _row(layer: str, weights: int, kept: int, reuse: int) -> LayerRow:
    return LayerRow(
        layer=layer, kind="linear", weights_total=weights, weights_kept=kept, density=kept / weights,
        density_effective=0.1, flop=2.0 * weights * reuse, activation_share=0.5, flop_share=0.5 * kept / weights,
        neurons_total=20, neurons_dead=0, bytes_dense=4 * weights, bytes_sparse=5 * kept,
    )  # fmt: skip


def seeds() -> list[LoggedPoint]:
    """Two seeds: a layer whose weights are read for 100 products each, and one of which each has one."""
    rows = [(_row("conv1", 100, 50, 100), _row("fc1", 1000, 100 + 100 * seed, 1)) for seed in (0, 1)]
    return logged(*(replace(point(seed=seed), layers=rows[seed]) for seed in (0, 1)))


def _frame(points: list[LoggedPoint]) -> pd.DataFrame:
    return layer_frames.frame(frames.frame(points), {one.run_id: one.point.layers for one in points})


class TestEnergy(FigureContract):
    name = "energy"
    records = staticmethod(seeds)


def test_the_layers_by_hand() -> None:
    conv1, fc1, total = energy.data(_frame(seeds())).layers
    assert (conv1.reading, conv1.arithmetic) == pytest.approx((0.064, 0.046))  # 100 x 640 pJ, 10,000 x 4.6 pJ
    assert (conv1.kept_reading.mean, conv1.kept_arithmetic.mean) == pytest.approx((0.04, 0.023))  # 62.5 words
    assert conv1.ratio == pytest.approx(110.0 / 63.0)
    assert (fc1.reading, fc1.arithmetic) == pytest.approx((0.64, 0.0046))
    assert fc1.kept_reading.mean == pytest.approx(0.12)  # 80 and 160
    assert fc1.kept_reading.std == pytest.approx(0.08 / 2**0.5)
    assert total.kept_arithmetic.mean == pytest.approx(0.023 + 0.15 * 0.0046)


def test_layers_that_fit_are_read_from_sram_and_zeros_may_be_skipped() -> None:
    conv1, fc1, _ = energy.data(_frame(seeds()), sram=1.0, skip_zeros=True).layers
    assert (conv1.memory, fc1.memory, fc1.kept_memory) == ("32b SRAM cache", "32b DRAM memory", "32b SRAM cache")
    assert conv1.reading == pytest.approx(5e-4)  # 100 x 5 pJ
    assert fc1.kept_reading.mean == pytest.approx(0.12 * 5.0 / 640.0)
    assert conv1.kept_arithmetic.mean == pytest.approx(0.0115)


def test_less_than_no_memory_is_refused() -> None:
    with pytest.raises(UserError, match=r"^--sram must be 0 or more kB; got -1\.$"):
        energy.data(_frame(seeds()), sram=-1.0)
