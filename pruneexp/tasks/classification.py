"""Classification: one of several classes for each input; cross-entropy, and accuracies in percent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pruneexp.errors import UserError
from pruneexp.schema import TOP1, TOP5, Metric, Score
from pruneexp.tasks.guesses import guesses
from pruneexp.tasks.task import Answers, Data, Forward, OutputForm, Split

_OTHER_TASK = "a data set that is for another task names it in data.info.task"


@dataclass(frozen=True)
class Classification:
    """Inputs are images (B, C, H, W), or float32 of any other shape; targets are labels, int64 (B,)."""

    name: ClassVar[str] = "classification"
    metrics: ClassVar[tuple[Metric, ...]] = (TOP1, TOP5)
    examples: ClassVar[str] = "images"

    def check(self, data: Data) -> None:
        """Each split has labels of all its images, and they are of two classes or more.

        Raises:
            UserError: a split is empty, a label is out of range, or there are fewer than two classes.
        """
        if data.classes is None or data.classes < 2:
            raise UserError(f"data set '{data.name}' has {data.classes or 0} class; a classifier needs 2 or more")
        for split, source in (("train", data.train), ("val", data.val), ("test", data.test)):
            _check_labels(source, data.classes, f"the {split} split of data set '{data.name}'")
        labels = _labels(data.train, f"the train split of data set '{data.name}'")
        first = int(labels[0])
        if bool((labels == first).all()):
            raise UserError(
                f"the train split of data set '{data.name}' holds images of one class only (class {first} of "
                f"{data.classes}); a classifier needs 2 or more"
            )

    def example(
        self, data: Data, shape: tuple[int, ...], count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Noise of the first class."""
        return torch.randn(count, *shape, generator=generator), torch.zeros(count, dtype=torch.int64)

    def output(self, data: Data, shape: tuple[int, ...]) -> OutputForm:
        return OutputForm((data.classes or 0,), "one logit per class")

    def loss(
        self, network: Forward, inputs: Tensor, targets: Tensor, *, smoothing: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy, with smoothed labels where that is asked for."""
        logits = network(inputs)
        return cross_entropy(logits, targets, label_smoothing=smoothing), logits

    def meter(self) -> ClassificationMeter:
        return ClassificationMeter()

    def per_example(self, outputs: Tensor, targets: Tensor) -> Answers:
        """The answers in logits (B, classes), or (classes,) of a single image, to labels (B,)."""
        logits = _rows(outputs, targets).float()
        right, undefined = guesses(logits, targets)
        values = {"top1": right[:, 0]} | ({"top5": right.any(1)} if logits.shape[1] > 5 else {})
        return Answers(cross_entropy(logits, targets, reduction="none"), values, undefined)

    def of_mean(self, metric: str, mean: Tensor) -> Tensor:
        """Not needed: accuracies are percentages of right answers."""
        return mean


#: The task of data sets that name none.
CLASSIFICATION = Classification()


class ClassificationMeter:
    """Mean cross-entropy and accuracies, in float32.

    Accuracies are percent; there is no top5 for five classes or fewer. An image without a best class (see ``guesses``)
    is a wrong answer; the score has the number of such images, and its loss is not a number.
    """

    def __init__(self) -> None:
        self._sums: Tensor | None = None
        self._images = self._classes = 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        logits = _rows(outputs, targets)
        sums = _sums(logits, targets)
        self._sums = sums if self._sums is None else self._sums + sums
        self._images += len(targets)
        self._classes = logits.shape[1]

    def compute(self) -> Score:
        assert self._sums is not None
        loss, top1, top5, undefined = (self._sums / self._images).tolist()
        return Score(
            loss=loss,
            metrics={"top1": 100 * top1} | ({"top5": 100 * top5} if self._classes > 5 else {}),
            undefined=round(undefined * self._images) if undefined else None,
            images=self._images if undefined else None,
        )


def _rows(outputs: Tensor, targets: Tensor) -> Tensor:
    """Logits (B, classes): a network that squeezes drops the batch of a single image."""
    return outputs.reshape(len(targets), -1)


def _sums(logits: Tensor, labels: Tensor) -> Tensor:
    """Summed loss, numbers of right first guesses, of right answers among the first five, of images without a guess."""
    logits = logits.float()
    right, undefined = guesses(logits, labels)
    loss = cross_entropy(logits, labels, reduction="sum")
    return torch.stack([count.double() for count in (loss, right[:, 0].sum(), right.sum(), undefined.sum())])


def _labels(source: Split, where: str) -> Tensor:
    labels = getattr(source, "labels", None)
    if not isinstance(labels, Tensor):
        raise UserError(f"{where} has no labels, which a classifier needs; {_OTHER_TASK}")
    return labels


def _check_labels(source: Split, classes: int, where: str) -> None:
    labels = _labels(source, where)
    if labels.dtype != torch.int64 or labels.shape != (len(source),):
        raise UserError(
            f"{where} has {labels.dtype} labels of shape {tuple(labels.shape)}, where a classifier needs int64 "
            f"({len(source)},); {_OTHER_TASK}"
        )
    if len(source) == 0:
        raise UserError(f"{where} is empty; it needs at least one image")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise UserError(f"{where} has labels from {low} to {high}; {classes} classes allow 0 to {classes - 1}")
