"""Where kernels keep their weights, as in Liu et al. 2019, Figure 4, from hand-made points."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from analysis.figures import kernel_patterns
from analysis.records import frames, layer_frames
from pruneexp.errors import UserError
from pruneexp.schema import LayerRow
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point


def _row(layer: str, kernel: str | None, kernels: int, pixels: int, places: int = 9) -> LayerRow:
    weights = kernels * places
    return LayerRow(
        layer=layer, kind="conv", weights_total=weights, weights_kept=9, density=0.5, density_effective=0.5,
        flop=2.0 * weights * pixels, activation_share=1.0, flop_share=0.5, neurons_total=4, neurons_dead=0,
        bytes_dense=2000, bytes_sparse=100, kernel=kernel,
    )  # fmt: skip


def seeds() -> list[LoggedPoint]:
    """Two seeds: two layers with maps of 4 x 4, one of 2 x 2 with kernels of five by one, and a linear one."""
    made = []
    for seed in (0, 1):
        rows = (
            _row("conv1", "1 2 3;4 5 6;7 8 9", 10, 16),
            _row("conv2", f"0 0 0;0 {10 * seed} 0;0 0 0", 10, 16),
            _row("conv3", "4 3 2 1 0", 8, 4, places=5),
            _row("fc", None, 10, 1, places=1),
        )
        made.append(replace(point(seed=seed), layers=rows))
    return logged(*made)


def _made(points: list[LoggedPoint]) -> kernel_patterns.KernelPatterns:
    layers = {one.run_id: one.point.layers for one in points}
    return kernel_patterns.data(layer_frames.frame(frames.frame(points), layers))


class TestKernelPatterns(FigureContract):
    name: ClassVar[str] = "kernel_patterns"
    records = staticmethod(seeds)


def test_the_stages_by_hand() -> None:
    first, second = _made(seeds()).stages
    assert (first.layers, first.pixels) == (("conv1", "conv2"), 16)
    assert [[kept.mean for kept in row] for row in first.kept] == [
        [0.05, 0.1, 0.15], [0.2, pytest.approx((5 / 20 + 15 / 20) / 2), 0.3], [0.35, 0.4, 0.45]
    ]  # fmt: skip
    assert first.kept[0][0].std == 0.0
    assert first.kept[1][1].std == pytest.approx(0.5 / 2**0.5)
    assert (second.layers, second.pixels) == (("conv3",), 4)
    assert [[kept.mean for kept in row] for row in second.kept] == [[0.5, 0.375, 0.25, 0.125, 0.0]]


def test_the_papers_shades() -> None:
    points = seeds()
    frame = layer_frames.frame(frames.frame(points), {one.run_id: one.point.layers for one in points})
    made = kernel_patterns.data(frame, paper=True)
    assert [stage.stage for stage in made.paper] == [3, 4, 5]
    corner, middle = made.paper[2].kept[0][0], made.paper[2].kept[1][1]
    assert (corner.mean, middle.mean) == (1 - 203 / 255, 1 - 150 / 255)
    assert len(list(kernel_patterns.rows(made))) == 9 + 5 + 27


def test_records_without_kernels_are_said() -> None:
    points = [one._replace(point=replace(one.point, layers=one.point.layers[-1:])) for one in seeds()]
    with pytest.raises(UserError, match=r"^no layer of these points says where its kernels keep weights"):
        _made(points)
