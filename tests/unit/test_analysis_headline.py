"""Table 1 of Han et al. 2015 from hand-made points: chosen on val, reported on test."""

from __future__ import annotations

import pytest

from analysis.paper import HEADLINE_NAMES
from analysis.records import frames
from analysis.statistics import selection
from analysis.tables import headline
from pruneexp.errors import UserError
from pruneexp.schema.columns import LoggedPoint
from pruneexp.summary.spread import Spread
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point, with_top5


def study() -> list[LoggedPoint]:
    """Val accuracy is kept down to a density of 0.1 one-shot, and to 0.05 iteratively."""
    made = [
        point(schedule=schedule, seed=seed, density=density, dense=97.0, after=after + 0.2 * seed)
        for schedule, accuracies in (
            ("one_shot", {0.2: 97.1, 0.1: 97.0, 0.05: 95.0}),
            ("iterative", {0.1: 97.2, 0.05: 97.0, 0.02: 94.0}),
        )
        for density, after in accuracies.items()
        for seed in (0, 1, 2)
    ]
    return logged(*made)


class TestHeadline(TableContract):
    name = "headline"
    records = staticmethod(study)


def _only(points: list[LoggedPoint], epsilon: float = 0.0) -> headline.HeadlineNetwork:
    (network,) = headline.data(selection.latest(frames.frame(points)), epsilon=epsilon).networks
    return network


def _chosen(network: headline.HeadlineNetwork) -> tuple[str, float]:
    assert network.pruned is not None
    return dict(network.pruned.conditions)["schedule"], network.pruned.rate


def test_the_row_by_hand() -> None:
    network = _only(study())
    assert _chosen(network) == ("iterative", 20.0)
    assert network.pruned is not None
    assert network.pruned.kept == 500.0
    assert network.pruned.score.mean == pytest.approx(2.8)
    assert network.pruned.score.std == pytest.approx(0.2)
    assert network.score == Spread(3.0, 0.0, 3.0, 3.0, 3)
    assert len(network.pruned.runs) == 3


def test_epsilon_trades_accuracy_for_compression() -> None:
    assert _chosen(_only(study(), epsilon=1.0))[1] == 20.0
    assert _chosen(_only(study(), epsilon=3.0))[1] == 50.0


def test_the_test_split_has_no_say() -> None:
    lucky = [point(density=0.1, after=97.0), point(density=0.02, after=99.0, val_after=96.0)]
    network = _only(logged(*lucky, point(density=0.5, after=97.0)))
    assert _chosen(network)[1] == 10.0


def test_a_weak_dense_network_makes_nothing_free() -> None:
    strong = [point(reg="l2", density=density, dense=97.0, after=96.0) for density in (0.5, 0.1)]
    weak = [point(reg="l1", density=0.02, dense=90.0, after=91.0)]
    network = _only(logged(*strong, *weak))
    assert network.pruned is None
    assert network.closest == (-1.0, 10.0)
    assert network.score.mean == 3.0


def test_a_lucky_single_seed_is_no_headline() -> None:
    assert _chosen(_only([*study(), *logged(point(density=0.01, after=99.0))]))[1] == 20.0


def test_no_point_within_epsilon_is_said() -> None:
    made = headline.data(frames.frame(logged(point(after=96.5), point(density=0.02, after=90.0))))
    sheet = headline.sheet(made)
    assert sheet.rows[0][4].text == "–"
    assert sheet.notes[1] == (
        "lenet5 on mnist5k: no pruned point is that good; the closest changes val accuracy by -0.50 points at 10.0×."
    )


def test_the_papers_numbers_stand_below_ours() -> None:
    made = headline.data(frames.frame(logged(*(point(model=model, after=98.0) for model in HEADLINE_NAMES))))
    paper = {row[0].text: tuple(cell.text for cell in row[3:]) for row in headline.sheet(made).rows}
    assert paper["LeNet-300-100"] == ("1.64", "1.59", "267,000", "22,000", "12×")
    assert paper["LeNet-5"] == ("0.80", "0.77", "431,000", "36,000", "12×")
    assert paper["AlexNet"] == ("42.78", "42.77", "61,000,000", "6,700,000", "9×")
    assert paper["VGG-16"] == ("31.50", "31.34", "138,000,000", "10,300,000", "13×")


def test_a_network_the_paper_lacks_stands_alone() -> None:
    assert _only(logged(point(model="mine", after=98.0))).paper is None


def test_top5_on_imagenet() -> None:
    made = with_top5(point(data="imagenet", model="alexnet", dense=57.0, after=57.5), dense=80.0, after=80.5)
    network = _only(logged(made))
    assert network.top5_error is not None
    assert network.top5_error.mean == 20.0
    rows = [row[2].text for row in headline.sheet(headline.data(frames.frame(logged(made)))).rows]
    assert rows[1:] == ["ours, top-5", "Han et al. 2015", "Han et al. 2015, top-5"]


@pytest.mark.parametrize("epsilon", [-0.1, float("nan")])
def test_epsilon_out_of_range(epsilon: float) -> None:
    with pytest.raises(UserError, match="--epsilon must be 0 or more"):
        headline.data(frames.frame(study()), epsilon=epsilon)
