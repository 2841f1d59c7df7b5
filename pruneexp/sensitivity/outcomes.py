"""The results of a scan, example by example. Knows nothing of how a scan computes them, nor what is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pruneexp.schema import Score
from pruneexp.sensitivity.levels import Levels
from pruneexp.tasks.task import Answers, TaskByExample


@dataclass(frozen=True)
class Outcomes:
    """The answers of the network with one group pruned to one level, for every group and level; see ``Answers``.

    Shapes are (groups, levels, examples), in the orders given to ``scan``, on the CPU. ``kept`` (groups, levels) and
    ``totals`` (groups,) count weights. ``plain`` names the groups that needed whole passes, at least for some examples.
    """

    loss: Tensor
    values: Mapping[str, Tensor]
    undefined: Tensor
    dense: Answers
    kept: Tensor
    totals: Tensor
    plain: tuple[str, ...]

    def answers(self, group: int, level: int) -> Answers:
        """The answers of one network."""
        values = {metric: found[group, level] for metric, found in self.values.items()}
        return Answers(self.loss[group, level], values, self.undefined[group, level])


class OutcomesBuilder:
    """Collects the answers of a scan. ``order[i]`` is the caller's index of level i, counted from the mildest."""

    def __init__(
        self,
        scanned: Sequence[tuple[str, Levels]],
        order: Sequence[int],
        examples: int,
        progress: Callable[[float], None] | None,
    ) -> None:
        self._shape = (len(scanned), len(order), examples)
        self._scanned, self._order, self._progress = scanned, order, progress
        self._loss, self._undefined = torch.zeros(self._shape), torch.zeros(self._shape, dtype=torch.bool)
        self._values: dict[str, Tensor] = {}
        self._dense: list[Answers] = []
        self._plain: set[int] = set()
        self._left = self._loss.numel()

    def write_dense(self, start: int, found: Answers) -> None:
        """Write the dense network's answers to the next examples, which levels that prune nothing share."""
        self._dense.append(found)
        for group, (_, levels) in enumerate(self._scanned):
            unpruned = [level for level, kept in enumerate(levels.kept) if kept == levels.total]
            self.write(group, unpruned, start, found)

    def write(self, group: int, levels: Sequence[int], start: int, found: Answers) -> None:
        """Write one group's answers, at levels with the same mask, to the examples from ``start`` on."""
        examples = slice(start, start + len(found.loss))
        for index in (self._order[level] for level in levels):
            self._loss[group, index, examples] = found.loss
            self._undefined[group, index, examples] = found.undefined
            for metric, values in found.values.items():
                if metric not in self._values:
                    self._values[metric] = torch.zeros(self._shape, dtype=values.dtype)
                self._values[metric][group, index, examples] = values
        self._left -= len(levels) * len(found.loss)
        if self._progress is not None and levels:
            self._progress(1 - self._left / self._loss.numel())

    def note_plain(self, group: int) -> None:
        """Note that this group needed a whole pass."""
        self._plain.add(group)

    def outcomes(self) -> Outcomes:
        """The outcomes, with levels in the caller's order; to be called once all answers are written."""
        indices = torch.tensor(self._order).argsort()
        kept = torch.tensor([levels.kept for _, levels in self._scanned])[:, indices]
        totals = torch.tensor([levels.total for _, levels in self._scanned])
        plain = tuple(name for group, (name, _) in enumerate(self._scanned) if group in self._plain)
        return Outcomes(self._loss, self._values, self._undefined, joined(self._dense), kept, totals, plain)


def on_cpu(found: Answers) -> Answers:
    """The same answers on the CPU; waits for the device."""
    values = {metric: values.cpu() for metric, values in found.values.items()}
    return Answers(found.loss.cpu(), values, found.undefined.cpu())


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers to all examples of the parts, in order."""
    loss, undefined = torch.cat([part.loss for part in parts]), torch.cat([part.undefined for part in parts])
    values = {metric: torch.cat([part.values[metric] for part in parts]) for metric in parts[0].values}
    return Answers(loss, values, undefined)


def score_of(task: TaskByExample, found: Answers) -> Score:
    """Means over the examples, as ``evaluate`` gives them."""
    without = int(found.undefined.count_nonzero())
    return Score(
        loss=float(found.loss.double().mean()),
        metrics={metric: _metric(task, metric, values) for metric, values in found.values.items()},
        undefined=without or None,
        images=found.undefined.numel() if without else None,
    )


def _metric(task: TaskByExample, metric: str, values: Tensor) -> float:
    if values.dtype == torch.bool:
        return 100 * (int(values.count_nonzero()) / values.numel())
    return float(task.of_mean(metric, values.double().mean()))


def packed(found: Answers) -> dict[str, Any]:
    """Plain numbers for the record of a part of a scan."""
    values = {metric: _plain(values) for metric, values in found.values.items()}
    return {"loss": found.loss.tolist(), "undefined": _plain(found.undefined), **values}


def unpacked(part: Mapping[str, Any]) -> Answers:
    """The answers in the record of a part of a scan, which says what it cost, too."""
    values = {name: _tensor(part[name]) for name in part if name not in _BESIDE_VALUES and part[name] is not None}
    return Answers(_tensor(part["loss"]), values, _tensor(part["undefined"]))


#: What stands in the record of a part beside the values of metrics.
_BESIDE_VALUES = ("loss", "undefined", "epochs", "flop", "seconds")


def _plain(values: Tensor) -> str | list[float]:
    """Booleans as a word of 1 and 0, numbers as they are."""
    if values.dtype == torch.bool:
        return "".join("1" if value else "0" for value in values.tolist())
    numbers: list[float] = values.tolist()
    return numbers


def _tensor(plain: str | list[float]) -> Tensor:
    if isinstance(plain, str):
        return torch.tensor([bit == "1" for bit in plain])
    return torch.tensor(plain, dtype=torch.float32)
