"""What a search makes small beside what it loses: a cost of each trial, as a share of the dense network's.

Latency is that of the machine which runs the search; all else follows from the records of a trial.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pruneexp.errors import Infeasible, UserError
from pruneexp.experiment.session import Session
from pruneexp.measure.forms import NoSuchForm
from pruneexp.measure.measuring import machine_of
from pruneexp.measure.sizes import PROGRAMS, size_times, whole_and_small
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.units.unit import NetworkUnit
from pruneexp.schema import MAX_COST, SHARE, PointResult
from sweeps import levels as cuts

#: What ``study.cost`` may be.
COSTS = ("density", "flop", "parameters", "bytes", "latency")
#: What ``study.form`` may be.
FORMS = tuple(PROGRAMS)

#: Of a trial with these levels.
Share = Callable[[PointResult, Mapping[str, float]], float]


@dataclass(frozen=True)
class TrialCost:
    """A cost by its name in the study; ``about`` is what tells a study of it from one of density."""

    name: str = "density"
    share: Share = lambda result, _: result.density
    about: Mapping[str, Any] = field(default_factory=dict)

    def numbers(self, result: PointResult, levels: Mapping[str, float]) -> dict[str, float]:
        """What the record of a trial says of it; nothing of density, which each record has."""
        return {} if self.name == "density" else {f"{SHARE}{self.name}": self.share(result, levels)}

    def limited(self, most: float | None) -> TrialCost:
        """The same of a study that allows at most this share, if it has such a limit."""
        return self if most is None else replace(self, about={**self.about, MAX_COST: most})


def trial_cost(session: Session, name: str, form: str, batch: int) -> TrialCost:
    """The cost of this name, for the criterion of a session; ``form`` and ``batch`` are those of latency.

    Raises:
        UserError: it does not go with the criterion, or the network cannot be made smaller or run in this form here.
    """
    if name == "density":
        return TrialCost()
    criterion, channels = session.choices["criterion"], isinstance(session.job.setting.cut.value.unit, NetworkUnit)
    if name == "latency" and not channels:
        raise UserError(
            f"study.cost=latency: a network runs as long as before where criterion={criterion} leaves zeros in it; "
            "choose criterion=channel_magnitude, whose channels are taken out"
        )
    if name == "bytes" and channels:
        raise UserError(
            f"study.cost=bytes: without the channels that criterion={criterion} cuts a network is dense, and its bytes "
            "are those of its parameters: choose study.cost=parameters"
        )
    sizes = cuts.sizes_of(session)
    if channels:
        _check_smaller(session, sizes, name, form)
    if name == "latency":
        about = {"cost": name, "form": form, "batch": batch, "machine": machine_of(session.environment())}
        return TrialCost(name, partial(_latency, session, sizes, form, batch), about)
    if name == "flop":
        return TrialCost(name, partial(_flop, channels), {"cost": name})
    if name == "bytes":
        return TrialCost(name, _bytes, {"cost": name})
    whole = sum(parameter.numel() for parameter in session.job.setting.learner.network("fresh").parameters())
    return TrialCost(name, partial(_parameters, whole if channels else None), {"cost": name})


def _check_smaller(session: Session, sizes: Mapping[str, int], name: str, form: str) -> None:
    """Take half of the channels out of a network with fresh weights."""
    try:
        found = whole_and_small(session, _masks(session, sizes, dict.fromkeys(sizes, 0.5)))
        if name == "latency":
            for network in found:
                PROGRAMS[form](network)
    except NoSuchForm as error:
        raise UserError(f"study.form={form}: {error}") from error
    except UserError as error:
        raise UserError(f"study.cost={name}: {error}") from error


def _masks(session: Session, sizes: Mapping[str, int], levels: Mapping[str, float]) -> MaskSet:
    """Masks that leave as many channels of each set as those of a trial; which these are changes no size."""
    varied, budget = cuts.leveled(session, sizes, levels)
    setting = varied.job.setting
    network = setting.learner.network("fresh")
    return cuts.largest(setting, network, budget, setting.cut.value.allocation, cuts.units_of(varied, network))


def _latency(
    session: Session, sizes: Mapping[str, int], form: str, batch: int, _: PointResult, levels: Mapping[str, float]
) -> float:
    found = size_times(session, _masks(session, sizes, levels), form, batch)
    return found.small / found.whole


def _flop(removed: bool, result: PointResult, _: Mapping[str, float]) -> float:
    """Products that no pruning saves are included, as in ``curve.flops``."""
    assert result.flop_total is not None
    if removed:
        return _known(result.removed_flop) / result.flop_total
    return (result.flop_total - result.flop_dense + result.flop_weights) / result.flop_total


def _parameters(whole: int | None, result: PointResult, _: Mapping[str, float]) -> float:
    """Of channels, parameters over the ``whole``; else with buffers, as in ``curve.parameters``."""
    if whole is not None:
        return _known(result.removed_parameters) / whole
    assert result.network_kept is not None
    assert result.network_total is not None
    return result.network_kept / result.network_total


def _bytes(result: PointResult, _: Mapping[str, float]) -> float:
    assert result.network_bytes_sparse is not None
    assert result.network_bytes_dense is not None
    return result.network_bytes_sparse / result.network_bytes_dense


def _known(removed: float | None) -> float:
    if removed is None:
        raise Infeasible("the channels of this trial cannot be taken out of the network, so that its cost is not known")
    return removed
