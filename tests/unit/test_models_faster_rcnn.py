"""Our Faster R-CNN finds what torchvision's parts find, and a pass of it is a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign, batched_nms

from pruneexp.cost.flops import by_layer, dense_flop
from pruneexp.errors import UserError
from pruneexp.models.faster_rcnn import FasterRcnn
from pruneexp.models.regions import Anchors, LevelPool, strongest
from pruneexp.pruning.layers import prunable
from tests.contracts.composing import composed
from tests.contracts.tracing import traced_by

NETWORKS = (Path(__file__).parents[2] / "docs/networks.md").read_text("utf-8").splitlines()

SMALL: dict[str, Any] = {
    "num_classes": 3, "backbone": "resnet18", "channels": 8, "hidden": 12, "anchors": (8, 16, 32, 48, 64),
    "samples": 16, "proposals": 20, "detections": 10,
}  # fmt: skip
TARGETS = torch.tensor([[[5.0, 5, 30, 30, 1, 0], [20, 30, 60, 60, 2, 1]], [[-1.0] * 6] * 2])


def detector(**others: Any) -> FasterRcnn:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return FasterRcnn(**{**SMALL, **others})


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=[True, False], ids=["pyramid", "last stage"])
def network(request: pytest.FixtureRequest) -> FasterRcnn:
    return detector(fpn=request.param)


@torch.no_grad()
def test_it_finds_what_the_parts_of_torchvision_find(network: FasterRcnn) -> None:
    """These drop boxes where ours mark them. Random weights would score alike: those of the last layer are larger."""
    network.eval()
    network.roi_heads.box_predictor.cls_score.weight.mul_(30)
    listed = ImageList(images(), [(64, 64)] * 2)
    features = network.backbone(images())
    proposals, _ = network.rpn(listed, features)
    theirs, _ = network.roi_heads(features, proposals, listed.image_sizes)
    ours = network(images())
    assert ours.shape == (2, 10, 6)
    for found, wanted in zip(ours, theirs, strict=True):
        count = len(wanted["scores"])
        assert 0 < count <= 10
        torch.testing.assert_close(found[:count, :4], wanted["boxes"])
        torch.testing.assert_close(found[:count, 4], wanted["scores"])
        assert torch.equal(found[:count, 5].long(), wanted["labels"] - 1)
        assert bool((found[count:] == -1).all())


@torch.no_grad()
def test_answers_to_an_image_do_not_depend_on_the_others(network: FasterRcnn) -> None:
    network.eval()
    together = network(images(18))  # more than run at once
    # Boxes are in pixels. Kernels for other batch sizes round otherwise, by 1.5e-5 on a processor without AVX-512.
    torch.testing.assert_close(network(images(18)[17:]), together[17:], rtol=0.0, atol=1e-4)


def test_a_level_pools_as_in_torchvision() -> None:
    draw = torch.Generator().manual_seed(0)
    names = ("0", "1", "2", "3")
    maps = {name: torch.randn(2, 3, 64 >> place, 64 >> place, generator=draw) for place, name in enumerate(names)}
    corners = torch.rand(2, 50, 2, generator=draw) * 100
    boxes = list(torch.cat([corners, corners + 1 + torch.rand(2, 50, 2, generator=draw) * 150], -1))
    sizes = [(256, 256)] * 2
    theirs = MultiScaleRoIAlign(list(names), 7, 2, canonical_scale=56)(maps, boxes, sizes)
    ours = LevelPool(8)({**maps, "pool": maps["3"]}, boxes, sizes)
    torch.testing.assert_close(ours, theirs)


def test_anchors_are_those_of_torchvision() -> None:
    listed, maps = ImageList(images(), [(64, 64)] * 2), [torch.zeros(2, 1, 16, 16), torch.zeros(2, 1, 8, 8)]
    theirs = AnchorGenerator(((8,), (16,)), ((0.5, 1.0, 2.0),) * 2)(listed, maps)
    assert all(torch.equal(*pair) for pair in zip(Anchors([[8], [16]])(listed, maps), theirs, strict=True))


def test_suppression_is_by_group_and_image() -> None:
    """Of three boxes on one place the best stays, but for that of another group; the other image is by itself."""
    box = torch.tensor([0.0, 0, 10, 10]).expand(2, 3, 4)
    scores, groups = torch.tensor([[0.5, 0.9, 0.8], [0.3, 0.2, 0.1]]), torch.tensor([[0, 0, 1], [0, 0, 0]])
    best, places = strongest(box, scores, groups, torch.tensor([[True] * 3, [False, True, True]]), 0.5, 3)
    assert best.tolist() == [pytest.approx([0.9, 0.8, -1]), pytest.approx([0.2, -1, -1])]
    assert places[:, 0].tolist() == [1, 1]
    assert len(batched_nms(box[0], scores[0], groups[0], 0.5)) == 2


def test_it_learns_from_objects_that_are_not_difficult(network: FasterRcnn) -> None:
    torch.manual_seed(3)
    losses = network(images(), TARGETS)
    torch.manual_seed(3)
    without = network(images(), TARGETS[:, :1])
    assert set(losses) == {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg"}
    assert {name: float(loss.detach()) for name, loss in losses.items()} == pytest.approx(
        {name: float(loss.detach()) for name, loss in without.items()}
    )
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_losses_are_there_in_evaluation_too(network: FasterRcnn) -> None:
    """Statistics of criteria are measured so."""
    network.eval()
    assert all(bool(loss.isfinite()) for loss in network(images(), TARGETS).values())
    assert network(images()).shape == (2, 10, 6)


def test_a_pass_is_a_graph_with_the_flop_of_the_backbone(network: FasterRcnn) -> None:
    classifier = resnet18()
    wanted = by_layer(classifier, dense_flop(traced_by(classifier, (3, 64, 64))))
    found = by_layer(network, dense_flop(traced_by(network, (3, 64, 64))))
    body = {name.removeprefix("backbone.body."): flop for name, flop in found.items() if ".body." in name}
    assert body == {name: flop for name, flop in wanted.items() if name != "fc"}
    assert found["roi_heads.box_predictor.cls_score"] == 2 * 20 * 12 * 4  # proposals, units, classes and background
    assert all(found.values())


def test_the_backbone_has_the_names_of_the_classifier(network: FasterRcnn) -> None:
    body = {name.removeprefix("backbone.body.") for name in prunable(network) if name.startswith("backbone.body.")}
    assert body == {*prunable(resnet18())} - {"fc"}


@pytest.mark.parametrize("line", [each for each in NETWORKS if each.startswith("| ") and "`model=faster_rcnn" in each])
def test_costs_are_those_of_the_docs(line: str) -> None:
    _, overrides, *printed = (cell.strip(" `") for cell in line.strip("|").split("|"))
    config, _ = composed(*overrides.split())
    with torch.device("meta"):
        network: nn.Module = instantiate(config.model, _convert_="all")
    found = dense_flop(traced_by(network, (3, config.data.info.image_size, config.data.info.image_size)))
    body = sum(flop for name, flop in by_layer(network, found).items() if ".body." in name)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert printed == [f"{parameters:,}", f"{found.total / 1e9:.4g}", f"{body / 1e9:.4g}"]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"anchors": (8, 16)}, r"anchors is \[8, 16\], must be 5 sides in px"),
        ({"anchors": (64, 8, 16, 32, 48)}, "the smallest first"),
        ({"proposals": 0}, "proposals is 0, must be at least 1"),
        ({"num_classes": 0}, "num_classes is 0, must be at least 1"),
    ],
)
def test_arguments_out_of_range_are_refused(argument: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        detector(**argument)


def test_another_backbone_is_refused() -> None:
    with pytest.raises(UserError, match=r"model\.backbone=vgg16 is no backbone of a detector: allowed are resnet18, "):
        detector(backbone="vgg16")
