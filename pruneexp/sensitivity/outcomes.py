"""The results of a scan, image by image. Knows nothing of how a scan computes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pruneexp.schema import Score
from pruneexp.sensitivity.levels import Levels
from pruneexp.training.evaluation import guesses


@dataclass(frozen=True)
class Answers:
    """The answers of one network to N images: ``loss`` is the cross-entropy (float32), the other fields are boolean.

    All have shape (N,) and lie on the CPU. ``top5`` is None for five classes or fewer; ``undefined`` is true for images
    without a best class.
    """

    loss: Tensor
    top1: Tensor
    top5: Tensor | None
    undefined: Tensor

    def score(self) -> Score:
        """Means over the images, as ``evaluate`` gives them; accuracies are percent."""
        return _score(self.loss, self.top1, self.top5, self.undefined)


@dataclass(frozen=True)
class Outcomes:
    """The answers of the network with one group pruned to one level, for every group and level; see ``Answers``.

    Shapes are (groups, levels, images), in the orders given to ``scan``. ``kept`` (groups, levels) and ``totals``
    (groups,) count weights. ``plain`` names the groups that needed whole passes, at least for some images.
    """

    loss: Tensor
    top1: Tensor
    top5: Tensor | None
    undefined: Tensor
    dense: Answers
    kept: Tensor
    totals: Tensor
    plain: tuple[str, ...]

    def score(self, group: int, level: int) -> Score:
        """Means over the images, as ``evaluate`` gives them; accuracies are percent."""
        top5 = None if self.top5 is None else self.top5[group, level]
        return _score(self.loss[group, level], self.top1[group, level], top5, self.undefined[group, level])


def answers(logits: Tensor, labels: Tensor) -> Answers:
    """The answers in logits (B, classes), or (classes,) of a single image, to labels (B,); waits for the device."""
    logits = logits.float().reshape(len(labels), -1)
    right, undefined = guesses(logits, labels)
    top5 = right.any(1).cpu() if logits.shape[1] > 5 else None
    loss = cross_entropy(logits, labels, reduction="none")
    return Answers(loss.cpu(), right[:, 0].cpu(), top5, undefined.cpu())


class OutcomesBuilder:
    """Collects the answers of a scan. ``order[i]`` is the caller's index of level i, counted from the mildest."""

    def __init__(
        self,
        scanned: Sequence[tuple[str, Levels]],
        order: Sequence[int],
        images: int,
        progress: Callable[[float], None] | None,
    ) -> None:
        shape = (len(scanned), len(order), images)
        self._scanned, self._order, self._progress = scanned, order, progress
        self._loss = torch.zeros(shape)
        self._top1, self._top5, self._undefined = (torch.zeros(shape, dtype=torch.bool) for _ in range(3))
        self._dense: list[Answers] = []
        self._plain: set[int] = set()
        self._left = self._loss.numel()

    def write_dense(self, start: int, found: Answers) -> None:
        """Write the dense network's answers to the next images, which levels that prune nothing share."""
        self._dense.append(found)
        for group, (_, levels) in enumerate(self._scanned):
            unpruned = [level for level, kept in enumerate(levels.kept) if kept == levels.total]
            self.write(group, unpruned, start, found)

    def write(self, group: int, levels: Sequence[int], start: int, found: Answers) -> None:
        """Write one group's answers, at levels with the same mask, to the images from ``start`` on."""
        images = slice(start, start + len(found.loss))
        for index in (self._order[level] for level in levels):
            self._loss[group, index, images] = found.loss
            self._top1[group, index, images] = found.top1
            self._undefined[group, index, images] = found.undefined
            if found.top5 is not None:
                self._top5[group, index, images] = found.top5
        self._left -= len(levels) * len(found.loss)
        if self._progress is not None and levels:
            self._progress(1 - self._left / self._loss.numel())

    def note_plain(self, group: int) -> None:
        """Note that this group needed a whole pass."""
        self._plain.add(group)

    def outcomes(self) -> Outcomes:
        """The outcomes, with levels in the caller's order; to be called once all answers are written."""
        dense = joined(self._dense)
        indices = torch.tensor(self._order).argsort()
        kept = torch.tensor([levels.kept for _, levels in self._scanned])[:, indices]
        totals = torch.tensor([levels.total for _, levels in self._scanned])
        plain = tuple(name for group, (name, _) in enumerate(self._scanned) if group in self._plain)
        top5 = None if dense.top5 is None else self._top5
        return Outcomes(self._loss, self._top1, top5, self._undefined, dense, kept, totals, plain)


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers to all images of the parts, in order."""
    top5 = [part.top5 for part in parts if part.top5 is not None]
    loss, top1 = torch.cat([part.loss for part in parts]), torch.cat([part.top1 for part in parts])
    undefined = torch.cat([part.undefined for part in parts])
    return Answers(loss, top1, torch.cat(top5) if top5 else None, undefined)


def _score(loss: Tensor, top1: Tensor, top5: Tensor | None, undefined: Tensor) -> Score:
    without = int(undefined.count_nonzero())
    return Score(
        loss=float(loss.double().mean()),
        metrics={"top1": _percent(top1)} | ({} if top5 is None else {"top5": _percent(top5)}),
        undefined=without or None,
        images=undefined.numel() if without else None,
    )


def _percent(right: Tensor) -> float:
    return 100 * (int(right.count_nonzero()) / right.numel())
