"""Distillation: a classifier learns from the logits of another network too (Hinton et al. 2015)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from pruneexp.tasks.classification import Classification
from pruneexp.tasks.task import Forward


@dataclass(frozen=True)
class Distillation:
    """``weight`` is the share of the loss that comes from the teacher; ``temperature`` softens both networks' answers.

    Raises:
        ValueError: a value is out of its range.
    """

    weight: float
    temperature: float

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ValueError(f"weight is {self.weight}; allowed is above 0 and at most 1")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature is {self.temperature}; allowed is a finite number > 0")


@dataclass(frozen=True, eq=False)
class DistilledClassification(Classification):
    """Classification as it is learned beside a ``teacher``, which takes the same inputs and is put into evaluation."""

    teacher: nn.Module
    how: Distillation

    def __post_init__(self) -> None:
        self.teacher.eval()

    def loss(
        self, network: Forward, inputs: Tensor, targets: Tensor, *, smoothing: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """``(1 - w) * cross-entropy + w * T^2 * KL(teacher || network)``, the latter of softmax(logits / T).

        The factor keeps the gradients of both terms as large as each other (Hinton et al. 2015, section 2).
        """
        loss, logits = super().loss(network, inputs, targets, smoothing=smoothing)
        with torch.no_grad():
            taught = self.teacher(inputs)
        weight, temperature = self.how.weight, self.how.temperature
        apart = kl_div(
            log_softmax(logits.float() / temperature, 1),
            log_softmax(taught.float() / temperature, 1),
            reduction="batchmean",
            log_target=True,
        )
        return (1 - weight) * loss + weight * temperature**2 * apart, logits
