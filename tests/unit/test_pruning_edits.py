"""Edits: pure functions of weights and gradients, enforced in training, also where the training changes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.edits.edit import Edit
from pruneexp.pruning.edits.gradual import Gradual, GradualMasks
from pruneexp.pruning.edits.soft_filter import SoftFilter, SoftMasks
from pruneexp.pruning.enforcement import Enforcement, edit_tensors, enforced, masks_in
from pruneexp.pruning.layers import weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.training.fit import Fitted, fit
from pruneexp.training.recipe import Recipe
from pruneexp.training.stacked import fit_stacked
from pruneexp.training.trainer import SharedBatches, TrainWork
from tests.contracts.training import CPU, Killed, Memory, digits, half, network, same, values
from tests.third_party.ternary import Ternary

RECIPE = Recipe(epochs=3, batch_size=8, optimizer="sgd", lr=0.02, momentum=0.9)


def gradual(net: nn.Module, cuts: int = 4, until: float = 0.5) -> GradualMasks:
    return Gradual(until=until, cuts=cuts).edit(weights(net), half(net))


def soft(net: nn.Module, cuts: int = 3) -> SoftMasks:
    """Every second filter stays."""
    rows = {name: torch.arange(len(weight)) % 2 == 0 for name, weight in weights(net).items()}
    masks = {n: rows[n].view(-1, *[1] * (w.ndim - 1)).expand(w.shape) for n, w in weights(net).items()}
    return SoftFilter(cuts).edit(weights(net), MaskSet(masks))


def trained(memory: Memory | None = None, edit: Callable[[nn.Module], Edit] = gradual) -> tuple[nn.Module, Fitted]:
    net = network()
    return net, fit(net, digits(), RECIPE, seed=3, device=CPU, edit=edit(net), checkpoint=memory)


class TestMasksAsAnEdit:
    def test_they_are_pure(self) -> None:
        net = network()
        masks, given = half(net), {name: weight.detach().clone() for name, weight in weights(net).items()}
        before = {name: weight.clone() for name, weight in given.items()}
        for made in (masks.of_weights(given), masks.of_gradients(given)):
            assert all(not made[name][~masks[name]].any() for name in masks)
            assert all(torch.equal(made[name][masks[name]], before[name][masks[name]]) for name in masks)
        assert same(given, before)
        assert masks.at(given, 1.0) is masks

    def test_they_can_be_mapped_over_a_stack_of_networks(self) -> None:
        masks = MaskSet({"fc": torch.tensor([[True, False], [False, True]])})
        stack = torch.arange(8.0).view(2, 2, 2)
        mapped = torch.vmap(lambda weight: masks.of_weights({"fc": weight})["fc"])(stack)
        assert mapped.tolist() == [[[0, 0], [0, 3]], [[4, 0], [0, 7]]]


class TestGradual:
    def test_a_layer_keeps_what_the_cubic_schedule_says(self) -> None:
        weight = torch.arange(1.0, 101).view(10, 10)
        edit = Gradual(until=0.5, cuts=2).edit({"fc": weight}, MaskSet({"fc": weight > 80}))
        assert edit.masks.kept == 100
        halfway = edit.at({"fc": weight}, 0.25)
        assert halfway.masks.kept == 20 + 80 // 8  # (1 - 1/2)^3 of the 80 that go are left
        assert halfway.at({"fc": weight}, 0.3) is halfway
        assert halfway.at({"fc": weight}, 0.5).masks["fc"].flatten().nonzero()[0] == 80  # the 20 largest stay

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.4, 0.5, 0.9])
    def test_sparsity_is_that_of_the_paper(self, share: float) -> None:
        weight, until, cuts, final = torch.arange(1.0, 4001).view(40, 100), 0.5, 10, 0.9
        edit = Gradual(until=until, cuts=cuts).edit({"fc": weight}, MaskSet({"fc": weight > 4000 * final}))
        step = until / cuts  # s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3, with s_i = 0 and t_0 = 0
        t = min(int(share / step + 1e-9), cuts) * step
        sparsity = final + (0 - final) * (1 - t / (cuts * step)) ** 3
        assert edit.at({"fc": weight}, share).masks.density == pytest.approx(1 - sparsity, abs=0.5 / 4000)

    def test_what_is_cut_never_comes_back(self) -> None:
        draws = torch.Generator().manual_seed(0)
        edit = Gradual(cuts=10).edit({"fc": torch.ones(8, 8)}, MaskSet({"fc": torch.rand(8, 8, generator=draws) < 0.2}))
        steps = [edit := edit.at({"fc": torch.randn(8, 8, generator=draws)}, share / 20) for share in range(1, 11)]
        assert all(not (later.masks["fc"] & ~earlier.masks["fc"]).any() for earlier, later in pairwise(steps))
        assert steps[-1].masks.kept == edit.kept["fc"]

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [({"until": 0.0}, r"until=0.0: allowed is a share"), ({"cuts": 0}, r"cuts=0: allowed is a whole number")],
    )
    def test_a_wrong_argument_is_refused(self, given: Mapping[str, float], sentence: str) -> None:
        with pytest.raises(UserError, match=sentence):
            Gradual(**given)  # type: ignore[arg-type]


class TestSoftFilter:
    def test_the_smallest_filters_are_zero_for_a_moment_and_free_until_the_last_cut(self) -> None:
        weight = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]])  # norms 5, 1 and 2
        mask = torch.tensor([[True, True], [False, False], [True, True]])
        edit = SoftFilter(cuts=2).edit({"fc": weight}, MaskSet({"fc": mask}))
        assert edit.masks.kept == 6
        assert edit.at({"fc": weight}, 0.49) is edit
        cut = edit.at({"fc": weight}, 0.5)
        assert cut.of_weights({"fc": weight})["fc"].tolist() == [[3, 4], [0, 0], [0, 2]]
        assert cut.masks.kept == 6
        free = cut.at({"fc": weight}, 0.5)
        assert free.of_weights({"fc": weight})["fc"] is weight
        assert free.of_gradients({"fc": weight})["fc"] is weight
        assert free.at({"fc": weight}, 0.75) is free
        grown = torch.tensor([[0.0, 1.0], [4.0, 4.0], [0.0, 2.0]])
        last = free.at({"fc": grown}, 1.0)
        assert last.masks["fc"].tolist() == [[False] * 2, [True] * 2, [True] * 2]
        assert last.of_gradients({"fc": grown})["fc"][0].tolist() == [0, 0]

    def test_filters_that_were_zeroed_learn_in_the_next_step(self) -> None:
        net = network()
        enforcement = Enforcement(net, soft(net))
        before = {name: weight.detach().clone() for name, weight in weights(net).items()}
        enforcement.before_step(1 / 3)
        zero = {name: weight.flatten(1).any(1) for name, weight in weights(net).items()}
        assert all(int(rows.sum()) == (len(rows) + 1) // 2 for rows in zero.values())
        with torch.no_grad():
            for weight in weights(net).values():
                weight.add_(1.0)
        enforcement.after_update()
        for name, weight in weights(net).items():
            assert bool(weight[~zero[name]].eq(1.0).all())
            assert torch.equal(weight[zero[name]], before[name][zero[name]] + 1.0)

    @pytest.mark.parametrize("epochs", [1, 3, 7, 49, 161])
    def test_parts_are_epochs(self, epochs: int) -> None:
        edit, weight, steps = SoftFilter(epochs).edit({}, MaskSet({})), dict[str, Tensor](), 7
        for step in range(epochs * steps):
            edit = edit.at(weight, step / (epochs * steps))
            edit = edit.at(weight, step / (epochs * steps))
            assert edit.cuts == step // steps

    def test_parts_of_filters_are_refused(self) -> None:
        net = network()
        with pytest.raises(UserError, match=r"criterion.edit zeroes filters, and the masks keep parts of some"):
            SoftFilter().edit(weights(net), half(net))
        with pytest.raises(UserError, match=r"cuts=-1: allowed is a whole number from 0 on"):
            SoftFilter(cuts=-1)

    def test_it_ends_with_as_many_filters_as_the_budget_leaves(self) -> None:
        net, done = trained(edit=soft)
        assert done.edit.masks.kept_per_layer == {n: int(m.sum()) for n, m in _last(soft(network())).items()}
        for name, mask in done.edit.masks.items():
            assert torch.equal(mask.flatten(1).any(1), mask.flatten(1).all(1))
            assert not weights(net)[name][~mask].any()


def _last(edit: SoftMasks) -> MaskSet:
    return edit.at(weights(network()), 1.0).masks


class TestTraining:
    def test_it_ends_with_the_weights_that_the_budget_leaves(self) -> None:
        net, done = trained()
        wanted = half(network()).kept_per_layer
        assert done.edit.masks.kept_per_layer == wanted
        assert all(not weight[~done.edit.masks[name]].any() for name, weight in weights(net).items())
        assert done.edit.masks != half(network())

    @pytest.mark.parametrize("edit", [gradual, soft])
    @pytest.mark.parametrize("save_after", [1, 4, 6, 9, 12, 17])
    def test_resumed_equals_uninterrupted(self, save_after: int, edit: Callable[[nn.Module], Edit]) -> None:
        expected, whole = trained(edit=edit)
        memory = Memory(save_after, die_after=save_after)
        with pytest.raises(Killed):
            trained(memory, edit)
        net, done = trained(Memory(0, 10**9, kept=memory.kept), edit)
        assert same(values(net), values(expected))
        assert done.edit.masks == whole.edit.masks

    def test_a_stack_changes_each_edit_by_itself(self) -> None:
        def work(cuts: int) -> TrainWork:
            net = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3))
            for number, parameter in enumerate(net.parameters()):
                nn.init.normal_(parameter, generator=torch.Generator().manual_seed(number))
            few = {name: weight > 0 for name, weight in weights(net).items()}
            return TrainWork(network=net, recipe=RECIPE, edit=Gradual(cuts=cuts).edit(weights(net), MaskSet(few)))

        alone, together = [work(3)], [work(5), work(3), work(2)]
        fit_stacked(alone, SharedBatches(data=digits(), seed=3, device=CPU))
        fit_stacked(together, SharedBatches(data=digits(), seed=3, device=CPU))
        assert same(values(alone[0].network), values(together[1].network))

    def test_an_edit_of_a_third_party_holds_after_every_update(self) -> None:
        net = network()
        edit = Ternary().edit(weights(net), half(net))
        fit(net, digits(), replace(RECIPE, optimizer="adamw"), seed=3, device=CPU, edit=edit)
        for name, weight in weights(net).items():
            sizes = weight.detach().abs().unique()
            assert len(sizes[sizes > 0]) == 1, name


def test_a_result_holds_masks_and_state() -> None:
    net = network()
    edit: Edit = gradual(net).at(weights(net), 0.25)
    tensors: dict[str, Tensor] = edit_tensors(edit)
    assert masks_in(tensors) == edit.masks
    with enforced(net, gradual(net)) as enforcement:
        enforcement.restore(tensors)
        enforcement.apply_()
        assert enforcement.edit == edit
    assert Enforcement(net, half(net)).state() == {}
