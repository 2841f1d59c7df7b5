"""Language modelling: the next token at each place of a window of text; cross-entropy, and perplexity."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pruneexp.errors import UserError
from pruneexp.schema import Metric, Score
from pruneexp.tasks.guesses import without_best
from pruneexp.tasks.task import Answers, Data, Forward, OutputForm

PERPLEXITY = Metric("perplexity", direction="minimize")


@dataclass(frozen=True)
class LanguageModel:
    """Inputs are windows of tokens, int64 (B, T); targets are the tokens that follow each of them, int64 (B, T).

    Networks give logits (B, T, alphabet), those of a place without a look at later ones. The perplexity is the
    exponential of the mean cross-entropy in nats per token: the number of tokens, equally likely, that a network is
    left to choose among.
    """

    name: ClassVar[str] = "language_model"
    metrics: ClassVar[tuple[Metric, ...]] = (PERPLEXITY,)
    examples: ClassVar[str] = "windows"

    def check(self, data: Data) -> None:
        """Each split has a window at least, of tokens below the size of the alphabet (``data.classes``).

        Raises:
            UserError: says what the data set has in place of that.
        """
        if data.classes is None or data.classes < 2:
            raise UserError(
                f"data set '{data.name}' has an alphabet of {data.classes or 0} tokens; 2 or more are needed"
            )
        for split, source in (("train", data.train), ("val", data.val), ("test", data.test)):
            where = f"the {split} split of data set '{data.name}'"
            if len(source) == 0:
                raise UserError(f"{where} is empty; it needs at least one window")
            _check_window(*_first(source), data.classes, where)

    def example(
        self, data: Data, shape: tuple[int, ...], count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Tokens drawn evenly from the alphabet, in a window that is one token longer than ``shape``."""
        drawn = torch.randint(data.classes or 0, (count, shape[0] + 1), generator=generator)
        return drawn[:, :-1].contiguous(), drawn[:, 1:].contiguous()

    def output(self, data: Data, shape: tuple[int, ...]) -> OutputForm:
        return OutputForm((*shape, data.classes or 0), "the logits of the next token at each place")

    def loss(
        self, network: Forward, inputs: Tensor, targets: Tensor, *, smoothing: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy per token, with smoothed labels where that is asked for."""
        logits: Tensor = network(inputs)
        return cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=smoothing), logits

    def meter(self) -> PerplexityMeter:
        return PerplexityMeter()

    def per_example(self, outputs: Tensor, targets: Tensor) -> Answers:
        """The answers in logits (B, T, alphabet), or (T, alphabet) of a single window, to tokens (B, T)."""
        losses, undefined = _by_window(outputs, targets)
        return Answers(losses, {"perplexity": losses}, undefined)

    def of_mean(self, metric: str, mean: Tensor) -> Tensor:
        """Infinite, the worst, where the mean loss is not a number or has no exponential."""
        return mean.exp().nan_to_num(nan=math.inf, posinf=math.inf)


class PerplexityMeter:
    """Mean cross-entropy in nats per token, and its exponential.

    A window with a place at which no token is the best (see ``without_best``) is a wrong answer: the score has the
    number of such windows, its loss is not a number, and its perplexity infinite.
    """

    def __init__(self) -> None:
        self._sums: Tensor | None = None
        self._windows = 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        losses, undefined = _by_window(outputs, targets)
        sums = torch.stack([losses.double().sum(), undefined.sum().double()])
        self._sums = sums if self._sums is None else self._sums + sums
        self._windows += len(targets)

    def compute(self) -> Score:
        assert self._sums is not None
        loss, undefined = self._sums.tolist()
        mean = torch.tensor(math.nan if undefined else loss / self._windows, dtype=torch.float64)
        return Score(
            loss=float(mean),
            metrics={"perplexity": float(LanguageModel().of_mean("perplexity", mean))},
            undefined=int(undefined) or None,
            images=self._windows if undefined else None,
        )


def _by_window(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The mean loss of each window, float32 (B,), and which windows have a place without a best token, (B,).

    A network that squeezes drops the batch of a single window.
    """
    logits = outputs.reshape(*targets.shape, -1).float()
    losses = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape).mean(1)
    undefined = without_best(logits).any(1)
    return losses.masked_fill(undefined, math.nan), undefined


def _first(source: Any) -> tuple[Tensor, Tensor]:
    batches: Iterator[Any] = source.batches(1, torch.device("cpu"), order=torch.zeros(1, dtype=torch.int64))
    return cast(tuple[Tensor, Tensor], next(batches))


def _check_window(inputs: Tensor, targets: Tensor, alphabet: int, where: str) -> None:
    for tokens in (inputs, targets):
        if tokens.dtype != torch.int64 or tokens.ndim != 2 or tokens.shape != inputs.shape:
            raise UserError(
                f"{where} has {tokens.dtype} {'inputs' if tokens is inputs else 'targets'} of shape "
                f"{tuple(tokens.shape[1:])}; a language model needs windows of tokens, int64 (length,), and the tokens "
                "that follow them"
            )
        low, high = int(tokens.min()), int(tokens.max())
        if low < 0 or high >= alphabet:
            raise UserError(
                f"{where} has tokens from {low} to {high}; an alphabet of {alphabet} allows 0 to {alphabet - 1}"
            )
