"""A task, data and a network of a third party: a sum of numbers is learned, scored by a squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from pruneexp.data.dataset import Dataset
from pruneexp.data.tensors import tensor_dataset
from pruneexp.schema import Metric, Score
from pruneexp.tasks.task import Data, Forward, OutputForm


@dataclass(frozen=True)
class Regression:
    name: ClassVar[str] = "regression"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("mse", direction="minimize"),)
    examples: ClassVar[str] = "rows"

    def check(self, data: Data) -> None:
        """Any numbers will do."""

    def example(
        self, data: Data, shape: tuple[int, ...], count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        return torch.randn(count, *shape, generator=generator), torch.zeros(count, 1)

    def output(self, data: Data, shape: tuple[int, ...]) -> OutputForm:
        return OutputForm((1,), "one number")

    def loss(
        self, network: Forward, inputs: Tensor, targets: Tensor, *, smoothing: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        outputs: Tensor = network(inputs)
        return nn.functional.mse_loss(outputs, targets), outputs

    def meter(self) -> SquaredErrors:
        return SquaredErrors()


class SquaredErrors:
    def __init__(self) -> None:
        self.errors: list[Tensor] = []

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        self.errors.append((outputs - targets).square().mean(1))

    def compute(self) -> Score:
        error = float(torch.cat(self.errors).double().mean())
        return Score(loss=error, metrics={"mse": error})


def sums(rows: int) -> Dataset:
    draws = torch.Generator().manual_seed(0)
    train, val, test = (torch.randn(count, 8, generator=draws) for count in (rows, 50, 50))
    return tensor_dataset("sums", _summed(train), _summed(val), _summed(test))


def _summed(inputs: Tensor) -> tuple[Tensor, Tensor]:
    return inputs, inputs[:, :3].sum(1, keepdim=True)


def small(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 1))
