"""One curve as a value, and how it is made of what is asked for, so that its parts fit each other; trains nothing.

Each group of the configuration becomes a part here, or in ``learner``, once; nothing later looks at its node again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import torch
from hydra.utils import get_object
from torch import nn

from pruneexp.cost.cost import Cost
from pruneexp.cost.overlooked import overlooked
from pruneexp.errors import UserError
from pruneexp.experiment.alike import ANEW, Alike
from pruneexp.experiment.cuts import check_cut
from pruneexp.experiment.instances import check_homes, part
from pruneexp.experiment.learner import made, tried
from pruneexp.experiment.naming import name_layers
from pruneexp.experiment.spec import JobSpec
from pruneexp.experiment.start import fitted, read_weights
from pruneexp.experiment.threads import threads
from pruneexp.experiment.trainers import check_trainers, gains_by_stacking, trainer_of
from pruneexp.pruning.allotment import GuidedAllocation
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.informed import InformedCriterion
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import select
from pruneexp.schema import Budget, nothing
from pruneexp.stages.graph import Route
from pruneexp.stages.parts import Part, code_of
from pruneexp.stages.setting import Cut, Learner, NetworkDropout, Regime, Setting
from pruneexp.tasks.classification import Classification
from pruneexp.training.distillation import Distillation
from pruneexp.training.dropout import DropoutPolicy, calls_of, rates
from pruneexp.training.events import Listener
from pruneexp.training.recipe import Recipe
from pruneexp.training.seeding import generator
from pruneexp.training.step import check_reach

#: Keys of ``train`` that are no part of a recipe.
_NO_RECIPE = ("augment", "start_from", "start_from_except", "trainer")


class Schedule(Protocol):
    """The rounds that lead to a budget: ``path`` is mildest first and ends with ``target``."""

    def path(self, target: Budget, curve: Sequence[Budget]) -> tuple[Budget, ...]: ...


class Mode(Protocol):
    """The stages of one trade-off point."""

    def route(self, setting: Setting, path: Sequence[Budget]) -> Route: ...


@dataclass(frozen=True)
class Job:
    """One curve; ``spec`` is what was asked for, with names of layers as text.

    ``overlooked`` says which weights are not pruned and which FLOP not counted, if any.
    """

    spec: JobSpec
    setting: Setting
    schedule: Part[Schedule]
    mode: Part[Mode]
    costs: Mapping[str, Part[Cost]]
    overlooked: str = ""

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Those of the curve, mildest first."""
        return self.spec.budgets

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The stages of each point of the curve."""
        return tuple(self.route(budget, self.budgets) for budget in self.budgets)

    @property
    def path(self) -> tuple[Budget, ...]:
        """The budgets of the whole curve where the rounds that lead to one depend on the others, else nothing."""
        rounds = self.schedule.value.path
        depends = any(rounds(budget, self.budgets) != rounds(budget, (budget,)) for budget in self.budgets)
        return self.budgets if depends else ()

    def route(self, budget: Budget, curve: Sequence[Budget] = ()) -> Route:
        """The stages that lead to a budget of a curve; without one, to a budget beside every curve.

        The code of a mode that is not ours identifies every stage but the dense network.
        """
        path = self.schedule.value.path(budget, curve or (budget,))
        return self.mode.value.route(self.setting, path).signed(code_of(self.mode.identity))


def build(spec: JobSpec, listeners: Sequence[Listener] = (), alike: Alike = ANEW) -> Job:
    """Instantiate everything a job needs and check that the parts fit each other; sets torch's number of threads.

    Raises:
        UserError: a part cannot be made, or does not fit the others.
    """
    spec, untried = made(spec, alike)
    probe = untried.network("fresh")
    if spec.start_from:
        fitted(probe.state_dict(), read_weights(spec.start_from), spec.start_from, spec.start_from_except)
    recipe, _ = recipes(spec)
    learner = tried(untried, probe, recipe.value, alike)
    criterion = spec.values["criterion"]
    layers = prunable(probe, criterion["layers"], criterion.get("exclude", []))
    spec = _told(spec, layers)
    # Now, as it reads gradients, which the trainers' checks remove.
    left_out = overlooked(probe, _cut(spec, learner).value.scope(probe), learner.costs.layer_flop, learner.unfollowed)
    torch.set_num_threads(threads(spec.runtime, learner, recipe.value.batch_size))
    policy: Part[DropoutPolicy] = part(spec, "dropout", spec.values["dropout"])
    calls = calls_of(probe, policy.value, learner.example(2, "dropout uses")[0])
    dropout = NetworkDropout(policy, calls, rates(probe, policy.value, "train", {}, calls))
    stacks = isinstance(learner.task.value, Classification) and gains_by_stacking(probe)
    bare = setting_of(spec, learner, dropout, in_halves=_in_halves(probe), stacks=stacks)
    setting = replace(bare, listeners=tuple(listeners))
    check_trainers(spec, setting, probe)
    for key, regime in (("train", setting.dense), ("retrain", setting.retraining), ("scratch", setting.scratch)):
        check_reach(regime.penalty.value, probe, f"reg.{key}")
    _check_selection(setting, layers, spec.budgets[0])
    job = job_of(spec, setting, left_out)
    rounds = (budget for each in job.budgets for budget in job.schedule.value.path(each, job.budgets))
    staying = check_cut(setting, layers, list(dict.fromkeys(rounds)), probe)
    return replace(job, overlooked="; ".join(filter(None, (left_out, staying))))


def job_of(spec: JobSpec, setting: Setting, left_out: str = "") -> Job:
    """The job of a setting, with the schedule and the mode that were asked for; ``left_out`` is its ``overlooked``."""
    schedule: Part[Schedule] = part(spec, "schedule", spec.values["schedule"])
    return Job(spec, setting, schedule, _mode(spec), _costs(spec), left_out)


def _mode(spec: JobSpec) -> Part[Mode]:
    """The mode; epoch 0, from which training starts unless something else is said, is no part of its identity."""
    mode: Part[Mode] = part(spec, "mode", spec.values["mode"])
    ours = str(mode.identity["_target_"]).startswith("pruneexp.modes.")
    unsaid = ours and mode.identity.get("epoch") == 0
    return replace(mode, identity={k: v for k, v in mode.identity.items() if k != "epoch"}) if unsaid else mode


def _costs(spec: JobSpec) -> dict[str, Part[Cost]]:
    nodes = spec.values["curve"]["costs"] or {}
    if not isinstance(nodes, dict) or not all(isinstance(node, dict) and "_target_" in node for node in nodes.values()):
        raise UserError(
            f"curve.costs={nodes}: allowed are names, each with a cost, as in {{macs: {{_target_: mine.Macs}}}}"
        )
    return {name: part(spec, f"curve.costs.{name}", node) for name, node in nodes.items()}


def setting_of(spec: JobSpec, learner: Learner, dropout: NetworkDropout, *, in_halves: bool, stacks: bool) -> Setting:
    """The parts of a job around its network.

    ``in_halves``: whether that can be retrained so; ``stacks``: whether it gains by a stack.

    Raises:
        UserError: a part cannot be made, or does not fit the others.
    """
    train, retrain = recipes(spec)
    augment, reg, device = spec.values["train"]["augment"], spec.values["reg"], learner.device
    local = in_halves and spec.values["retrain"]["scope"] == "local"
    if local and spec.values["criterion"].get("edit"):
        raise UserError("retrain.scope=local keeps masks alone, and criterion.edit is more: use retrain.scope=whole")
    distillation = _distillation(spec, learner)
    first, anew = (trainer_of(spec, train.value, device, stacks=stacks, whole=whole) for whole in (True, False))
    again = trainer_of(spec, retrain.value, device, stacks=stacks, alone=local or distillation is not None)
    dense = Regime("train", train, augment, part(spec, "reg.train", reg["train"]), dropout, first)
    scratch = part(spec, "reg.scratch", reg["scratch"]) if reg.get("scratch") else dense.penalty
    return Setting(
        learner=learner,
        dense=dense,
        scratch=replace(dense, penalty=scratch, trainer=anew),
        retraining=Regime(
            "retrain", retrain, augment, part(spec, "reg.retrain", reg["retrain"]), dropout, again, local, distillation
        ),
        cut=_cut(spec, learner),
        recalibrate_batchnorm=spec.values["curve"]["recalibrate_batchnorm"],
        seed=spec.seed,
    )


def _distillation(spec: JobSpec, learner: Learner) -> Distillation | None:
    node = spec.values["retrain"].get("distillation") or {}
    if not node.get("weight"):
        return None
    key = f"retrain.distillation.weight={node['weight']:g}"
    if not isinstance(learner.task.value, Classification):
        raise UserError(f"{key}: classifiers are distilled, and the task of the data is {learner.task.value.name}")
    if spec.values["train"]["trainer"] == "stacked":
        raise UserError(f"{key}: train.trainer=stacked cannot distil; use train.trainer=auto, or single")
    try:
        return Distillation(**node)
    except ValueError as error:
        raise UserError(f"retrain.distillation: {error}") from error


def recipes(spec: JobSpec) -> tuple[Part[Recipe], Part[Recipe]]:
    """How the dense network is trained, and how what pruning left is: as the dense one where it is not said."""
    values = {key: value for key, value in spec.values["train"].items() if key not in _NO_RECIPE}
    values["lr"] *= spec.lr_factor
    retrain = spec.values["retrain"]
    changes = {key: retrain[key] for key in ("epochs", "schedule", "milestones")}
    try:
        both = Recipe(**values), Recipe(**{**values, **changes, "lr": values["lr"] * retrain["lr_factor"]})
    except ValueError as error:
        raise UserError(f"train or retrain: {error}") from error
    first, second = (Part(recipe, _whole(recipe)) for recipe in both)
    return first, second


def _whole(recipe: Recipe) -> dict[str, Any]:
    """The identity of a recipe that is no part of a longer training."""
    return {key: value for key, value in asdict(recipe).items() if key not in ("first", "course")}


def _cut(spec: JobSpec, learner: Learner) -> Part[Cut]:
    """What masks are made by. Kinds of layers that came later count only where the network has such layers."""
    node: dict[str, Any] = spec.values["criterion"]
    score, allocation = (part(spec, f"criterion.{name}", node[name]) for name in ("score", "allocation"))
    sharing = allocation.value
    if isinstance(sharing, GuidedAllocation):
        sharing = sharing.fitted(learner.costs.maps)
    proportions = part(spec, "criterion.proportions", node["proportions"]) if node.get("proportions") else None
    kinds = ("conv", "linear", *learner.matrices.values())
    layers, exclude = [kind for kind in node["layers"] if kind in kinds], list(node.get("exclude", []))
    unit = part(spec, "criterion.unit", node["unit"]) if node.get("unit") else None
    editor = part(spec, "criterion.edit", node["edit"]) if node.get("edit") else None
    ways = tuple(way.value if way else None for way in (unit, editor, proportions))
    cut = Cut(score.value, sharing, layers, node["min_keep"], exclude, *ways)
    identity = {**node, "score": score.identity, "allocation": allocation.identity, "layers": layers}
    said = {
        "exclude": exclude,
        "unit": unit and unit.identity,
        "edit": editor and editor.identity,
        "proportions": proportions and proportions.identity,
    }  # what is not said is no part of the identity
    return Part(cut, {key: value for key, value in {**identity, **said}.items() if key not in said or value})


def _told(spec: JobSpec, layers: Collection[str]) -> JobSpec:
    """The same with text where the allocation names layers, and what a file holds where it names one.

    So what is run, stored and recorded are one.
    """
    node: dict[str, Any] = spec.values["criterion"]["allocation"]
    check_homes("criterion.allocation", node, spec.allowed)
    kind = get_object(node["_target_"])
    if isinstance(kind, GuidedAllocation):
        node = kind.contents(node)
    return spec.allocating(name_layers(node, layers, "criterion.allocation"))


def _in_halves(network: nn.Module) -> bool:
    """Whether a network has both convolutions and other layers, so that either can be retrained alone."""
    return len({layer.kind == "conv" for layer in prunable(network).values()}) == 2


def _check_selection(setting: Setting, layers: Collection[str], budget: Budget) -> None:
    """Let the criterion choose among a few weights per layer, so that a wrong layer name is found before training."""
    draws, cut = torch.Generator().manual_seed(0), setting.cut.value
    scope = {name: torch.randn(8, 8, generator=draws) for name in layers}
    select(
        scope,
        nothing("quality" if budget.kind == "quality" else "density"),  # only names are looked at
        Magnitude() if isinstance(cut.score, InformedCriterion) else cut.score,
        cut.allocation,
        survivors=MaskSet.dense(scope),
        min_keep=cut.min_keep,
        generator=generator(setting.seed, "criterion"),
    )
