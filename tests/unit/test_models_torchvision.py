"""torchvision's networks: its own layers and initial weights, and pretrained ones without a network connection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import AlexNet_Weights

from pruneexp.errors import UserError
from pruneexp.models import torchvision_models
from pruneexp.pruning.layers import prunable
from tests.contracts.networks import NetworkContract

FEATURES = (0, 3, 6, 8, 10)


class TestAlexNet(NetworkContract):
    classes = 3
    layers = (*(f"features.{i}" for i in FEATURES), "classifier.1", "classifier.4", "classifier.6")

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: torchvision_models.alexnet(num_classes=3)


def test_vgg16_is_torchvisions() -> None:
    with torch.device("meta"):
        network = torchvision_models.vgg16()
        assert network(torch.zeros(1, *torchvision_models.INPUT_SHAPE)).shape == (1, 1000)
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
