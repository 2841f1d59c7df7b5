"""The network of a point with its masks: from the result store, or computed again where it was collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from pruneexp.cache.store import Artefact
from pruneexp.errors import UserError
from pruneexp.experiment.instances import instantiated
from pruneexp.experiment.session import Session
from pruneexp.export.loading import has_lazy_layers, without_pretrained
from pruneexp.models.adapt import adapt
from pruneexp.pruning.enforcement import masks_in, under
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal import Architecture
from pruneexp.schema import PointIdentity, PointResult, flatten
from pruneexp.stages.graph import Route, Stage
from pruneexp.stages.setting import Learner
from pruneexp.stages.work import EDIT, load, masks_of, scores
from pruneexp.training.seeding import generator

#: Scores on one device in another number of threads differ by less, relative to them.
_SAME = 1e-5


class Resized(nn.Module):
    """A network behind the resizing that brings its data set's images into the shape that it takes."""

    def __init__(self, network: nn.Module, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.input_shape = network, input_shape

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.network(adapt(images, self.input_shape))
        return outputs


@dataclass(frozen=True)
class Smaller:
    """The ``architecture`` of a network without channels, and what it costs: before and now, FLOP of one input."""

    architecture: Architecture
    parameters: tuple[int, int]
    flop: tuple[float, float]

    @property
    def text(self) -> str:
        """In words."""
        parts = (("parameters", self.parameters), ("FLOP", self.flop))
        return ", ".join(f"{now:,.0f} of {then:,.0f} {name}" for name, (then, now) in parts)


@dataclass(frozen=True)
class PrunedNetwork:
    """The network of a point in evaluation mode, on the device of the session; pruned weights are zero.

    ``recorded`` and ``scores`` are those of the record and of this network, by split and metric. ``smaller`` says what
    was taken out of it, None where nothing was to be.
    """

    session: Session
    network: nn.Module
    masks: MaskSet
    recorded: Mapping[str, float]
    scores: Mapping[str, float]
    smaller: Smaller | None = None

    @property
    def state(self) -> dict[str, Tensor]:
        """Its state dict, on the CPU."""
        return {name: tensor.detach().cpu() for name, tensor in self.network.state_dict().items()}

    @cached_property
    def lazy(self) -> bool:
        """Whether its class leaves sizes to its first inputs."""
        spec = self.session.spec
        return has_lazy_layers(instantiated("model", without_pretrained(spec.values["model"]), spec.allowed))

    @property
    def differences(self) -> list[str]:
        """What the record says otherwise, in words."""
        pairs = ((name, self.scores[name], value) for name, value in self.recorded.items() if name in self.scores)
        return [
            f"{name} is {now:.7g} here and {then:.7g} in the record"
            for name, now, then in pairs
            if not abs(now - then) <= _SAME * max(abs(now), abs(then)) and not (now != now and then != then)
        ]

    def of_data(self) -> nn.Module:
        """The network that takes its data set's inputs as they are, on the CPU."""
        learner = self.session.job.setting.learner
        network = self.network.cpu()
        return network if learner.adapt is None else Resized(network, learner.input_shape).eval()

    def example(self, count: int) -> Tensor:
        """Inputs in the shape of the data set's, on the CPU."""
        learner = self.session.job.setting.learner
        data = learner.data.value
        inputs, _ = learner.task.value.example(data, data.shape, count, generator(0, "export"))
        return inputs


def pruned_network(session: Session, of: PointIdentity, result: PointResult) -> PrunedNetwork:
    """The network of a recorded point; what the store lacks of it is computed again.

    Raises:
        UserError: it is not in the store, and cannot be computed again; or the point never had a network of its own.
    """
    learner = session.job.setting.learner
    tensors, masks = _tensors(session, of)
    network = load(learner.network("fresh"), tensors, f"the network of the point {of.point_key[:8]}").eval()
    masks.to(learner.device).apply_(network)
    return PrunedNetwork(session, network, masks, _recorded(result), scores_of(learner, network))


def dense_network(session: Session, of: PointIdentity) -> nn.Module:
    """The dense network that a recorded point comes from, in evaluation mode; raises as ``pruned_network`` does."""
    route = session.job.route(of.budget, session.job.budgets)
    found = session.store.load(of.dense_key) or _computed(session, of, route, route.dense, of.dense_key)
    fresh = session.job.setting.learner.network("fresh")
    return load(fresh, found.tensors, f"the dense network of the point {of.point_key[:8]}").eval()


def scores_of(learner: Learner, network: nn.Module) -> dict[str, float]:
    """The scores of a network on val and test, by split and metric."""
    found: Mapping[str, Mapping[str, Any]] = scores(learner, network)
    return {f"{split}.{name}": float(value) for split, score in found.items() for name, value in score.items()}


def _recorded(result: PointResult) -> dict[str, float]:
    """The scores of the pruned network on val and test, by split and metric."""
    moments = {"val": result.val.after, **({} if result.test is None else {"test": result.test.after})}
    return {
        f"{split}.{name}": float(value) for split, score in moments.items() for name, value in flatten(score).items()
    }


def _tensors(session: Session, of: PointIdentity) -> tuple[Mapping[str, Tensor], MaskSet]:
    route = session.job.route(of.budget, session.job.budgets)
    final = session.store.load(of.final_key) or _computed(session, of, route, route.final, of.final_key)
    if not final.tensors:
        raise UserError(
            f"the point {of.point_key[:8]} is a trial of the search {of.study} that was cut and scored, and not "
            "kept: export one of its finalists"
        )
    if changed := masks_in(under(final.tensors, EDIT)):
        return final.tensors, changed
    mask = session.store.load(of.mask_key) or _computed(session, of, route, route.mask, of.mask_key)
    return final.tensors, masks_of(mask)


def _computed(session: Session, of: PointIdentity, route: Route, stage: Stage, key: str) -> Artefact:
    if stage.key != key:
        again = f"the search {of.study}" if of.study else "its command"
        raise UserError(
            f"the {stage.kind} result of the point {of.point_key[:8]} is not in {session.store.root}, and its "
            f"configuration makes another one here, by other code, versions or levels: give {again} again, and export "
            "the point that it records"
        )
    missing = [step for step in route.steps if not session.store.has(step.key)]
    steps, epochs = ", ".join(step.kind for step in missing), sum(step.epochs for step in missing)
    session.display.note(
        f"the store {session.store.root} lacks the network: it is computed again by the configuration of the record "
        f"({steps}; {epochs:g} epochs)"
    )
    with session.display.running(1, "network"):
        return session.runner.artefact(stage)
