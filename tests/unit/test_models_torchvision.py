"""torchvision's networks: its own layers and initial weights, and pretrained ones without a network connection."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import AlexNet_Weights
from torchvision.models.resnet import BasicBlock, Bottleneck

from pruneexp.errors import UserError
from pruneexp.models import torchvision_models
from pruneexp.models.adapt import input_shape_of
from pruneexp.models.classifier import replace_classifier
from pruneexp.models.scaled_resnet import scale_blocks_
from pruneexp.pruning.layers import block_scales, prunable
from tests.contracts.networks import NetworkContract

FEATURES = (0, 3, 6, 8, 10)


class TestAlexNet(NetworkContract):
    classes = 3
    layers = (*(f"features.{i}" for i in FEATURES), "classifier.1", "classifier.4", "classifier.6")

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: torchvision_models.alexnet(num_classes=3)


class TestSqueezeNet(NetworkContract):
    classes = 3
    layers = (
        "features.0",
        *(
            f"features.{i}.{part}"
            for i in (3, 4, 6, 7, 9, 10, 11, 12)
            for part in ("squeeze", "expand1x1", "expand3x3")
        ),
        "classifier.1",
    )

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: torchvision_models.named("squeezenet1_1", num_classes=3, image_size=40)


@pytest.mark.parametrize(
    ("name", "image_size", "side"),
    [("resnet18", None, 224), ("resnet18", 32, 32), ("inception_v3", None, 299), ("vit_b_32", 64, 64),
     ("maxvit_t", 448, 448)],
)  # fmt: skip
def test_a_network_takes_images_of_its_weights_or_of_the_size_that_is_asked(
    name: str, image_size: int | None, side: int
) -> None:
    with torch.device("meta"):
        network = torchvision_models.named(name, 5, image_size=image_size)
        assert network.input_shape == (3, side, side)
        assert network.eval()(torch.zeros(1, 3, side, side)).shape == (1, 5)


@pytest.mark.parametrize(("name", "removed"), [("googlenet", "aux1"), ("inception_v3", "AuxLogits")])
def test_classifiers_for_training_alone_are_left_out(name: str, removed: str) -> None:
    with torch.device("meta"):
        network = torchvision_models.named(name, 4).train()
        assert isinstance(network(torch.zeros(2, *input_shape_of(network, (0, 0, 0)))), torch.Tensor)
    assert not [each for each in network.state_dict() if each.startswith(removed)]


def test_each_name_is_known_and_others_are_answered_with_the_nearest() -> None:
    with pytest.raises(
        UserError, match=r"model.name=resnet_18 is no image classifier .*: the nearest names are resnet18"
    ):
        torchvision_models.named("resnet_18")
    with pytest.raises(UserError, match="fcn_resnet50 is no image classifier of torchvision"):  # it segments
        torchvision_models.named("fcn_resnet50")
    with pytest.raises(UserError, match="vit_b_32 cannot be built for image_size=50: Input shape indivisible"):
        torchvision_models.named("vit_b_32", image_size=50)


@pytest.mark.parametrize("name", ["squeezenet1_1", "vit_b_32", "mobilenet_v3_small", "googlenet"])
def test_the_classifying_layer_is_made_anew_and_nothing_else(name: str) -> None:
    with torch.device("meta"):
        whole = torchvision.models.get_model(
            name, num_classes=1000, **({"aux_logits": False, "init_weights": True} if name == "googlenet" else {})
        )
        before = {key: tensor.shape for key, tensor in whole.state_dict().items()}
        replace_classifier(whole, 1000, 7)
        after = {key: tensor.shape for key, tensor in whole.state_dict().items()}
        side = input_shape_of(torchvision_models.named(name, 7), (0, 0, 0))
        assert whole.eval()(torch.zeros(1, *side)).shape == (1, 7)
    changed = {key for key in before if before[key] != after[key]}
    assert before.keys() == after.keys()
    assert {key.rpartition(".")[2] for key in changed} == {"weight", "bias"}
    assert all(after[key][0] == 7 for key in changed)


def test_a_network_without_such_a_layer_is_refused() -> None:
    with pytest.raises(UserError, match="Linear has no layer with 1000 outputs"):
        replace_classifier(nn.Linear(3, 2), 1000, 7)


def test_vgg16_is_torchvisions() -> None:
    with torch.device("meta"):
        network = torchvision_models.vgg16()
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert network.input_shape == (3, 224, 224)
    assert type(network) is torchvision.models.VGG
    assert sum(p.numel() for p in network.parameters()) == 138_357_544
    assert len(prunable(network)) == 16


def test_too_few_classes() -> None:
    with pytest.raises(ValueError, match="num_classes is 1, must be at least 2"):
        torchvision_models.vgg16(num_classes=1)


def stored(monkeypatch: pytest.MonkeyPatch, answer: dict[str, torch.Tensor] | Exception) -> list[bool]:
    """Let torchvision find ``answer`` instead of downloading; the list has an entry per request."""
    asked: list[bool] = []

    def get_state_dict(self: AlexNet_Weights, *args: object, **kwargs: object) -> dict[str, torch.Tensor]:
        asked.append(True)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(AlexNet_Weights, "get_state_dict", get_state_dict)
    return asked


def test_pretrained_weights_with_other_classes_keep_all_but_the_last_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        shapes = torchvision.models.alexnet().state_dict()
    weights = {name: torch.full(tensor.shape, 0.5) for name, tensor in shapes.items()}
    asked = stored(monkeypatch, weights)
    network = torchvision_models.alexnet(num_classes=7, pretrained=True)
    own = network.state_dict()
    assert asked == [True]
    assert own["classifier.6.weight"].shape == (7, 4096)
    assert all(torch.equal(own[name], weights[name]) for name in own if not name.startswith("classifier.6"))
    assert network.input_shape == (3, 224, 224)


@pytest.mark.parametrize("problem", [URLError("no route to host"), RuntimeError("invalid hash value")])
def test_a_failed_download_says_where_the_file_belongs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problem: Exception
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    stored(monkeypatch, problem)
    with torch.device("meta"), pytest.raises(UserError) as caught:
        torchvision_models.alexnet(pretrained=True)
    said = str(caught.value)
    assert str(tmp_path / "hub" / "checkpoints") in said
    assert "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth" in said
    assert "model.pretrained=false" in said


def test_scales_multiply_residual_blocks_beside_their_shortcuts() -> None:
    torch.manual_seed(0)
    basic = BasicBlock(8, 8)
    network = nn.Sequential(Bottleneck(8, 2), basic).eval()
    before, images = copy.deepcopy(network), torch.randn(2, 8, 5, 5)
    scale_blocks_(network, "small")
    assert {*network.state_dict()} - {*before.state_dict()} == {"0.scale", "1.scale"}
    assert [*block_scales(network)] == ["0", "1"]
    assert torch.equal(network(images), before(images))
    nn.init.zeros_(network.get_parameter("0.scale"))
    nn.init.constant_(network.get_parameter("1.scale"), 0.5)
    alone = basic.bn2(basic.conv2(basic.bn1(basic.conv1(images.relu())).relu()))
    assert torch.equal(copy.deepcopy(network)(images), (images.relu() + 0.5 * alone).relu())
    with pytest.raises(UserError, match=r"scales the residual blocks of ResNets, and alexnet has none: use model\."):
        torchvision_models.named("alexnet", 2, block_scales=True)
