"""The forms in which a pruned network can run on this machine: a function each, which says why there is none."""

from __future__ import annotations

import copy
import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.export.formats import FormatError, write_onnx
from pruneexp.export.network import PrunedNetwork, Resized
from pruneexp.export.smaller import without_channels

Run = Callable[[Tensor], object]


class NoSuchForm(Exception):
    """The network cannot run in this form here; the text says why."""


class CsrLinear(nn.Module):
    """A linear layer whose weight (outputs, inputs) is kept as compressed sparse rows."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        with warnings.catch_warnings(action="ignore"):  # torch calls the layout a prototype
            self.weight = layer.weight.detach().to_sparse_csr()
        self.bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, inputs: Tensor) -> Tensor:
        rows = inputs.reshape(-1, inputs.shape[-1])
        outputs = (self.weight @ rows.t()).t()
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs.reshape(*inputs.shape[:-1], -1)


def dense(pruned: PrunedNetwork) -> Run:
    """The network before pruning; what its weights are changes no time."""
    learner = pruned.session.job.setting.learner
    return _of_data(pruned, learner.network("fresh").eval())


def masked(pruned: PrunedNetwork) -> Run:
    """The pruned network with zeros in dense weights, as it is trained."""
    return _of_data(pruned, pruned.network)


def csr(pruned: PrunedNetwork) -> Run:
    """The pruned network with the weights of its linear layers as compressed sparse rows (Han et al. 2015, section 4).

    Torch has no such convolution: those stay masked.
    """
    network = copy.deepcopy(pruned.network)
    cut = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear) and name in pruned.masks]
    if not cut:
        raise NoSuchForm("no linear layer of the network is pruned")
    for name in cut:
        above, _, last = name.rpartition(".")
        layer = network.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        setattr(network.get_submodule(above), last, CsrLinear(layer))
    return _of_data(pruned, network)


def onnxruntime(pruned: PrunedNetwork) -> Run:
    """The pruned network as a graph of ONNX, run by onnxruntime in as many threads."""
    if missing := [name for name in ("onnx", "onnxruntime", "onnxscript") if importlib.util.find_spec(name) is None]:
        raise NoSuchForm(f"{', '.join(missing)} is not installed: pip install -e '.[export]' -c constraints.txt")
    if pruned.session.job.setting.learner.device.type != "cpu":
        raise NoSuchForm("onnxruntime is timed on CPUs alone")
    with tempfile.TemporaryDirectory(prefix="pruneexp-") as folder:
        try:
            run = write_onnx(pruned.of_data(), pruned.example(2), Path(folder) / "network.onnx")
        except FormatError as error:
            raise NoSuchForm(str(error)) from error
    return run


def removed(pruned: PrunedNetwork) -> Run:
    """The network without the channels that no kept weight reads."""
    small = _small(pruned)
    return _of_data(small, small.network)


def removed_onnxruntime(pruned: PrunedNetwork) -> Run:
    """The same as a graph of ONNX, run by onnxruntime."""
    return onnxruntime(_small(pruned))


def _small(pruned: PrunedNetwork) -> PrunedNetwork:
    try:
        return without_channels(pruned)
    except UserError as error:
        raise NoSuchForm(str(error).removeprefix("--removed: ")) from error


#: By the name that records and the command have for each.
FORMS: Mapping[str, Callable[[PrunedNetwork], Run]] = {
    "dense": dense,
    "masked": masked,
    "csr": csr,
    "onnxruntime": onnxruntime,
    "removed": removed,
    "removed_onnxruntime": removed_onnxruntime,
}


def check_forms(names: Sequence[str]) -> None:
    """Raise a ``UserError`` for a name that no form has."""
    if unknown := [name for name in names if name not in FORMS]:
        raise UserError(f"--form {unknown[0]}: the forms are {', '.join(FORMS)}")


def _of_data(pruned: PrunedNetwork, network: nn.Module) -> Run:
    learner = pruned.session.job.setting.learner
    whole = network if learner.adapt is None else Resized(network, learner.input_shape).eval()

    def run(inputs: Tensor) -> object:
        with torch.inference_mode():
            return whole(inputs)

    return run
