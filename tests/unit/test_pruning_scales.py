"""Scales of channels and blocks: found by hand, as scores of channels, and what is not scaled."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.models.densenet import DenseNet
from pruneexp.models.preresnet import PreResNet
from pruneexp.models.resnet_cifar import CifarResNet
from pruneexp.models.vgg_cifar import CifarVGG
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.nonzero import Nonzero
from pruneexp.pruning.criteria.block_scale import BlockScale
from pruneexp.pruning.criteria.channel_scale import ChannelScale
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.scales import scales_of_blocks, scales_of_channels
from pruneexp.pruning.select import Allocation, Selection, select
from pruneexp.pruning.units.channel import Channel
from pruneexp.schema import Budget
from tests.contracts.channels import apart, restless
from tests.contracts.tracing import traced_by

SHAPE = (1, 14, 14)


def drawn(network: nn.Module) -> nn.Module:
    """The network in evaluation mode, with scales of both signs."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, generator=generator)
    return network.eval()


def vgg() -> nn.Module:
    return drawn(CifarVGG(3, 1, 14, widths=((6,), (8,), (10,))))


def scores(network: nn.Module) -> dict[str, Tensor]:
    """The score of each channel, by set."""
    trace, makers = traced_by(network, SHAPE), prunable(network, ("conv",))
    score = ChannelScale().informed({"channel_scales": scales_of_channels(network, trace, makers)})
    found = {name: weight.detach() for name, weight in weights(network).items()}
    return Channel().grouping(trace, network, makers).means(score(found, torch.Generator()))


def cut(network: nn.Module, allocation: Allocation, budget: Budget) -> Selection:
    trace, makers = traced_by(network, SHAPE), prunable(network, ("conv",))
    score = ChannelScale().informed({"channel_scales": scales_of_channels(network, trace, makers)})
    units = Channel().grouping(trace, network, makers)
    found = {name: weight.detach() for name, weight in weights(network).items()}
    return select(found, budget, score, allocation, unit=units, generator=torch.Generator())


def gamma(network: nn.Module, name: str) -> Tensor:
    return network.get_parameter(f"{name}.weight").detach().abs().double()


def test_slimming_is_one_threshold_over_all_scales() -> None:
    network = vgg()
    masks = cut(network, GlobalThreshold(), Budget("units", 0.5)).masks
    gammas = [gamma(network, f"norm{stage}_1") for stage in (1, 2, 3)]
    threshold = torch.cat(gammas).sort().values[12]  # half of 24 channels stay
    kept = [each >= threshold for each in gammas]
    before = torch.ones(1, dtype=torch.bool)
    for stage, own in zip((1, 2, 3), kept, strict=True):
        both = (own[:, None] & before[None, :])[..., None, None]
        assert torch.equal(masks[f"conv{stage}_1"], both.expand_as(masks[f"conv{stage}_1"]))
        before = own
    assert masks["fc"].any(0).view(len(before), -1).any(1).tolist() == before.tolist()


def test_where_several_normalise_a_channel_the_score_is_their_mean() -> None:
    network = drawn(PreResNet(3, 1, 14, depth=20, widths=(2, 3, 4)))
    found = scores(network)
    stream = [gamma(network, name) for name in ("stage1.1.norm1", "stage2.0.norm1")]  # of both that read the stage
    torch.testing.assert_close(found["stage1.0.conv3"], torch.stack(stream).mean(0))
    torch.testing.assert_close(found["stage1.1.conv2"], gamma(network, "stage1.1.norm3"))


def test_a_concatenation_has_its_channels_normalised_by_all_that_read_it() -> None:
    network = drawn(DenseNet(3, 1, 14, depth=10, growth=2))
    found = scores(network)["block1.0.conv"]  # behind the 4 channels of the first convolution
    read = [gamma(network, name)[4:6] for name in ("block1.1.norm1", "transition1.norm")]
    torch.testing.assert_close(found, torch.stack(read).mean(0))


@pytest.mark.parametrize("build", [CifarResNet, PreResNet])
def test_channels_inside_a_block_have_its_scale_too(build: type[CifarResNet] | type[PreResNet]) -> None:
    depth = 8 if build is CifarResNet else 11
    network = drawn(build(3, 1, 14, depth=depth, widths=(2, 3, 4), block_scales=True))
    before = scores(network)
    nn.init.constant_(network.get_parameter("stage2.0.scale"), -0.5)
    after = scores(network)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"stage2.0.conv1", *(["stage2.0.conv2"] if build is PreResNet else [])}
    torch.testing.assert_close(after["stage2.0.conv1"], before["stage2.0.conv1"] / 2)


def test_blocks_are_scored_by_their_scales() -> None:
    network = CifarResNet(3, 1, 14, depth=8, widths=(2, 3, 4), block_scales=True)
    nn.init.constant_(network.get_parameter("stage2.0.scale"), -0.5)
    layers = prunable(network)
    score = BlockScale().informed({"block_scales": scales_of_blocks(network, layers)})
    found = score({name: layer.weight for name, layer in layers.items()}, torch.Generator())
    assert {name: each.unique().tolist() for name, each in found.items() if name.startswith("stage2")} == {
        "stage2.0.conv1": [0.5], "stage2.0.conv2": [0.5]
    }  # fmt: skip
    assert found["fc"].unique().tolist() == found["stage1.0.conv1"].unique().tolist() == [1.0]
    with pytest.raises(UserError, match=r"CifarVGG has none: model.block_scales=true adds them"):
        scales_of_blocks(vgg(), prunable(vgg()))


def test_what_training_set_to_zero_goes_and_a_smaller_budget_takes_more() -> None:
    network = vgg()
    with torch.no_grad():
        network.get_parameter("norm2_1.weight")[[1, 4, 5]] = 0.0
        network.get_parameter("norm3_1.weight").zero_()
    found = cut(network, Nonzero(), Budget("units", 1.0))
    kept = [int(found.masks[f"conv{stage}_1"].flatten(1).any(1).sum()) for stage in (1, 2, 3)]
    assert kept == [6, 5, 1]
    assert found.collapsed == ("conv3_1",)
    gammas = torch.cat([gamma(network, f"norm{stage}_1") for stage in (1, 2, 3)])
    few = cut(network, Nonzero(), Budget("units", 5 / 24)).masks
    rows = [int(few[f"conv{stage}_1"].flatten(1).any(1).sum()) for stage in (1, 2)]
    assert sum(rows) == int((gammas >= gammas.sort(descending=True).values[4]).sum()) == 5


def test_the_removed_network_computes_what_the_masked_one_does() -> None:
    network = restless(CifarResNet(3, 1, 14, depth=14, widths=(4, 6, 8), block_scales=True))
    nn.init.zeros_(network.get_parameter("stage2.1.scale"))
    distance, small = apart(network, cut(network, Nonzero(), Budget("units", 0.7)).masks, SHAPE)
    assert distance < 1e-5
    assert small.get_parameter("stage2.1.conv1.weight").shape[0] == 1


def test_a_channel_that_nothing_normalises_is_told_by_name() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3), nn.Conv2d(5, 2, 10))
    trace = traced_by(network, SHAPE)
    said = r"none scales the outputs of 2: leave these layers out with criterion.exclude, or choose criterion=channel"
    with pytest.raises(UserError, match=said):
        scales_of_channels(network, trace, prunable(network))
    found = scales_of_channels(network, trace, prunable(network, exclude=["2"]))
    assert {name: each.flatten().tolist() for name, each in found.items()} == {"0": [1.0] * 4, "2": [0.0], "3": [0.0]}
