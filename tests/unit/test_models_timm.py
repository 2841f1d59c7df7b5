"""timm's networks by name: their sizes, what is said of names and weights that are not there."""

from __future__ import annotations

import sys
from urllib.request import Request

import pytest
import timm
import torch

from pruneexp.errors import UserError
from pruneexp.models import timm_models
from pruneexp.pruning.layers import prunable


def test_a_network_is_timms_with_another_head() -> None:
    torch.manual_seed(0)
    network = timm_models.named("resnet18.a1_in1k", num_classes=3)
    torch.manual_seed(0)
    own = timm.create_model("resnet18", num_classes=3)
    assert network.input_shape == (3, 224, 224)
    assert all(torch.equal(tensor, own.state_dict()[name]) for name, tensor in network.state_dict().items())
    assert len(prunable(network)) == 21


@pytest.mark.parametrize(
    ("name", "image_size", "side"),
    [("inception_v3", None, 299), ("vit_tiny_patch16_224", 64, 64), ("convnext_atto", 64, 64)],
)
def test_a_network_takes_images_of_its_weights_or_of_the_size_that_is_asked(
    name: str, image_size: int | None, side: int
) -> None:
    with torch.device("meta"):
        network = timm_models.named(name, 5, image_size=image_size)
    assert network.input_shape == (3, side, side)
    with torch.device("meta"), torch.no_grad():
        assert network.eval()(torch.zeros(1, 3, side, side)).shape == (1, 5)


def test_names_that_timm_does_not_have_are_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"model\.name=resnt18 is no network of timm: the nearest names are resnet18"):
        timm_models.named("resnt18")
    with pytest.raises(UserError, match=r"resnet18.a1 is no network of timm: the nearest names are resnet18.a"):
        timm_models.named("resnet18.a1")
    with pytest.raises(UserError, match="hf-hub:me/mine is no network of timm"):  # what a server says is no name
        timm_models.named("hf-hub:me/mine")


def test_without_timm_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"model=timm needs the library timm.*: pip install -e '\.\[hub\]'"):
        timm_models.named("resnet18")


def test_weights_that_cannot_be_had_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: Request, timeout: float) -> None:
        assert request.full_url == "https://huggingface.co/timm/resnet18.a1_in1k"
        raise OSError("no route to host")

    monkeypatch.setattr(timm_models, "urlopen", refuse)
    monkeypatch.setattr(timm_models, "_is_there", lambda settings: False)
    with pytest.raises(UserError, match=r"no route to host.*'hf download timm/resnet18.a1_in1k' puts them into"):
        timm_models.named("resnet18", pretrained=True)  # not after minutes of the library's own attempts
    with pytest.raises(UserError, match="timm has no pretrained weights for mixer_s32_224"):
        timm_models.named("mixer_s32_224", pretrained=True)


def test_pretrained_weights_with_other_classes_keep_all_but_the_last_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {name: torch.full_like(t, 0.5) for name, t in timm.create_model("test_resnet").state_dict().items()}
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *args, **kwargs: dict(weights))
    monkeypatch.setattr(timm_models, "_is_there", lambda settings: True)
    own = timm_models.named("test_resnet", num_classes=3, pretrained=True).state_dict()
    assert own["fc.weight"].shape[0] == 3
    assert all(torch.equal(tensor, weights[name]) for name, tensor in own.items() if not name.startswith("fc."))
