"""The scan against one whole pass per group, level and batch: the same bits, for any order and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pruneexp.errors import UserError
from pruneexp.pruning.allocations.layer_std import LayerStd
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.criteria.random import Random
from pruneexp.pruning.layers import weights
from pruneexp.pruning.select import Criterion, select
from pruneexp.schema import Budget
from pruneexp.sensitivity.groups import Group, groups
from pruneexp.sensitivity.outcomes import Outcomes, score_of
from pruneexp.sensitivity.scan import scan
from pruneexp.tasks.classification import CLASSIFICATION
from pruneexp.training import layout
from pruneexp.training.evaluation import evaluate
from tests.contracts.training import CPU, Tensors, network, same, values

DENSITIES = tuple(Budget("density", value) for value in (0.9, 0.5, 0.2))
QUALITIES = tuple(Budget("quality", value) for value in (0.3, 0.8, 1.5))


def images(count: int = 7, shape: tuple[int, ...] = (1, 6, 6), classes: int = 3) -> Tensors:
    noise = torch.Generator().manual_seed(1)
    return Tensors(torch.randn(count, *shape, generator=noise), torch.randint(classes, (count,), generator=noise))


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def scanned(
    net: nn.Module,
    data: Tensors,
    budgets: Sequence[Budget] = DENSITIES,
    criterion: Criterion | None = None,
    some: Sequence[Group] | None = None,
    memory: int = 2**30,
    batch_size: int = 4,
    progress: Callable[[float], None] | None = None,
) -> Outcomes:
    return scan(
        net, some or groups(net), budgets, criterion or Magnitude(), data,
        generator=draws(), device=CPU, batch_size=batch_size, memory=memory, progress=progress,
    )  # fmt: skip


def one_by_one(
    net: nn.Module,
    data: Tensors,
    visit: Callable[[], Tensor],
    budgets: Sequence[Budget],
    criterion: Criterion | None = None,
    some: Sequence[Group] | None = None,
) -> list[list[Tensor]]:
    """The results of ``visit`` with each group pruned to each budget by the tools for single masks."""
    found: list[list[Tensor]] = []
    for group in some or groups(net):
        chosen = {name: weight for name, weight in weights(net).items() if name in group.layers}
        dense = {name: weight.detach().clone() for name, weight in chosen.items()}
        found.append([])
        for budget in budgets:
            allocation = PerLayer() if budget.kind == "density" else LayerStd()
            masks = select(chosen, budget, criterion or Magnitude(), allocation, generator=draws()).masks
            masks.apply_(net)
            found[-1].append(visit())
            with torch.no_grad():
                for name, weight in chosen.items():
                    weight.copy_(dense[name])
    return found


@torch.inference_mode()
def losses(net: nn.Module, data: Tensors, batch_size: int = 4) -> Tensor:
    """The answers to each image, in whole passes."""
    arrange, modes = layout.for_network(net), [(module, module.training) for module in net.modules()]
    net.eval()
    found = [F.cross_entropy(net(arrange(x)), labels, reduction="none") for x, labels in data.batches(batch_size, CPU)]
    for module, mode in modes:
        module.training = mode
    return torch.cat(found)


def same_bits(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.view(torch.int32), other.view(torch.int32))


def agreed(
    net: nn.Module,
    data: Tensors,
    budgets: Sequence[Budget] = DENSITIES,
    criterion: Criterion | None = None,
    some: Sequence[Group] | None = None,
    memory: int = 2**30,
) -> Outcomes:
    """The scan's outcomes, after a check that every loss is that of a whole pass."""
    before = values(net)
    outcomes = scanned(net, data, budgets, criterion, some, memory)
    plain = one_by_one(net, data, lambda: losses(net, data), budgets, criterion, some)
    assert same_bits(outcomes.loss, torch.stack([torch.stack(row) for row in plain]))
    assert same_bits(outcomes.dense.loss, losses(net, data))
    assert same(before, values(net))
    return outcomes


