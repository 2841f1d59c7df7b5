"""Table 1 of Han et al. 2015 from hand-made points: chosen on val, reported on test."""

from __future__ import annotations

import pytest

from analysis.names import DISPLAY_NAMES
from analysis.paper import HEADLINES
from analysis.records import frames
from analysis.statistics import selection
from analysis.tables import headline
from pruneexp.config.skeleton import conf_folder
from pruneexp.errors import UserError
from pruneexp.schema.columns import LoggedPoint
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
    pruned = network.choice.chosen
    assert pruned is not None
    return dict(pruned.conditions)["schedule"], pruned.rate


def test_the_row_by_hand() -> None:
    made = headline.data(selection.latest(frames.frame(study())))
    (network,) = made.networks
    assert _chosen(network) == ("iterative", 20.0)
    assert network.choice.chosen is not None
    assert network.choice.chosen.kept == 500.0
    assert [value for _, value in network.choice.reference.test] == [97.0] * 3
    (row,) = headline.rows(made)
    assert row["pruned_mean"] == pytest.approx(2.8)
    assert row["pruned_std"] == pytest.approx(0.2)
    assert (row["reference_mean"], row["reference_std"], row["n"]) == (3.0, 0.0, 3)
    assert len(row["runs"].split()) == 3


def test_the_change_on_test_is_paired_by_seed_and_judged() -> None:
    (row,) = headline.rows(headline.data(selection.latest(frames.frame(study()))))
    half = 4.302653 * 0.2 / 3**0.5  # t(2) for 95 %, the changes are 0.0, 0.2 and 0.4
    assert row["test_change"] == pytest.approx(0.2)
    assert row["test_change_low"] == pytest.approx(0.2 - half, abs=1e-6)
    assert row["test_change_high"] == pytest.approx(0.2 + half, abs=1e-6)
    assert (row["verdict"], row["margin"]) == ("no worse", 0.5)
    (row,) = headline.rows(headline.data(selection.latest(frames.frame(study())), margin=0.1))
    assert (row["verdict"], row["margin"]) == ("no evidence", 0.1)


def test_two_seeds_give_no_verdict_and_no_certainty() -> None:
    two = [one for one in study() if one.point.identity.seed < 2]
    made = headline.data(selection.latest(frames.frame(two)))
    (row,) = headline.rows(made)
    assert (row["verdict"], row["rate_low"], row["chosen_share"]) == ("no verdict", None, None)
    assert headline.sheet(made).rows[0][5].text == "n = 2: no verdict"


def test_the_choice_is_certain_where_seeds_agree_and_open_where_they_do_not() -> None:
    certain = _only(study()).choice.certainty
    assert certain is not None
    assert certain.high == 20.0  # 50x loses 3 points, and seeds differ by 0.2
    shares = sum(share for _, share in certain.shares)
    assert shares + certain.nothing == pytest.approx(1.0)
    scattered = [
        point(seed=seed, density=density, dense=97.0, after=97.0 + by * scale)
        for seed, by in enumerate((-1.0, 0.0, 1.0))
        for density, scale in ((0.5, 0.01), (0.1, 1.0))
    ]
    (row,) = headline.rows(headline.data(selection.latest(frames.frame(logged(*scattered)))))
    # Each mean is the reference's: above it in half of the draws, both at once, for both scatter alike.
    assert (row["rate"], row["rate_low"], row["rate_high"]) == (10.0, 1.0, 10.0)
    assert row["chosen_share"] == pytest.approx(0.5, abs=0.03)


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
    assert network.choice.chosen is None
    assert (network.choice.closest.val_change, network.choice.closest.rate) == (-1.0, 10.0)
    assert network.choice.reference.test == ((0, 97.0),)


def test_a_lucky_single_seed_is_no_headline() -> None:
    assert _chosen(_only([*study(), *logged(point(density=0.01, after=99.0))]))[1] == 20.0


def test_no_point_within_epsilon_is_said() -> None:
    made = headline.data(frames.frame(logged(point(after=96.5), point(density=0.02, after=90.0))))
    sheet = headline.sheet(made)
    assert [cell.text for cell in sheet.rows[0][3:]] == ["–", "–", "n = 1: no verdict", "– of 10,000", "–"]
    assert sheet.notes[1] == (
        "LeNet-5 on MNIST (5,000 digits): no pruned point is that good; the closest changes val accuracy by "
        "−0.50 points at 10.0×."
    )


def test_the_papers_numbers_stand_below_ours() -> None:
    made = headline.data(frames.frame(logged(*(point(model=model, after=98.0) for model in DISPLAY_NAMES["model"]))))
    paper = {row[0].text: tuple(cell.text for cell in row[2:] if cell.text)
             for row in headline.sheet(made).rows if row[1].text == "Han et al. 2015"}  # fmt: skip
    assert paper == {
        "LeNet-300-100 on MNIST": ("1.64", "1.59", "22,000 of 267,000", "12×"),
        "LeNet-5 on MNIST": ("0.80", "0.77", "36,000 of 431,000", "12×"),
        "AlexNet on ImageNet": ("42.78", "42.77", "6,700,000 of 61,000,000", "9×"),
        "VGG-16 on ImageNet": ("31.50", "31.34", "10,300,000 of 138,000,000", "13×"),
    }


def test_a_network_the_paper_lacks_stands_alone() -> None:
    assert _only(logged(point(model="mine", after=98.0))).paper is None


def test_top5_on_imagenet() -> None:
    made = with_top5(point(data="imagenet", model="alexnet", dense=57.0, after=57.5), dense=80.0, after=80.5)
    network = _only(logged(made))
    assert network.choice.reference.test_top5 == ((0, 80.0),)
    rows = headline.sheet(headline.data(frames.frame(logged(made)))).rows
    assert [row[1].text for row in rows[1:]] == ["ours, top-5", "Han et al. 2015", "Han et al. 2015, top-5"]
    assert [cell.text for cell in rows[1][2:4]] == ["20.00", "19.50"]


@pytest.mark.parametrize("epsilon", [-0.1, float("nan")])
def test_epsilon_out_of_range(epsilon: float) -> None:
    with pytest.raises(UserError, match="--epsilon must be 0 or more"):
        headline.data(frames.frame(study()), epsilon=epsilon)


def test_networks_of_the_papers_that_are_not_logged_stand_empty_with_what_runs_them() -> None:
    made = headline.data(selection.latest(frames.frame(study())), paper=True)
    rows = list(headline.rows(made))
    assert [row["model"] for row in rows][:2] == ["lenet5", "lenet_300_100"]
    assert (rows[1]["n"], rows[1]["runs"], rows[1]["paper_rate"]) == (None, "", 12.0)
    assert all(list(row) == list(rows[0]) for row in rows)
    assert [row["model"] for row in rows][3:] == ["vgg16", "googlenet", "squeezenet1_0", "resnet50"]
    sheet = headline.sheet(made)
    assert "To be run (VGG-16): python -m pruneexp experiment=han2015/vgg16 data.root=DIR" in sheet.notes
    assert [cell.text for cell in sheet.rows[2]][:3] == ["LeNet-300-100", "ours, to be run", "–"]
    assert len(list(headline.rows(headline.data(selection.latest(frames.frame(study())))))) == 1


def test_each_preset_of_the_papers_networks_is_there() -> None:
    assert [
        preset for preset in HEADLINES.values() if not (conf_folder() / "experiment" / f"{preset}.yaml").exists()
    ] == []
