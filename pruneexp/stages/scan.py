"""The sensitivity scan: what each layer costs when it alone is pruned, with or without retraining the rest."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import Budget, LayerSensitivity, flatten
from pruneexp.sensitivity.bootstrap import intervals
from pruneexp.sensitivity.groups import Group, groups, weights_of
from pruneexp.sensitivity.levels import levels
from pruneexp.sensitivity.outcomes import Answers, Outcomes, answers, joined
from pruneexp.sensitivity.scan import scan as scan_without_retraining
from pruneexp.stages.graph import Stage, StageKind
from pruneexp.stages.serial import SerialCheckpoint
from pruneexp.stages.setting import Learner, Regime, Setting
from pruneexp.stages.train import Training, train
from pruneexp.stages.work import effort, load
from pruneexp.training import layout
from pruneexp.training.events import TrainingEvent
from pruneexp.training.seeding import derive, generator

VERSION = 2

SCAN = StageKind("scan", "to scan")


@dataclass(frozen=True)
class Grid:
    """What is asked of every layer: ``budgets`` of one kind, mildest first, and ``epochs`` of retraining after each.

    ``coupled`` layers are pruned together; ``resamples`` of the images give each mark its interval.
    """

    budgets: tuple[Budget, ...]
    coupled: tuple[tuple[str, ...], ...] = ()
    epochs: int = 0
    resamples: int = 1000


def scan(setting: Setting, dense: Stage, grid: Grid, *, memory: int) -> Stage:
    """Prune each layer of the dense network alone, to each budget, and score on val (Han et al. 2015, Figure 6).

    ``memory`` bounds the bytes of activations kept at a time; it changes no number. With retraining, the whole network
    is retrained after each cut, by the recipe of retraining, the cut layer under its mask.
    """
    learner, choice = setting.learner, setting.cut.value

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        network = load(learner.network("fresh"), parents[0].tensors, f"the stored {dense.kind} network")
        cut = groups(network, choice.layers, grid.coupled, choice.exclude)
        if grid.epochs:
            return _artefact(setting, grid, network, cut, *_retrained(setting, grid, network, cut, checkpoint))
        started = time.perf_counter()
        setting.tell(TrainingEvent(kind="begin", epoch=0, total=1, stage=SCAN.name))

        def advance(share: float) -> None:
            checkpoint.stop_if_requested()
            setting.tell(TrainingEvent(kind="step", epoch=0, total=1, share=share, stage=SCAN.name))

        outcomes = scan_without_retraining(
            network,
            cut,
            grid.budgets,
            choice.score,
            learner.data.value.val,
            generator=generator(setting.seed, "criterion"),
            device=learner.device,
            adapt=learner.adapt,
            batch_size=learner.evaluation_batch,
            memory=memory,
            progress=advance,
        )
        return _artefact(setting, grid, network, cut, outcomes, effort(seconds=time.perf_counter() - started))

    config: dict[str, Any] = {
        "score": setting.cut.identity["score"],
        "layers": list(choice.layers),
        **({"exclude": list(choice.exclude)} if choice.exclude else {}),
        "budgets": [asdict(budget) for budget in grid.budgets],
        "coupled": [list(group) for group in grid.coupled],
        "resamples": grid.resamples,
        "seed": setting.seed,
    }
    if grid.epochs:
        config |= _retraining(setting, grid).identity
    return Stage(SCAN, VERSION, config, learner.fingerprint, make, (dense,))


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
    """The rows of the record, and every image's answers, of which the rows are means."""
    bounds = {"top1": intervals(outcomes.top1, outcomes.dense.top1, seed=setting.seed, resamples=grid.resamples)}
    if outcomes.top5 is not None and outcomes.dense.top5 is not None:
        bounds["top5"] = intervals(outcomes.top5, outcomes.dense.top5, seed=setting.seed, resamples=grid.resamples)
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
                val=outcomes.score(g, place),
                bounds={
                    f"{metric}_{side}": float(bound[g, place])
                    for metric, found in bounds.items()
                    for side, bound in zip(("low", "high"), found, strict=True)
                },
            )
            rows.append(flatten(row))
    record = {
        "dense": flatten(outcomes.dense.score()),
        "images": int(outcomes.dense.top1.numel()),
        "rows": rows,
        "plain": list(outcomes.plain),
        "device": setting.learner.device.type,
        "effort": dict(spent),
    }
    tensors = {"loss": outcomes.loss, "top1": outcomes.top1, "dense.loss": outcomes.dense.loss}
    tensors["dense.top1"] = outcomes.dense.top1
    return Artefact(tensors, record)


def _retrained(
    setting: Setting, grid: Grid, network: nn.Module, cut: Sequence[Group], checkpoint: Checkpoint
) -> tuple[Outcomes, Mapping[str, Any]]:
    """Every cut retrained, one after the other; each starts from the dense weights."""
    dense = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    learner, regime, score = setting.learner, _retraining(setting, grid), setting.cut.value.score
    dense_answers = _answers(learner, network)
    trainings = SerialCheckpoint(checkpoint)
    found: list[Answers] = [_unpacked(part) for part in trainings.finished]
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
            trainings.finish({**_packed(found[-1]), **cost})
    network.load_state_dict(dense)
    shape = (len(cut), len(grid.budgets), -1)
    together = joined(found)
    outcomes = Outcomes(
        loss=together.loss.reshape(shape),
        top1=together.top1.reshape(shape),
        top5=None if together.top5 is None else together.top5.reshape(shape),
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
    """What a network makes of each image of val; it is left in training mode, as stages hand it on."""
    arrange, parts = layout.for_network(network), []
    network.eval()
    for images, labels in learner.data.value.val.batches(learner.evaluation_batch, learner.device):
        adapted = images if learner.adapt is None else learner.adapt(images)
        parts.append(answers(network(arrange(adapted)), labels))
    network.train()
    return joined(parts)


def _packed(found: Answers) -> dict[str, Any]:
    """Plain numbers for the record of a part."""
    top5 = None if found.top5 is None else _bits(found.top5)
    undefined = _bits(found.undefined)
    return {"loss": found.loss.tolist(), "top1": _bits(found.top1), "top5": top5, "undefined": undefined}


def _unpacked(part: Mapping[str, Any]) -> Answers:
    loss = torch.tensor(part["loss"], dtype=torch.float32)
    top5 = None if part["top5"] is None else _right(part["top5"])
    return Answers(loss, _right(part["top1"]), top5, _right(part["undefined"]))


def _bits(right: Tensor) -> str:
    return "".join("1" if value else "0" for value in right.tolist())


def _right(bits: str) -> Tensor:
    return torch.tensor([bit == "1" for bit in bits])