def equal(one: Outcomes, other: Outcomes) -> bool:
    tensors = [(o.loss, o.values["top1"], o.kept, o.totals, o.dense.loss, o.dense.values["top1"]) for o in (one, other)]
    return all(map(torch.equal, *tensors))


class TestAgainstWholePasses:
    @pytest.mark.parametrize("budgets", [DENSITIES, QUALITIES])
    @pytest.mark.parametrize("criterion", [Magnitude(), Random()])
    def test_every_loss_is_the_same(self, budgets: tuple[Budget, ...], criterion: Criterion) -> None:
        outcomes = agreed(network(dropout=0.5), images(), budgets, criterion)
        assert outcomes.plain == ()
        assert outcomes.loss.flatten(0, 1).unique(dim=0).shape[0] == 12  # every layer and level counts

    def test_scores_are_those_of_evaluate(self) -> None:
        net, data = nn.Sequential(nn.Flatten(), nn.Linear(36, 20), nn.ReLU(), nn.Linear(20, 8)), images(50, classes=8)
        outcomes = scanned(net, data, batch_size=16)

        def visit() -> Tensor:
            score = evaluate(net, data, device=CPU, batch_size=16)
            return torch.tensor([score["top1"], score["top5"], score.loss], dtype=torch.float64)

        for group, row in enumerate(one_by_one(net, data, visit, DENSITIES)):
            for level, (top1, top5, loss) in enumerate(map(Tensor.tolist, row)):
                score = score_of(CLASSIFICATION, outcomes.answers(group, level))
                assert (score["top1"], score["top5"]) == (top1, top5)
                assert score.loss == pytest.approx(loss, rel=1e-6)
        dense = evaluate(net, data, device=CPU, batch_size=16)
        assert replace(score_of(CLASSIFICATION, outcomes.dense), loss=0.0) == replace(dense, loss=0.0)

    def test_coupled_layers_are_pruned_together(self) -> None:
        net = network()
        outcomes = agreed(net, images(), some=groups(net, coupled=[("0", "6")]))
        assert outcomes.kept.shape == (3, 3)
        assert outcomes.totals.tolist() == [4 * 9 + 16 * 8, 4 * 4 * 9, 8 * 3]

    def test_masks_of_a_group_do_not_depend_on_the_others(self) -> None:
        net, data = network(), images()
        whole, last = scanned(net, data, criterion=Random()), groups(net)[-1:]
        assert same_bits(agreed(net, data, criterion=Random(), some=last).loss, whole.loss[-1:])

    def test_many_steps_of_adaptation(self) -> None:
        net, data, wider = network(), images(), images(shape=(1, 3, 3))
        twice = Tensors(F.interpolate(wider.images, (6, 6)), data.labels)
        adapted = scan(
            net, groups(net), DENSITIES, Magnitude(), Tensors(wider.images, data.labels), generator=draws(),
            device=CPU, batch_size=4, adapt=lambda small: F.interpolate(small, (6, 6)),
        )  # fmt: skip
        assert equal(adapted, scanned(net, twice))


class TestOrder:
    def test_groups_and_levels_in_any_order(self) -> None:
        net, data = network(), images()
        forth, back = scanned(net, data), scanned(net, data, DENSITIES[::-1], some=groups(net)[::-1])
        assert same_bits(forth.loss, back.loss.flip(0, 1))
        assert torch.equal(forth.values["top1"], back.values["top1"].flip(0, 1))
        assert torch.equal(forth.kept, back.kept.flip(0, 1))
        assert torch.equal(forth.totals, back.totals.flip(0))

    def test_a_level_inherits_nothing_from_another(self) -> None:
        net, data = network(), images()
        together = scanned(net, data, DENSITIES, Random())
        for level, budget in enumerate(DENSITIES):
            assert same_bits(scanned(net, data, [budget], Random()).loss[:, 0], together.loss[:, level])

    def test_levels_with_the_same_mask(self) -> None:
        net, data = network(), images()
        some = [Budget("density", value) for value in (0.5, 1.0, 0.501, 0.5)]
        outcomes = agreed(net, data, some)
        assert (outcomes.kept[:, 1] == outcomes.totals).all()
        assert same_bits(outcomes.loss[:, 1], outcomes.dense.loss.expand(4, -1).contiguous())
        assert same_bits(outcomes.loss[:, 0], outcomes.loss[:, 3])


