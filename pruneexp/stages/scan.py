"""The sensitivity scan: what each layer costs when it alone is pruned, with or without retraining the rest."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.errors import UserError
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import Criterion
from pruneexp.schema import Budget, LayerSensitivity, Metric, flatten
from pruneexp.sensitivity.bootstrap import Change, intervals
from pruneexp.sensitivity.groups import Group, groups, weights_of
from pruneexp.sensitivity.levels import levels
from pruneexp.sensitivity.outcomes import Outcomes, joined, on_cpu, packed, score_of, unpacked
from pruneexp.sensitivity.scan import scan as scan_without_retraining
from pruneexp.stages.graph import Stage, StageKind
from pruneexp.stages.serial import SerialCheckpoint
from pruneexp.stages.setting import Learner, Regime, Setting
from pruneexp.stages.statistics import criteria, statistics
from pruneexp.stages.train import Training, train
from pruneexp.stages.work import effort, load
from pruneexp.tasks.task import Answers, TaskByExample
from pruneexp.training import layout
from pruneexp.training.events import TrainingEvent
from pruneexp.training.seeding import derive, generator

VERSION = 2

SCAN = StageKind("scan", "to scan")


@dataclass(frozen=True)
class Grid:
    """What is asked of every layer: ``budgets`` of one kind, mildest first, and ``epochs`` of retraining after each.

    ``coupled`` layers are pruned together; ``resamples`` of the examples give each mark its interval.
    """

    budgets: tuple[Budget, ...]
    coupled: tuple[tuple[str, ...], ...] = ()
    epochs: int = 0
    resamples: int = 1000


def scan(setting: Setting, dense: Stage, grid: Grid, *, memory: int) -> Stage:
    """Prune each layer of the dense network alone, to each budget, and score on val (Han et al. 2015, Figure 6).

    ``memory`` bounds the bytes of activations kept at a time; it changes no number. With retraining, the whole network
    is retrained after each cut, by the recipe of retraining, the cut layer under its mask.

    Raises:
        UserError: the task has a metric that does not follow from means over examples.
    """
    task = _by_example(setting.learner)
    learner, choice = setting.learner, setting.cut.value

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        network = load(learner.network("fresh"), parents[0].tensors, f"the stored {dense.kind} network")
        cut = groups(network, choice.layers, grid.coupled, choice.exclude)
        score, _ = criteria(setting, parents[1:])
        if grid.epochs:
            return _artefact(setting, grid, network, cut, *_retrained(setting, grid, network, cut, score, checkpoint))
        started = time.perf_counter()
        setting.tell(TrainingEvent(kind="begin", epoch=0, total=1, stage=SCAN.name))

        def advance(share: float) -> None:
            checkpoint.stop_if_requested()
            setting.tell(TrainingEvent(kind="step", epoch=0, total=1, share=share, stage=SCAN.name))

        outcomes = scan_without_retraining(
            network,
            cut,
            grid.budgets,
            score,
            learner.data.value.val,
            generator=generator(setting.seed, "criterion"),
            device=learner.device,
            task=task,
            adapt=learner.adapt,
            batch_size=learner.evaluation_batch,
            memory=memory,
            progress=advance,
        )
        return _artefact(setting, grid, network, cut, outcomes, effort(seconds=time.perf_counter() - started))

    parents = (dense, *statistics(setting, dense))
    return Stage(SCAN, VERSION, _identity(setting, grid), learner.fingerprint, make, parents)


def _identity(setting: Setting, grid: Grid) -> dict[str, Any]:
    choice = setting.cut.value
    config: dict[str, Any] = {
        "score": setting.cut.identity["score"],
        "layers": list(choice.layers),
        "budgets": [asdict(budget) for budget in grid.budgets],
        "coupled": [list(group) for group in grid.coupled],
        "resamples": grid.resamples,
        "seed": setting.seed,
    }
    if choice.exclude:
        config["exclude"] = list(choice.exclude)
    return config | (_retraining(setting, grid).identity if grid.epochs else {})


def _by_example(learner: Learner) -> TaskByExample:
    task = learner.task.value
    if not isinstance(task, TaskByExample):
        raise UserError(
            f"a sensitivity scan needs metrics that follow from means over examples, and the task '{task.name}' has "
            "others: it has no per_example"
        )
    return task


def _retraining(setting: Setting, grid: Grid) -> Regime:
    """How the whole network is retrained after each cut."""
    return replace(setting.retraining.lasting(grid.epochs), local=False)


def _artefact(
    setting: Setting,
    grid: Grid,
    network: nn.Module,
    cut: Sequence[Group],
    outcomes: Outcomes,
    spent: Mapping[str, Any],
) -> Artefact:
    """The rows of the record, and every example's answers, of which the rows are means."""
    task = _by_example(setting.learner)
    bounds = _bounds(setting, grid, outcomes)
    layers = prunable(network)
    rows = []
    for g, group in enumerate(cut):
        kinds = {str(layers[name].kind) for name in group.layers}
        for place, budget in enumerate(grid.budgets):
            kept, total = int(outcomes.kept[g, place]), int(outcomes.totals[g])
            row = LayerSensitivity(
                group=group.name,
                layers=tuple(group.layers),
                kind="mixed" if len(kinds) > 1 else min(kinds),
                level=budget,
                weights_total=total,
                weights_kept=kept,
                density=kept / total,
                val=score_of(task, outcomes.answers(g, place)),
                bounds={
                    f"{metric}_{side}": float(bound[g, place])
                    for metric, found in bounds.items()
                    for side, bound in zip(("low", "high"), found, strict=True)
                    if bound[g, place].isfinite()
                },
            )
            rows.append(flatten(row))
    record = {
        "dense": flatten(score_of(task, outcomes.dense)),
        "images": outcomes.dense.loss.numel(),
        "rows": rows,
        "plain": list(outcomes.plain),
        "device": setting.learner.device.type,
        "effort": dict(spent),
    }
    return Artefact(_tensors(setting.learner, outcomes), record)


