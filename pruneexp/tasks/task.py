"""The definition of a task. A task of another kind is any class with these attributes and methods.

A data set names its task (``data.info.task``). The task answers every question that depends on what is learned, and not
on how: which data fit, what a network is tried with, the loss, and the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from pruneexp.schema import Metric, Score

#: A network, or what stands in for one: any function of a batch of inputs, and of targets where its task hands them on.
Forward = Callable[..., Any]


class Split(Protocol):
    """Examples that can be counted; what else a split has is for its task to know."""

    def __len__(self) -> int: ...


class Data(Protocol):
    """What a task sees of a data set: see ``pruneexp.data.dataset.Dataset``."""

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> int | None: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def train(self) -> Split: ...

    @property
    def val(self) -> Split: ...

    @property
    def test(self) -> Split: ...


class OutputForm(NamedTuple):
    """The shape of a network's output for one example, and what that is in words: ``one logit per class``."""

    shape: tuple[int, ...]
    words: str


class Meter(Protocol):
    """Scores a network on the batches of one split, one after the other."""

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch; does not wait for the device."""

    def compute(self) -> Score:
        """The score of all batches so far, of which there is at least one; waits for the device."""


@runtime_checkable
class Task(Protocol):
    """What networks learn, and how they are scored.

    ``name`` is a label of records. ``metrics`` are those of every score, the primary first: points are judged by it.
    ``examples`` is what people call several inputs: ``images``, ``windows``.
    """

    @property
    def name(self) -> str: ...

    @property
    def metrics(self) -> tuple[Metric, ...]: ...

    @property
    def examples(self) -> str: ...

    def check(self, data: Data) -> None:
        """Refuse data that do not fit the task.

        Raises:
            UserError: says what the task needs.
        """

    def example(
        self, data: Data, shape: tuple[int, ...], count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Inputs (count, *shape) and their targets, to try a network with, on the CPU: made up, not of the data."""

    def output(self, data: Data, shape: tuple[int, ...]) -> OutputForm:
        """The form of outputs to inputs of ``shape`` in evaluation."""

    def loss(
        self, network: Forward, inputs: Tensor, targets: Tensor, *, smoothing: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Run the network on a batch; the mean loss, which training differentiates, and the outputs.

        ``smoothing`` is that of labels, which a task without labels ignores.
        """

    def meter(self) -> Meter:
        """A new meter."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network makes of N examples, one by one; all tensors have shape (N,).

    ``loss`` is the mean loss of each example, float32. ``values`` has a tensor for each metric: booleans, true where an
    answer is right, of a metric that is the percentage of right answers; of any other, numbers over whose mean it is
    computed. ``undefined`` is true for examples without an answer, because an output is not a number.
    """

    loss: Tensor
    values: Mapping[str, Tensor]
    undefined: Tensor


@runtime_checkable
class TaskByExample(Protocol):
    """A task whose metrics all follow from means over examples: scans and their intervals need that.

    A task with a metric of a whole set has neither of these methods.
    """

    def per_example(self, outputs: Tensor, targets: Tensor) -> Answers:
        """The answers to a batch, on the device of the outputs."""

    def of_mean(self, metric: str, mean: Tensor) -> Tensor:
        """The metric at each mean (float64, any shape) of its numeric values; booleans need no such rule."""


@runtime_checkable
class TaskByTargets(Protocol):
    """A task whose scores need what a network makes of targets, too, as the words of a sentence after each other."""

    def answers(self, network: Forward, inputs: Tensor, targets: Tensor) -> Tensor:
        """What the meter takes in place of the outputs to a batch: examples along the first dimension."""


def answers(task: Task, network: Forward, inputs: Tensor, targets: Tensor) -> Tensor:
    """What the meter of ``task`` takes of a batch, from a network in evaluation."""
    if isinstance(task, TaskByTargets):
        return task.answers(network, inputs, targets)
    outputs: Tensor = network(inputs)
    return outputs
