"""Latency of a network without channels beside that of the whole one, which follows from the sizes of both alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from pruneexp.cache.identity import stage_key
from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.experiment.session import Session
from pruneexp.export.network import PrunedNetwork
from pruneexp.measure import forms
from pruneexp.measure.clock import by_turns
from pruneexp.measure.measuring import machine_of, wait_for
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal import removed

#: Part of the key: raised where what is timed, or how, changes.
VERSION = 1

#: For which each of the two is timed.
SECONDS = 0.5

#: What runs both networks, by the name that ``forms.FORMS`` has for the small one in it.
PROGRAMS: Mapping[str, Callable[[PrunedNetwork], forms.FormRun]] = {
    "removed": forms.masked,
    "removed_onnxruntime": forms.onnxruntime,
}


class SizeTimes(NamedTuple):
    """Median seconds of a call of the ``whole`` network and of the ``small`` one."""

    whole: float
    small: float


class Sizes(NamedTuple):
    """The whole network with fresh weights, and what masks leave of it."""

    whole: PrunedNetwork
    small: PrunedNetwork


def whole_and_small(session: Session, masks: MaskSet) -> Sizes:
    """Both networks.

    Raises:
        UserError: the network's code needs the sizes that it was made with.
    """
    learner = session.job.setting.learner
    whole = learner.network("fresh").eval()
    small = removed(whole, masks, learner.example(2, "removal")[0]).network.eval()
    return Sizes(*(PrunedNetwork(session, network, masks, {}, {}) for network in (whole, small)))


def size_times(session: Session, masks: MaskSet, form: str, batch: int) -> SizeTimes:
    """Both networks timed by turns on this machine, in a form of ``PROGRAMS``.

    A result of the store: networks of the same sizes are timed once on each machine.

    Raises:
        UserError: the network's code needs the sizes that it was made with.
        NoSuchForm: they cannot run in this form here.
    """
    sizes, learner = whole_and_small(session, masks), session.job.setting.learner
    about = {
        "model": learner.model.identity,
        "sizes": {name: list(tensor.shape) for name, tensor in sizes.small.network.state_dict().items()},
        "form": form,
        "batch": batch,
        "machine": machine_of(session.environment()),
    }

    def make(_: Checkpoint) -> Artefact:
        inputs = sizes.whole.example(batch).to(learner.device)
        runs = {name: PROGRAMS[form](each) for name, each in sizes._asdict().items()}
        calls = {name: partial(each.run, inputs) for name, each in runs.items()}
        timed = by_turns(calls, partial(wait_for, learner.device), seconds=SECONDS)
        return Artefact({}, {name: timing.median for name, timing in timed.items()})

    found, _ = session.store.produce(stage_key("sizes", VERSION, about, []), "measure", make)
    return SizeTimes(found.record["whole"], found.record["small"])