def _bounds(setting: Setting, grid: Grid, outcomes: Outcomes) -> dict[str, tuple[Tensor, Tensor]]:
    """The interval of each metric's change, (groups, levels) each; infinite where outputs are not numbers."""
    task = _by_example(setting.learner)
    metrics = {metric.name: metric for metric in setting.learner.task.value.metrics}
    return {
        name: intervals(
            values,
            outcomes.dense.values[name],
            None if values.dtype == torch.bool else _change(task, metrics[name]),
            seed=setting.seed,
            resamples=grid.resamples,
        )
        for name, values in outcomes.values.items()
    }


def _change(task: TaskByExample, metric: Metric) -> Change:
    """As ``Metric.change`` measures it, of many means at once."""

    def change(dense: Tensor, after: Tensor) -> Tensor:
        was, now = task.of_mean(metric.name, dense), task.of_mean(metric.name, after)
        return now - was if metric.unit == "%" else 100.0 * (now - was) / was.abs()

    return change


def _tensors(learner: Learner, outcomes: Outcomes) -> dict[str, Tensor]:
    """Each example's loss, and whether its answer is right, where the task's primary metric counts right answers."""
    primary = learner.task.value.metrics[0].name
    shown = [primary] if outcomes.values[primary].dtype == torch.bool else []
    return {
        "loss": outcomes.loss,
        **{metric: outcomes.values[metric] for metric in shown},
        "dense.loss": outcomes.dense.loss,
        **{f"dense.{metric}": outcomes.dense.values[metric] for metric in shown},
    }


def _retrained(
    setting: Setting, grid: Grid, network: nn.Module, cut: Sequence[Group], score: Criterion, checkpoint: Checkpoint
) -> tuple[Outcomes, Mapping[str, Any]]:
    """Every cut retrained, one after the other; each starts from the dense weights."""
    dense = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    learner, regime = setting.learner, _retraining(setting, grid)
    dense_answers = _answers(learner, network)
    trainings = SerialCheckpoint(checkpoint)
    found: list[Answers] = [unpacked(part) for part in trainings.finished]
    spent = [(part["epochs"], part["flop"], part["seconds"]) for part in trainings.finished]
    kept, totals = [], []
    for group in cut:
        network.load_state_dict(dense)
        scope = {name: weight.detach().cpu() for name, weight in weights_of(network, group).items()}
        masks = levels(scope, grid.budgets, score, generator(setting.seed, "criterion"))
        kept.append(list(masks.kept))
        totals.append(masks.total)
        for place in range(len(grid.budgets)):
            number = (len(kept) - 1) * len(grid.budgets) + place
            if number < len(found):
                continue
            network.load_state_dict(dense)
            chosen = MaskSet({name: mask > place for name, mask in zip(scope, masks.survives, strict=True)})
            done = train(learner, _training(setting, regime, network, chosen.to(learner.device)), trainings)
            found.append(_answers(learner, network))
            spent.append((len(done.losses), done.flop, done.seconds))
            cost = {"epochs": len(done.losses), "flop": done.flop, "seconds": done.seconds}
            trainings.finish({**packed(found[-1]), **cost})
    network.load_state_dict(dense)
    shape = (len(cut), len(grid.budgets), -1)
    together = joined(found)
    outcomes = Outcomes(
        loss=together.loss.reshape(shape),
        values={metric: values.reshape(shape) for metric, values in together.values.items()},
        undefined=together.undefined.reshape(shape),
        dense=dense_answers,
        kept=torch.tensor(kept),
        totals=torch.tensor(totals),
        plain=(),
    )
    epochs, flop, seconds = (sum(values) for values in zip(*spent, strict=True))
    return outcomes, effort(epochs=epochs, flop=flop, seconds=seconds)


def _training(setting: Setting, regime: Regime, network: nn.Module, masks: MaskSet) -> Training:
    return Training(
        stage=SCAN.name,
        network=network,
        regime=regime,
        seed=derive(setting.seed, "retrain"),
        listen=setting.tell,
        edit=masks,
    )


@torch.no_grad()
def _answers(learner: Learner, network: nn.Module) -> Answers:
    """What a network makes of each example of val; it is left in training mode, as stages hand it on."""
    arrange, task, parts = layout.for_network(network), _by_example(learner), []
    network.eval()
    for inputs, targets in learner.data.value.val.batches(learner.evaluation_batch, learner.device):
        adapted = inputs if learner.adapt is None else learner.adapt(inputs)
        parts.append(on_cpu(task.per_example(network(arrange(adapted)), targets)))
    network.train()
    return joined(parts)
