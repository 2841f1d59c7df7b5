"""Masks: the mapping, and that pruned weights stay at zero while the network trains."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.enforcement import assert_enforced, enforced
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.masks import MaskSet


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 3))


def half(net: nn.Module, seed: int = 0) -> MaskSet:
    noise = torch.Generator().manual_seed(seed)
    return MaskSet({name: torch.rand(w.shape, generator=noise) < 0.5 for name, w in weights(net).items()})


def backward(net: nn.Module, scale: float = 1.0) -> None:
    noise = torch.Generator().manual_seed(1)
    loss = nn.functional.cross_entropy(net(torch.randn(8, 1, 4, 4, generator=noise)), torch.arange(8) % 3)
    (loss * scale).backward()


class TestLayers:
    def test_names_and_kinds_in_order(self) -> None:
        assert {name: layer.kind for name, layer in prunable(network()).items()} == {
            "0": "conv",
            "3": "linear",
            "5": "linear",
        }

    def test_one_kind(self) -> None:
        assert list(weights(network(), ["conv"])) == ["0"]

    def test_a_tied_weight_is_listed_once(self) -> None:
        net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        net[1].weight = net[0].weight
        assert list(weights(net)) == ["0"]

    def test_nothing_prunable_is_refused(self) -> None:
        with pytest.raises(UserError, match="ReLU has no prunable layer of kind conv or linear; "):
            prunable(nn.ReLU(), ["conv", "linear"])

    def test_unknown_kind_is_refused(self) -> None:
        with pytest.raises(UserError, match="Unknown kind of layer 'convs'; kinds are conv, linear"):
            prunable(network(), ["convs"])


class TestMaskSet:
    def test_counts(self) -> None:
        masks = MaskSet({"a": torch.tensor([True, False, False, False]), "b": torch.tensor([True, True])})
        assert (masks.kept, masks.total, masks.density) == (3, 6, 0.5)
        assert masks.kept_per_layer == {"a": 1, "b": 2}
        assert masks.densities() == {"a": 0.25, "b": 1.0}

    def test_dense_keeps_everything(self) -> None:
        masks = MaskSet.dense(weights(network()))
        assert masks.density == 1.0
        assert list(masks) == ["0", "3", "5"]

    def test_restrict(self) -> None:
        masks = half(network())
        assert list(masks.restrict(["5", "0"])) == ["0", "5"]
        with pytest.raises(KeyError, match="fc9"):
            masks.restrict(["fc9"])

    def test_equality_looks_at_the_weights(self) -> None:
        assert half(network()) == half(network())
        assert half(network()) != half(network(), seed=1)
        assert half(network()) != half(network()).restrict(["0"])

    def test_tensors_round_trip(self) -> None:
        masks = MaskSet({"a": torch.rand(4, 3).t() < 0.5})
        tensors = masks.to_tensors()
        assert tensors["a"].is_contiguous()
        assert MaskSet.from_tensors(tensors) == masks

    def test_only_booleans(self) -> None:
        with pytest.raises(ValueError, match=r"mask of 'a' has dtype torch.float32; allowed is torch.bool"):
            MaskSet({"a": torch.ones(3)})

    def test_is_immutable(self) -> None:
        with pytest.raises(TypeError):
            half(network())["0"] = torch.ones(1)  # type: ignore[index]

    def test_apply_zeroes_the_pruned_and_nothing_else(self) -> None:
        net, untouched = network(), network()
        masks = half(net)
        masks.apply_(net)
        for name, weight in weights(net).items():
            assert torch.equal(weight, torch.where(masks[name], weights(untouched)[name], torch.zeros(())))

    def test_unknown_layer_is_refused(self) -> None:
        with pytest.raises(UserError, match="name a layer 'fc9' that Sequential does not have"):
            MaskSet({"fc9": torch.ones(1, dtype=torch.bool)}).apply_(network())

    def test_other_shape_is_refused(self) -> None:
        with pytest.raises(UserError, match=r"layer '5' has shape \(2, 2\), its weight has \(3, 6\)"):
            MaskSet({"5": torch.ones(2, 2, dtype=torch.bool)}).apply_(network())


def sgd(parameters: list[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.1)


def adamw(parameters: list[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=0.01)


class TestEnforcement:
    @pytest.mark.parametrize("optimizer_of", [sgd, adamw])
    def test_no_optimizer_revives_a_pruned_weight(
        self, optimizer_of: Callable[[list[Tensor]], torch.optim.Optimizer]
    ) -> None:
        net = network()
        optimizer = optimizer_of(list(net.parameters()))
        masks = half(net)
        with enforced(net, masks) as enforcement:
            for _ in range(4):
                optimizer.zero_grad()
                backward(net)
                enforcement.after_backward()
                optimizer.step()
                assert all(not weight[~masks[name]].any() for name, weight in weights(net).items())
        assert all(bool((weight[masks[name]] != 0).all()) for name, weight in weights(net).items())

    def test_gradient_is_masked_before_clipping(self) -> None:
        net = network()
        masks = half(net)
        with enforced(net, masks) as enforcement:
            backward(net, scale=100.0)
            raw = {name: weight.grad.clone() for name, weight in weights(net).items() if weight.grad is not None}
            enforcement.after_backward()
            nn.utils.clip_grad_norm_(list(weights(net).values()), 1.0)
        survivors = torch.cat([gradient[masks[name]] for name, gradient in raw.items()])
        clipped = torch.cat([w.grad[masks[n]] for n, w in weights(net).items() if w.grad is not None])
        torch.testing.assert_close(clipped, survivors / survivors.norm())
        assert all(not w.grad[~masks[n]].any() for n, w in weights(net).items() if w.grad is not None)

    def test_state_dict_keys_and_hooks_are_unchanged(self) -> None:
        net, keys = network(), list(network().state_dict())
        with enforced(net, half(net)):
            assert list(net.state_dict()) == keys
        assert list(net.state_dict()) == keys
        assert not any(weight._backward_hooks or weight._post_accumulate_grad_hooks for weight in net.parameters())

    def test_frozen_layers_are_no_obstacle(self) -> None:
        net = network()
        net[0].requires_grad_(False)
        with enforced(net, half(net)) as enforcement:
            backward(net)
            enforcement.after_backward()
        assert weights(net)["0"].grad is None

    def test_channels_last_weights(self) -> None:
        net = network().to(memory_format=torch.channels_last)
        masks = half(net)
        with enforced(net, masks) as enforcement:
            gradient = weights(net)["0"].grad = torch.ones_like(weights(net)["0"])
            enforcement.after_backward()
            assert torch.equal(gradient != 0, masks["0"])

    def test_a_revived_weight_is_found(self) -> None:
        net = network()
        masks = half(net)
        masks.apply_(net)
        assert_enforced(net, masks)
        place = tuple((~masks["3"]).nonzero()[0])
        with torch.no_grad():
            weights(net)["3"][place] = 1e-30
        with pytest.raises(RuntimeError, match=r"pruned weights are not zero in 3 \(1\)"):
            assert_enforced(net, masks)

    def test_leaving_the_context_checks(self) -> None:
        net = network()
        with pytest.raises(RuntimeError, match="not zero in 0"), enforced(net, half(net).restrict(["0"])):
            nn.init.ones_(weights(net)["0"])
