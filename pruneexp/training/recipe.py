"""How long, how fast and with which optimizer a network is trained: the values, and the learning rate they give.

Knows no network and no data. Penalties on the weights are not part of a recipe (see ``regularizers``).
"""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass
from typing import Literal

OptimizerName = Literal["sgd", "adam", "adamw"]
ScheduleName = Literal["constant", "step", "cosine"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Recipe:
    """One training, from the first step to the last.

    ``milestones`` and ``warmup`` are fractions of the whole training, so that a longer one (Scratch-B of Liu et al.
    2019) stretches them. Only schedule ``step`` reads ``milestones`` and ``gamma``, only ``sgd`` reads ``nesterov``;
    ``momentum`` is the first beta of Adam. ``adamw`` is Adam with a decoupled penalty: the penalty's gradient acts on
    the weights directly, times the learning rate, and bypasses the moments (Loshchilov & Hutter 2019, algorithm 2).
    ``clip`` bounds the norm of the whole gradient, penalty included. A recipe of 0 epochs trains nothing.

    A training may be a part of a longer one, the ``course``, whose ``first`` epochs it leaves out: learning rates and
    draws are those that the course has in these epochs. The optimizer starts without moments.

    Raises:
        ValueError: a value is out of its range; the message names the value and the range.
    """

    epochs: int
    batch_size: int
    optimizer: OptimizerName
    lr: float
    momentum: float = 0.9
    nesterov: bool = False
    schedule: ScheduleName = "constant"
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    warmup: float = 0.0
    clip: float | None = None
    precision: Precision = "float32"
    label_smoothing: float = 0.0
    first: int = 0
    course: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))  # YAML gives a list
        _check_choice("optimizer", self.optimizer, OptimizerName)
        _check_choice("schedule", self.schedule, ScheduleName)
        _check_choice("precision", self.precision, Precision)
        _check("epochs", self.epochs, self.epochs >= 0 and int(self.epochs) == self.epochs, "a whole number >= 0")
        _check("batch_size", self.batch_size, self.batch_size >= 1, "a whole number >= 1")
        _check("lr", self.lr, 0 < self.lr < math.inf, "a finite number > 0")
        _check("momentum", self.momentum, 0 <= self.momentum < 1, "[0, 1)")
        _check("gamma", self.gamma, 0 < self.gamma <= 1, "(0, 1]")
        _check("warmup", self.warmup, 0 <= self.warmup < 1, "[0, 1), a fraction of the training")
        _check("clip", self.clip, self.clip is None or 0 < self.clip < math.inf, "a finite number > 0, or none")
        _check("label_smoothing", self.label_smoothing, 0 <= self.label_smoothing < 1, "[0, 1)")
        usable = not self.nesterov or self.optimizer != "sgd" or self.momentum > 0
        _check("nesterov", self.nesterov, usable, "true only with momentum > 0")
        inside = all(0 < milestone < 1 for milestone in self.milestones)
        rising = all(a < b for a, b in zip(self.milestones, self.milestones[1:], strict=False))
        _check("milestones", self.milestones, inside and rising, "rising fractions of the training, between 0 and 1")
        _check("first", self.first, self.first >= 0, "a whole number >= 0")
        fits = self.course is None or self.course >= self.first + self.epochs
        _check("course", self.course, fits, f"{self.first + self.epochs} epochs or more")
        given = self.schedule != "step" or bool(self.milestones)
        _check("milestones", self.milestones, given, "at least one with schedule 'step'")

    @property
    def whole(self) -> int:
        """Epochs of the course."""
        return self.first + self.epochs if self.course is None else self.course


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """The learning rate of step ``step`` (from 0) of the ``total`` of a course.

    It is a plain number, so no step waits for the device. Warm-up rises linearly and reaches the full rate at its last
    step; a cosine falls to 0 from there; a step schedule multiplies by ``gamma`` from the step at
    ``round(milestone * total)`` on.
    """
    warm = round(recipe.warmup * total)
    if step < warm:
        return recipe.lr * (step + 1) / warm
    if recipe.schedule == "step":
        return recipe.lr * recipe.gamma ** sum(step >= round(milestone * total) for milestone in recipe.milestones)
    if recipe.schedule == "cosine":
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))
    return recipe.lr


def _check(name: str, value: object, holds: bool, allowed: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value!r}; allowed is {allowed}")


def _check_choice(name: str, value: str, choices: object) -> None:
    _check(name, value, value in typing.get_args(choices), "one of " + ", ".join(map(repr, typing.get_args(choices))))
