"""Graphs of a network as files, for programs without its code: ONNX, and torch's own; each is held against the network.

Knows neither records nor folders.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError, cause

Run = Callable[[Tensor], Tensor]

#: Two outputs that are this near to each other, relative to the largest, are a tie: rounding decides between them.
TIE = 1e-4
#: Outputs of a graph that differ by more, relative to the largest, are not those of the network.
NEAR = 1e-2
#: Bytes of weights from which on ONNX keeps them beside its file, which cannot hold more than two gigabytes.
_BESIDE = 1_500_000_000
#: What torch says of a network that does not take batches of any size.
_OF_BATCH = ("Constraints violated", "conflicts between user-specified ranges and inferred ranges")
_NEEDED = ("onnx", "onnxruntime", "onnxscript")


class FormatError(UserError):
    """A graph could not be written, or is not the network; other files are not touched by that."""


@dataclass(frozen=True)
class Agreement:
    """How a graph answers what the network is asked: another class in ``other_top1`` of ``answers`` that are no ties.

    An image has one answer, a window of text one for each place. ``ties`` are answers of another class that are ties.
    ``largest_difference`` is of outputs, ``largest_output`` the largest of the network's. ``other_top1`` is None where
    outputs are no choice among classes.
    """

    answers: int
    largest_difference: float
    largest_output: float
    ties: int = 0
    other_top1: int | None = None

    @property
    def mistake(self) -> str:
        """Why it is not the graph of the network, in words; empty where it is."""
        if self.other_top1:
            return f"it chooses another class in {self.other_top1} of {self.answers} answers on val"
        if not self.largest_difference <= NEAR * max(1.0, self.largest_output):
            far, largest = self.largest_difference, self.largest_output
            return f"its outputs on val differ by {far:.3g}, where the largest is {largest:.3g}"
        return ""

    @property
    def text(self) -> str:
        """In words; of one whose classes are right."""
        difference = f"largest difference of outputs {self.largest_difference:.3g}"
        if self.other_top1 is None:
            return difference
        tied = f" ({self.ties} are ties)" if self.ties else ""
        return f"same top-1 in {self.answers - self.ties} of {self.answers} answers on val{tied}, {difference}"


def check_installed() -> None:
    """Raise a ``UserError`` where ONNX cannot be written or tried here."""
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise UserError(
            f"--onnx needs {', '.join(missing)}: pip install -e '.[export]' -c constraints.txt brings what is missing"
        )


def write_onnx(network: nn.Module, example: Tensor, path: Path) -> Run:
    """Write an ONNX file that takes a batch of any size; the function that runs it.

    Raises:
        FormatError: the network cannot be traced or translated.
    """
    import onnxruntime

    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    with failing("onnx", "written"), _quiet():
        torch.onnx.export(
            network,
            (example,),
            path,
            input_names=["inputs"],
            output_names=["outputs"],
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            dynamo=True,
            external_data=size > _BESIDE,
            verbose=False,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: torch.as_tensor(session.run(["outputs"], {"inputs": inputs.numpy()})[0])


def write_program(network: nn.Module, example: Tensor, path: Path) -> Run:
    """Write a program of ``torch.export`` that takes a batch of any size; the function that runs what was written.

    Raises:
        FormatError: the network cannot be traced.
    """
    with failing("torch-export", "written"), _quiet():
        program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
        torch.export.save(program, path)
        loaded: Run = torch.export.load(path).module()
    return loaded


def agreement(network: nn.Module, run: Run, batches: Iterator[tuple[Tensor, Tensor]], *, classes: bool) -> Agreement:
    """Compare the outputs of a graph with those of the network it was made of; both are on the CPU.

    ``classes``: whether outputs are a choice among classes, along their last dimension.
    """
    answers = ties = others = 0
    largest = output = 0.0
    for inputs, _ in batches:
        with torch.inference_mode():
            expected, found = network(inputs).float(), run(inputs.clone()).float()
        largest = max(largest, float(_apart(expected, found).max()))
        output = max(output, float(expected.abs().nan_to_num(0.0, 0.0).max()))
        rows = (expected.flatten(0, -2), found.flatten(0, -2)) if classes else (expected, found)
        answers += len(rows[0])
        if classes:
            tied, differ = _choices(*rows)
            ties += int((differ & tied).sum())
            others += int((differ & ~tied).sum())
    return Agreement(answers, largest, output, ties, others if classes else None)


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """How far outputs are from each other; what is no number in both, or the same infinity, is alike."""
    alike = (one == other) | (one.isnan() & other.isnan())
    return torch.where(alike, 0.0, (one - other).abs().nan_to_num(torch.inf, torch.inf))


def _choices(expected: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows (N, classes) are ties, and in which the two choose another class."""
    best = expected.topk(min(2, expected.shape[1]), 1).values
    gap = best[:, 0] - best[:, -1]
    return ~(gap > TIE * expected.abs().amax(1).clamp(min=1.0)), expected.argmax(1) != found.argmax(1)


@contextmanager
def failing(name: str, done: str) -> Iterator[None]:
    """Turn what an exporter or a graph raises into one sentence that says what could not be ``done``, and why."""
    try:
        yield
    except Exception as error:
        raise FormatError(f"{name}: the graph of the network could not be {done}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Why, in one line."""
    said = cause(error)
    if any(words in said for words in _OF_BATCH):
        return "its code fixes the number of inputs in a batch, or branches on it"
    return said.partition(" Failure message:")[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what torch's exporters log and print of their own ways."""
    before, unread = logging.root.manager.disable, io.StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stdout(unread), redirect_stderr(unread):
            yield
    finally:
        logging.disable(before)
