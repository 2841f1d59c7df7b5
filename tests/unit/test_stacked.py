"""A stack of trainings: each point is trained as ``fit`` does it, and none of its bits depends on its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from pruneexp.pruning.masks import MaskSet
from pruneexp.training import products, seeding, stacked
from pruneexp.training.events import TrainingEvent
from pruneexp.training.fit import Diverged, Fitted, fit
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import L1, L2, NoPenalty, Penalty
from pruneexp.training.snapshot import Checkpointer
from pruneexp.training.stacked import fit_stacked
from pruneexp.training.trainer import SharedBatches, TrainingOutcome, TrainWork
from tests.contracts.training import CPU, Killed, Memory, digits, same, values

SGD = Recipe(epochs=3, batch_size=8, optimizer="sgd", lr=0.05, schedule="cosine")
ADAM = replace(SGD, optimizer="adam", lr=0.01, clip=0.5)
ADAMW = replace(SGD, optimizer="adamw", lr=0.01, label_smoothing=0.1)
NESTEROV = replace(SGD, nesterov=True, schedule="step", milestones=(0.5,), clip=0.2)


@dataclass(frozen=True)
class Choice:
    """What one point is trained with; its network and mask follow."""

    recipe: Recipe = SGD
    penalty: Penalty = NoPenalty()  # noqa: RUF009  a frozen value
    density: float = 0.5
    drop: float = 0.0

    def work(self) -> TrainWork:
        with seeding.stream(0, "init"):
            net = nn.Sequential(
                nn.Flatten(), nn.Linear(36, 20), nn.ReLU(), nn.Dropout(self.drop), nn.Linear(20, 12), nn.ReLU(),
                nn.Dropout(self.drop), nn.Linear(12, 3),
            )  # fmt: skip
        draws = torch.Generator().manual_seed(7)
        shapes = {name: net.get_parameter(f"{name}.weight").shape for name in ("1", "4", "7")}
        masks = MaskSet({n: torch.rand(shape, generator=draws) < self.density for n, shape in shapes.items()})
        return TrainWork(network=net, recipe=self.recipe, edit=masks, penalty=self.penalty)


CHOICES = (
    Choice(),
    Choice(SGD, L1(0.01), 0.2, 0.4),
    Choice(ADAM, L2(0.05), 0.7),
    Choice(ADAMW, L1(0.02), 0.3, 0.1),
    Choice(NESTEROV, L2(0.01), 0.1, 0.4),
)
BROKEN = Choice(replace(SGD, lr=1e30), L2(1.0), 0.9)


def trained(
    choices: Sequence[Choice], checkpoint: Checkpointer | None = None
) -> tuple[list[dict[str, Tensor]], list[TrainingOutcome]]:
    works = [choice.work() for choice in choices]
    done = fit_stacked(works, SharedBatches(data=digits(), seed=3, device=CPU, augment=True), checkpoint)
    return [values(work.network) for work in works], done


def losses(outcome: TrainingOutcome) -> tuple[float, ...]:
    assert isinstance(outcome, Fitted)
    return outcome.losses


@pytest.fixture(params=[0, 2**60], ids=["oneDNN", "MKL"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_WORTH", request.param)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.recipe.optimizer)
def test_a_point_is_trained_as_fit_trains_it(choice: Choice) -> None:
    ours, theirs = choice.work(), choice.work()
    started = values(ours.network)
    (done,) = fit_stacked([ours], SharedBatches(data=digits(), seed=3, device=CPU, augment=True))
    expected = fit(
        theirs.network, digits(), choice.recipe, seed=3, device=CPU, edit=theirs.edit, penalty=choice.penalty,
        augment=True,
    )  # fmt: skip
    torch.testing.assert_close(values(ours.network), values(theirs.network), rtol=1e-3, atol=1e-4)
    assert not same(values(ours.network), started)
    assert losses(done) == pytest.approx(expected.losses, rel=1e-4)
    assert isinstance(done, Fitted)
    assert (done.steps, done.epochs) == (expected.steps, expected.epochs) == (18, 3)
    for name, mask in (ours.edit.masks if ours.edit else {}).items():
        assert not ours.network.get_parameter(f"{name}.weight")[~mask].any()


@pytest.mark.usefixtures("kernels")
def test_neighbours_and_places_change_no_bit() -> None:
    alone = [trained([choice]) for choice in CHOICES]
    together, outcomes = trained(CHOICES)
    backwards, _ = trained([*reversed(CHOICES), CHOICES[0], CHOICES[0]])
    for place, ((own,), (outcome,)) in enumerate(alone):
        assert same(together[place], own)
        assert same(backwards[len(CHOICES) - 1 - place], own)
        assert losses(outcomes[place]) == losses(outcome)
    assert same(backwards[-1], backwards[-2])


@pytest.mark.usefixtures("kernels")
def test_large_products_keep_their_bits_among_neighbours() -> None:
    """Sizes at which the kernels block and share out their work, and a last batch that is smaller."""
    data = digits(150)
    recipe = replace(SGD, batch_size=64, epochs=1)

    def work(seed: int) -> TrainWork:
        with seeding.stream(seed, "init"):
            net = nn.Sequential(nn.Flatten(), nn.Linear(36, 300), nn.ReLU(), nn.Linear(300, 101), nn.Linear(101, 3))
        return TrainWork(network=net, recipe=recipe)

    first, *_ = together = [work(seed) for seed in range(4)]
    alone = work(3)
    fit_stacked(together, SharedBatches(data=data, seed=0, device=CPU))
    fit_stacked([alone], SharedBatches(data=data, seed=0, device=CPU))
    assert same(values(together[3].network), values(alone.network))
    assert not same(values(first.network), values(alone.network))


@pytest.mark.usefixtures("kernels")
def test_the_number_of_threads_changes_no_bit() -> None:
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(trained(CHOICES)[0])
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    assert all(same(a, b) for others in found[1:] for a, b in zip(found[0], others, strict=True))


def test_a_diverging_neighbour_ends_alone() -> None:
    expected, _ = trained(CHOICES[:2])
    found, outcomes = trained([CHOICES[0], BROKEN, CHOICES[1]])
    assert same(found[0], expected[0])
    assert same(found[2], expected[1])
    assert isinstance(outcomes[1], Diverged)
    assert str(outcomes[1]).startswith("Training diverged in epoch 1 of 3 at learning rate ")
    assert [type(outcome) for outcome in outcomes] == [Fitted, Diverged, Fitted]
    assert not all(bool(tensor.isfinite().all()) for tensor in found[1].values())


def test_all_may_diverge() -> None:
    _, outcomes = trained([BROKEN, BROKEN])
    assert [type(outcome) for outcome in outcomes] == [Diverged, Diverged]


@pytest.mark.parametrize("save_after", [1, 2, 3, 4, 9])
def test_resumed_equals_uninterrupted(monkeypatch: pytest.MonkeyPatch, save_after: int) -> None:
    """An epoch has blocks of 2, 2 and 2 steps; the broken point ends with the first."""
    monkeypatch.setattr(stacked, "_BLOCK", 2)
    choices = [*CHOICES[1:4], BROKEN]
    expected, uninterrupted = trained(choices)
    memory = Memory(save_after, die_after=save_after)
    if save_after < 9:
        with pytest.raises(Killed):
            trained(choices, memory)
    else:
        trained(choices, memory)
    found, outcomes = trained(choices, Memory(0, 10**9, kept=memory.kept))
    assert len(memory.kept) == 1
    assert all(same(a, b) for a, b in zip(found[:3], expected[:3], strict=True))
    assert [losses(outcome) for outcome in outcomes[:3]] == [losses(outcome) for outcome in uninterrupted[:3]]
    assert str(outcomes[3]) == str(uninterrupted[3])


def test_events_of_each_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pruneexp.training.events.TICK", 0.0)
    monkeypatch.setattr(stacked, "_BLOCK", 3)
    heard: dict[int, list[TrainingEvent]] = {0: [], 1: []}
    works = [replace(CHOICES[i].work(), listen=heard[i].append) for i in heard]
    outcomes = fit_stacked(works, SharedBatches(data=digits(), seed=3, device=CPU))
    for events, outcome in zip(heard.values(), outcomes, strict=True):
        assert [event.kind for event in events] == ["begin", *["step", "step", "epoch"] * 3, "done"]
        assert [event.epoch + event.share for event in events] == [0, 0.5, 1, 1, 1.5, 2, 2, 2.5, 3, 3, 3]
        assert tuple(event.loss for event in events if event.kind == "epoch") == losses(outcome)
    whole = sum(event.seconds for event in heard[0])
    assert sum(each.seconds for each in outcomes if isinstance(each, Fitted)) == pytest.approx(whole, abs=0.1)


def test_what_a_point_raises_ends_the_stack() -> None:
    """In one of the threads that train, or in the thread that asked."""

    class Faulty:
        def add_gradient_(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
            raise OSError("in a step")

    def fail(event: TrainingEvent) -> None:
        if event.kind == "epoch":
            raise OSError("after an epoch")

    before = torch.get_num_threads()
    for work, where in ((replace(CHOICES[0].work(), penalty=Faulty()), "in a step"),
                        (replace(CHOICES[0].work(), listen=fail), "after an epoch")):  # fmt: skip
        with pytest.raises(OSError, match=where):
            fit_stacked([CHOICES[1].work(), work], SharedBatches(data=digits(), seed=3, device=CPU))
    assert torch.get_num_threads() == before


def test_networks_are_current_at_the_end_of_an_epoch_and_left_as_fit_leaves_them() -> None:
    seen: list[Tensor] = []
    work = CHOICES[0].work()
    weight = work.network.get_parameter("1.weight")

    def listen(event: TrainingEvent) -> None:
        if event.kind == "epoch":
            seen.append(weight.detach().clone())

    fit_stacked(
        [replace(work, network=work.network.eval(), listen=listen)], SharedBatches(data=digits(), seed=3, device=CPU)
    )
    assert torch.equal(seen[-1], weight)
    assert not torch.equal(seen[0], seen[-1])
    assert not work.network.training
    assert all(parameter.grad is None for parameter in work.network.parameters())


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    found = []
    for draws in (0, 3):
        torch.rand(draws)
        before = torch.get_rng_state()
        found.append(trained([CHOICES[1]])[0][0])
        assert torch.equal(torch.get_rng_state(), before)
    assert same(*found)


def test_no_epochs_prune_and_nothing_else() -> None:
    work = Choice(replace(SGD, epochs=0)).work()
    before = values(work.network)
    (done,) = fit_stacked([work], SharedBatches(data=digits(), seed=3, device=CPU))
    assert losses(done) == ()
    assert work.edit is not None
    assert torch.equal(values(work.network)["1.weight"], before["1.weight"] * work.edit.masks["1"])


def test_what_a_stack_refuses() -> None:
    with pytest.raises(ValueError, match="a stack of 0 trainings"):
        fit_stacked([], SharedBatches(data=digits(), seed=0, device=CPU))
    other = Choice(replace(SGD, batch_size=4)).work()
    with pytest.raises(
        ValueError, match=r"\(epochs, batch_size, first\) \[\(3, 4, 0\), \(3, 8, 0\)\]; a stack allows one"
    ):
        fit_stacked([CHOICES[0].work(), other], SharedBatches(data=digits(), seed=0, device=CPU))
    with pytest.raises(ValueError, match="another precision than float32"):
        fit_stacked(
            [Choice(replace(SGD, precision="bfloat16")).work()], SharedBatches(data=digits(), seed=0, device=CPU)
        )
    conv = TrainWork(network=nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(36, 3)), recipe=SGD)
    with pytest.raises(ValueError, match=r"Conv2d\) is no layer of a chain"):
        fit_stacked([conv], SharedBatches(data=digits(), seed=0, device=CPU))
