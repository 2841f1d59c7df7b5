"""Logits as guesses among classes, also where they are not numbers; knows no task."""

from __future__ import annotations

from torch import Tensor


def guesses(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each of the first five guesses is right (B, 5 or fewer), and which examples have no best class (B,).

    ``logits`` are (B, classes), ``labels`` (B,). All guesses of an example without a best class are wrong.
    """
    undefined = without_best(logits)
    right = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    return right & ~undefined[:, None], undefined


def without_best(logits: Tensor) -> Tensor:
    """Where logits (..., classes) have no best class: (...), boolean.

    That is where a logit is not a number, or where the largest is infinite and not the only one.
    """
    largest = logits.amax(-1)  # nan where any logit is
    return largest.isnan() | (largest.isinf() & ((logits == largest[..., None]).sum(-1) > 1))
