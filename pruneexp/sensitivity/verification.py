"""Tapes whose replay is known to give the network's own logits, bit for bit.

A tape does not show kernels outside torch's dispatcher or values that Python code remembers; a comparison with whole
passes does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from pruneexp.sensitivity.passes import Forward, copied, same_bits
from pruneexp.sensitivity.record import Tape, record
from pruneexp.sensitivity.replay import ReplayMismatch, run, script

Weights = Sequence[Tensor]


def verified_tape(network: nn.Module, forward: Forward, images: Tensor, groups: Sequence[Weights]) -> Tape | None:
    """A tape of the pass, with a last group of all weights together; None if its replay gives other logits.

    With all weights changed at once, a replay of every operation that depends on any of them must give the logits of a
    whole pass, bit for bit. A ``ReplayMismatch`` does not count: each later replay detects it by itself.
    """
    together = [weight for weights in groups for weight in weights]
    _, tape = record(network, copied(images), [*groups, together], room=sys.maxsize)
    return tape if tape is not None and _is_faithful(forward, images, tape, together) else None


def recorded_tape(
    network: nn.Module, images: Tensor, logits: Tensor, groups: Sequence[Weights], room: int
) -> Tape | None:
    """The tape of a pass, if there is one and the recorded pass gives ``logits``, those of an unrecorded pass.

    While a mode records operations, a few of torch's functions compute their result in another way.
    """
    watched, tape = record(network, copied(images), groups, room=room)
    return tape if same_bits(watched, logits) else None


def _is_faithful(forward: Forward, images: Tensor, tape: Tape, weights: Weights) -> bool:
    with _moved(weights):
        try:
            return same_bits(run(script(tape, len(tape.sources) - 1)), forward(images))
        except ReplayMismatch:
            return True


@contextmanager
def _moved(weights: Weights) -> Iterator[None]:
    """Roll every weight by one element, and back on exit: activations then neither vanish nor explode."""
    moved: list[Tensor] = []
    try:
        for weight in weights:
            _move(weight, 1)
            moved.append(weight)
        yield
    finally:
        for weight in reversed(moved):
            _move(weight, -1)


def _move(weight: Tensor, places: int) -> None:
    weight.copy_(weight.reshape(-1).roll(places).reshape(weight.shape))