class TestMemory:
    @pytest.mark.parametrize(("memory", "plain"), [(2**30, 0), (4000, 0), (1500, 0), (1000, 1), (0, 3)])
    def test_memory_changes_no_number(self, memory: int, plain: int) -> None:
        outcomes = agreed(network(), images(9), memory=memory)
        assert len(outcomes.plain) == plain

    @pytest.mark.parametrize(("memory", "batches", "passes"), [(2**30, 3, 3 + 1), (0, 3, 3 + 3 * 9 + 1)])
    def test_passes(self, memory: int, batches: int, passes: int) -> None:
        """Per batch one of the dense network, and one for each level of what memory lacks; one pass is recorded."""
        net, seen = network(), []
        net.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
        scanned(net, images(4 * batches), memory=memory)
        assert seen.count(4) == passes


class TestManners:
    def test_the_network_is_left_as_it_was(self) -> None:
        net, state = network(dropout=0.5), torch.get_rng_state()
        net[1].eval()
        before, modes = values(net), [module.training for module in net.modules()]
        scanned(net, images())
        assert same(before, values(net))
        assert [module.training for module in net.modules()] == modes
        assert torch.equal(torch.get_rng_state(), state)
        assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())

    def test_weights_are_put_back_when_something_breaks(self) -> None:
        net = network()
        before = values(net)

        def stop(share: float) -> None:
            if share > 0.5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            scanned(net, images(), progress=stop)
        assert same(before, values(net))

    def test_the_generator_is_left_as_it_was(self) -> None:
        net, generator = network(), draws()
        scan(net, groups(net), DENSITIES, Random(), images(), generator=generator, device=CPU)
        assert torch.equal(generator.get_state(), draws().get_state())

    def test_progress_ends_at_one(self) -> None:
        shares: list[float] = []
        scanned(network(), images(), [Budget("density", 1.0), *DENSITIES], progress=shares.append)
        assert shares == sorted(shares)
        assert shares[0] > 0
        assert shares[-1] == 1

    def test_inside_inference_mode(self) -> None:
        net, data = network(), images()
        outside = scanned(net, data)
        with torch.inference_mode():
            assert equal(scanned(net, Tensors(data.images.clone(), data.labels)), outside)

    def test_few_classes_have_no_top5(self) -> None:
        outcomes = scanned(network(), images())
        assert outcomes.values.keys() == outcomes.dense.values.keys() == {"top1"}

    def test_no_images(self) -> None:
        with pytest.raises(ValueError, match="number of examples is 0"):
            scanned(network(), images(0))

    def test_no_groups(self) -> None:
        with pytest.raises(ValueError, match="number of groups is 0"):
            scan(network(), (), DENSITIES, Magnitude(), images(), generator=draws(), device=CPU)

    def test_a_budget_out_of_range(self) -> None:
        with pytest.raises(UserError, match="Density 2 is out of range"):
            scanned(network(), images(), [Budget("density", 2.0)])

    def test_a_diverged_network_is_told(self) -> None:
        net = network()
        with torch.no_grad():
            net.get_parameter("3.weight")[0, 0, 0, 0] = torch.nan
        with pytest.raises(UserError, match="weights of 3 are not numbers"):
            scanned(net, images())

    def test_logits_that_are_not_numbers(self) -> None:
        net = network()
        with torch.no_grad():
            net.get_parameter("8.bias")[0] = torch.nan
        outcomes = scanned(net, images())
        assert outcomes.loss.isnan().all()
        assert outcomes.plain == ()
