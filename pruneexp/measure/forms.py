"""The forms in which a pruned network can run on this machine: a function each, which says why there is none."""

from __future__ import annotations

import copy
import importlib.util
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.export.formats import FormatError, write_onnx
from pruneexp.export.network import PrunedNetwork, Resized
from pruneexp.export.smaller import without_channels
from pruneexp.pruning.masks import MaskSet

Run = Callable[[Tensor], object]


class NoSuchForm(Exception):
    """The network cannot run in this form here; the text says why."""


@dataclass(frozen=True)
class FormRun:
    """A network in one form: what runs it, and the bytes of its weights; ``graph`` is the file of what is no module."""

    run: Run
    size: int
    graph: Path | None = None


class CsrLinear(nn.Module):
    """A linear layer whose weight (outputs, inputs) is kept as compressed sparse rows."""

    weight: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        with warnings.catch_warnings(action="ignore"):  # torch calls the layout a prototype
            self.register_buffer("weight", layer.weight.detach().to_sparse_csr())
        self.bias = layer.bias

    def forward(self, inputs: Tensor) -> Tensor:
        rows = inputs.reshape(-1, inputs.shape[-1])
        outputs = (self.weight @ rows.t()).t()
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs.reshape(*inputs.shape[:-1], -1)


def dense(pruned: PrunedNetwork) -> FormRun:
    """The network before pruning; what its weights are changes no time."""
    learner = pruned.session.job.setting.learner
    return _of_data(pruned, learner.network("fresh").eval())


def masked(pruned: PrunedNetwork) -> FormRun:
    """The pruned network with zeros in dense weights, as it is trained."""
    return _of_data(pruned, pruned.network)


def csr(pruned: PrunedNetwork) -> FormRun:
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


def onnxruntime(pruned: PrunedNetwork) -> FormRun:
    """The pruned network as a graph of ONNX, run by onnxruntime in as many threads."""
    if missing := [name for name in ("onnx", "onnxruntime", "onnxscript") if importlib.util.find_spec(name) is None]:
        raise NoSuchForm(f"{', '.join(missing)} is not installed: pip install -e '.[export]' -c constraints.txt")
    if pruned.session.job.setting.learner.device.type != "cpu":
        raise NoSuchForm("onnxruntime is timed on CPUs alone")
    folder = Path(tempfile.mkdtemp(prefix="pruneexp-"))
    try:
        run = write_onnx(pruned.of_data(), pruned.example(2), folder / "network.onnx")
    except FormatError as error:
        shutil.rmtree(folder)
        raise NoSuchForm(str(error)) from error
    form = FormRun(run, sum(file.stat().st_size for file in folder.iterdir()), folder / "network.onnx")
    weakref.finalize(form, shutil.rmtree, folder, ignore_errors=True)
    return form


def half(pruned: PrunedNetwork) -> FormRun:
    """The pruned network in numbers of 16 bits, on a GPU: what 2:4 kernels are to be compared with."""
    return _of_data(pruned, _halved(pruned))


def semi_structured(pruned: PrunedNetwork) -> FormRun:
    """The same with the 2:4 weights of its linear layers for sparse tensor cores (Mishra et al. 2021)."""
    from torch.sparse import to_sparse_semi_structured

    network = _halved(pruned)
    compress_(network, pruned.masks, to_sparse_semi_structured)
    return _of_data(pruned, network)


def compress_(network: nn.Module, masks: MaskSet, compress: Callable[[Tensor], Tensor]) -> None:
    """Have ``compress`` make anew the 2:4 weights of linear layers, in place; others stay.

    Raises:
        NoSuchForm: no layer has such weights, or ``compress`` takes none of them.
    """
    done, refused = 0, "none is pruned 2:4 along its inputs, as criterion=n_of_m does it"
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear) and name in masks and _two_of_four(masks[name]):
            try:
                layer.weight = nn.Parameter(compress(layer.weight.detach()), requires_grad=False)
                done += 1
            except RuntimeError as error:  # kernels take multiples of certain sizes
                refused = str(error).partition("\n")[0]
    if not done:
        raise NoSuchForm(f"it takes linear layers, and {refused}")


def _two_of_four(mask: Tensor) -> bool:
    """Whether of every four weights along the inputs at most two are kept."""
    return mask.shape[1] % 4 == 0 and bool((mask.unflatten(1, (-1, 4)).sum(2) <= 2).all())


def _halved(pruned: PrunedNetwork) -> nn.Module:
    if pruned.session.job.setting.learner.device.type != "cuda":
        raise NoSuchForm("numbers of 16 bits and 2:4 kernels are timed on GPUs alone")
    return copy.deepcopy(pruned.network).half()


def removed(pruned: PrunedNetwork) -> FormRun:
    """The network without the channels that no kept weight reads."""
    small = _small(pruned)
    return _of_data(small, small.network)


def removed_onnxruntime(pruned: PrunedNetwork) -> FormRun:
    """The same as a graph of ONNX, run by onnxruntime."""
    return onnxruntime(_small(pruned))


def _small(pruned: PrunedNetwork) -> PrunedNetwork:
    try:
        return without_channels(pruned)
    except UserError as error:
        raise NoSuchForm(str(error).removeprefix("--removed: ")) from error


#: By the name that records and the command have for each.
FORMS: Mapping[str, Callable[[PrunedNetwork], FormRun]] = {
    "dense": dense,
    "masked": masked,
    "csr": csr,
    "onnxruntime": onnxruntime,
    "removed": removed,
    "removed_onnxruntime": removed_onnxruntime,
    "half": half,
    "semi_structured": semi_structured,
}
#: Those that no CPU has; there they are left out without a word where nobody asks for them.
GPU_FORMS = ("half", "semi_structured")


def check_forms(names: Sequence[str]) -> None:
    """Raise a ``UserError`` for a name that no form has."""
    if unknown := [name for name in names if name not in FORMS]:
        raise UserError(f"--form {unknown[0]}: the forms are {', '.join(FORMS)}")


def _of_data(pruned: PrunedNetwork, network: nn.Module) -> FormRun:
    learner = pruned.session.job.setting.learner
    whole = network if learner.adapt is None else Resized(network, learner.input_shape).eval()
    number = next((each.dtype for each in network.parameters() if each.is_floating_point()), torch.float32)

    def run(inputs: Tensor) -> object:
        with torch.inference_mode():
            return whole(inputs.to(number) if inputs.is_floating_point() else inputs)

    return FormRun(run, sum(map(_bytes, network.state_dict().values())))


def _bytes(tensor: Tensor) -> int:
    """Bytes of a tensor, those of its indices as well."""
    if tensor.layout == torch.sparse_csr:
        return sum(part.nbytes for part in (tensor.values(), tensor.col_indices(), tensor.crow_indices()))
    parts = [getattr(tensor, name, None) for name in ("packed", "meta")]  # of 2:4 weights
    return sum(part.nbytes for part in parts if part is not None) or tensor.nbytes
