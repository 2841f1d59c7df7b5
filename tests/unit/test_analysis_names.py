"""Names that people read: those of choices that we ship, and a user's own as they are typed."""

from __future__ import annotations

from pathlib import Path

from analysis.names import DISPLAY_NAMES, display_name, display_subject
from analysis.paper import headline_of

CONF = Path(__file__).parents[2] / "conf"


def test_what_we_ship_has_a_name_and_what_a_user_adds_keeps_his() -> None:
    assert display_subject("lenet_300_100", "mnist5k") == "LeNet-300-100 on MNIST (5,000 digits)"
    assert display_subject("my_net", "my_data") == "my_net on my_data"
    assert display_name("criterion", "layer_magnitude") == "layer_magnitude"
    assert display_name("cap", 2.0) == "2.0"


def test_every_name_is_that_of_a_choice() -> None:
    for group, names in DISPLAY_NAMES.items():
        assert names.keys() <= {path.stem for path in (CONF / group).glob("*.yaml")}, group
        assert len(set(names.values())) == len(names), group


def test_the_papers_networks_have_the_names_of_the_paper() -> None:
    printed = {model: headline_of(model) for model in DISPLAY_NAMES["model"]}
    assert {model: of.name for model, of in printed.items() if of} == {
        model: DISPLAY_NAMES["model"][model] for model in ("lenet_300_100", "lenet5", "alexnet", "vgg16")
    }


def test_the_thesis_has_three_networks_more() -> None:
    resnet = headline_of("resnet50")
    assert resnet is not None
    assert (resnet.source, resnet.reference_top1_error, resnet.pruned_top5_error, resnet.kept, resnet.rate) == (
        "Han's thesis, Table 3.1", 23.85, 6.85, 7_470_000.0, 3.4
    )  # fmt: skip
    assert [of.name for of in map(headline_of, ("googlenet", "squeezenet1_0")) if of] == ["GoogleNet", "SqueezeNet"]
    assert headline_of("resnet18") is None
