"""Channels taken out of a network: a smaller one of the same classes that computes what the masked one does.

Knows how torch's modules say their sizes; what code of a network says of sizes beside them it cannot know, so the small
network is tried.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.rnn import RNNBase, RNNCellBase

from pruneexp.errors import UserError, cause
from pruneexp.pruning.branches import branches
from pruneexp.pruning.constants import ConstantInputs, constant_inputs
from pruneexp.pruning.coupling_layers import loses_whole_groups
from pruneexp.pruning.couplings import ChannelSet, removable
from pruneexp.pruning.fewer_heads import tell_heads
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.stand_ins import Shapes, stand_in_, without_branches
from pruneexp.tracing.graphs import tensors_of
from pruneexp.tracing.mode import evaluating
from pruneexp.tracing.trace import Trace, traced

#: Outputs of both networks differ by less, relative to the largest: they are sums in another order.
_NEAR = 1e-4


@dataclass(frozen=True, eq=False)
class Architecture:
    """What is left of a network: the ``kept`` indices of each dimension that lost some, by parameter or buffer.

    ``biases`` are the modules without a bias that got one, for what channels that are gone added to their outputs.
    ``constants`` are the modules of residual branches that are gone, with the shapes of what stands in their place.
    """

    kept: Mapping[str, Mapping[int, Tensor]]
    biases: tuple[str, ...] = ()
    constants: Shapes = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SmallNetwork:
    """A network without channels, its architecture, and the masks of what it has."""

    network: nn.Module
    architecture: Architecture
    masks: MaskSet


def removed(network: nn.Module, masks: MaskSet, example: Tensor) -> SmallNetwork:
    """A network without the channels that no kept weight reads: those that masks cut, where they cut channels.

    It computes what the network with these masks does, in evaluation mode. A layer keeps one channel at least, and
    other pruned weights are zero in it. A channel that no input changes goes, too, where all layers that read it can
    have what it adds in their bias, which they cannot behind padding (``constants``). ``example`` is a batch (N, ...)
    of inputs on the device of the network, by which both are tried.

    Raises:
        UserError: the masks do not fit, or the code of the network needs the sizes that it was made with.
    """
    masked = copy.deepcopy(network)
    masks.to(example.device).apply_(masked)
    small = shrunk(traced(network, example), masked, masks)
    check_alike(masked, small.network, example)
    return small


def shrunk(trace: Trace, masked: nn.Module, masks: MaskSet) -> SmallNetwork:
    """As ``removed``, untried, by the graph of a pass of the network; ``masked`` has zeros where the masks prune."""
    emptied = [
        each
        for each in branches(trace, masked).found
        if all(name in masks and not masks.kept_per_layer[name] for name in each.layers)
    ]
    shapes: Shapes = {}
    if emptied:
        masked, gone, shapes = without_branches(masked, emptied, trace.example)
        masks = masks.restrict(masks.keys() - {name for each in gone for name in each.layers})
        trace = traced(masked, trace.example)
    small, constants = copy.deepcopy(masked), constant_inputs(trace, masked, masks)
    kept = _kept(trace, masked, masks, constants)
    biases = _fold(small, kept, constants)
    shrink_(small, Architecture(kept, biases))
    architecture = Architecture(kept, biases, shapes)
    return SmallNetwork(small, architecture, masks_left(masked, masks, architecture))


def architecture_of(trace: Trace, network: nn.Module, masks: MaskSet) -> Architecture:
    """What masks leave of a network with any weights: all channels but those that no kept weight reads."""
    return Architecture(_kept(trace, network, masks, {}))


def masks_left(network: nn.Module, masks: MaskSet, architecture: Architecture) -> MaskSet:
    """The masks of a network in the sizes that an architecture leaves."""
    names = {name: layer.parameter for name, layer in prunable(network).items()}
    return MaskSet({name: _cut(mask, architecture.kept.get(names[name], {})) for name, mask in masks.items()})


def _kept(
    trace: Trace, network: nn.Module, masks: MaskSet, constants: Mapping[str, ConstantInputs]
) -> dict[str, dict[int, Tensor]]:
    layers = prunable(network)
    by_tensor = {layer.parameter: masks[name] for name, layer in layers.items() if name in masks}
    stays: dict[tuple[str, int], Tensor] = {}
    for channels in removable(trace, network):
        read = _read(channels, by_tensor, constants)
        for dimension, place in channels.members.items():
            kept = (place < 0) | read[place.clamp(min=0)]
            stays[dimension] = stays.get(dimension, kept) & kept
    found: dict[str, dict[int, Tensor]] = {}
    for (tensor, dim), kept in stays.items():
        if not bool(kept.all()):
            found.setdefault(tensor, {})[dim] = kept.nonzero().flatten()
    return found


def _read(channels: ChannelSet, masks: Mapping[str, Tensor], constants: Mapping[str, ConstantInputs]) -> Tensor:
    """Which channels of a set some kept weight reads that no bias can stand for; one, where it is none."""
    read = torch.zeros(channels.channels, dtype=torch.bool)
    for tensor, dim in channels.readers:
        place, mask = channels.members[tensor, dim], masks.get(tensor)
        others = [] if mask is None else [each for each in range(mask.ndim) if each != dim]
        reads = torch.ones_like(place, dtype=torch.bool) if mask is None else mask.cpu().any(others)
        if tensor in constants and dim == 1:
            reads &= ~constants[tensor].same
        read[place[reads & (place >= 0)]] = True
    if not bool(read.any()):
        read[0] = True
    return read


def _fold(
    network: nn.Module, kept: dict[str, dict[int, Tensor]], constants: Mapping[str, ConstantInputs]
) -> tuple[str, ...]:
    """Add to biases what inputs that go add, in place; the modules that had no bias."""
    made = []
    for weight, constant in constants.items():
        gone = torch.ones(len(constant.same), dtype=torch.bool)
        gone[kept.get(weight, {}).get(1, slice(None))] = False
        added, name = constant.added[:, gone].sum(1), weight.rpartition(".")[0]
        if bool(added.any()):
            module = network.get_submodule(name)
            if "bias" not in dict(module.named_parameters(recurse=False)):
                made.append(name)
                if 0 in kept.get(weight, {}):
                    kept[f"{name}.bias".lstrip(".")] = {0: kept[weight][0]}
            _bias(module).data.add_(added)
    return tuple(made)


def _bias(module: nn.Module) -> Tensor:
    """The bias of a convolution or linear layer, zeros where it has none yet."""
    if "bias" not in dict(module.named_parameters(recurse=False)):
        weight = module.get_parameter("weight")
        module.bias = nn.Parameter(weight.new_zeros(len(weight)), weight.requires_grad)
    return module.get_parameter("bias")


def write_architecture(path: Path, architecture: Architecture) -> None:
    """Write as JSON what is left, from which ``shrink_`` makes a network small again without the weights that went.

    Raises:
        OSError: the disk refuses.
    """
    kept = architecture.kept.items()
    plain = {name: {str(dim): indices.tolist() for dim, indices in each.items()} for name, each in kept}
    rest = {"biases": architecture.biases, "constants": dict(architecture.constants)}
    path.write_text(json.dumps({"kept": plain, **rest}), encoding="utf-8")


def read_architecture(path: str | Path) -> Architecture:
    """Inverse of ``write_architecture``.

    Raises:
        UserError: the file is none that it wrote.
    """
    try:
        read = json.loads(Path(path).read_text(encoding="utf-8"))
        kept = {
            name: {int(dim): torch.tensor(indices) for dim, indices in each.items()}
            for name, each in read["kept"].items()
        }
        return Architecture(kept, tuple(read["biases"]), dict(read.get("constants", {})))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"the architecture in {path} cannot be read: {cause(error)}") from error


def shrink_(network: nn.Module, architecture: Architecture) -> None:
    """Leave of every parameter and buffer what is kept, in place, and tell the modules their new sizes.

    Optimizers and hooks of parameters of before are of no use after it.

    Raises:
        UserError: the architecture is of another network.
    """
    _check_fit(network, architecture)
    stand_in_(network, architecture.constants)
    small: dict[int, nn.Parameter] = {}
    kept = architecture.kept
    for name in architecture.biases:
        _bias(network.get_submodule(name))
    for prefix, module in network.named_modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            indices = kept.get(f"{prefix}.{name}" if prefix else name)
            if indices is not None:
                small[id(parameter)] = nn.Parameter(_cut(parameter.detach(), indices), parameter.requires_grad)
            if id(parameter) in small:  # one that several modules share goes by the first of its names
                setattr(module, name, small[id(parameter)])
        for name, buffer in list(module.named_buffers(recurse=False)):
            indices = kept.get(f"{prefix}.{name}" if prefix else name)
            if indices is not None:
                setattr(module, name, _cut(buffer, indices))
    for module in network.modules():
        _tell_sizes(module)
        tell_heads(module)


def _check_fit(network: nn.Module, architecture: Architecture) -> None:
    """Check that a network has what is to be cut; that its weights fit is left to the loading of them."""
    there, modules = tensors_of(network), dict(network.named_modules())
    made = (*architecture.biases, *architecture.constants)
    if missing := [name for name in made if name not in modules]:
        raise UserError(f"this architecture is not of {type(network).__name__}, which has no {missing[0]}")
    for name, indices in architecture.kept.items():
        if name not in there and name.rpartition(".")[0] in made:
            continue
        shape = there[name].shape if name in there else ()
        if any(dim >= len(shape) or max(kept.tolist(), default=0) >= shape[dim] for dim, kept in indices.items()):
            found = f"is {' x '.join(map(str, shape))} here" if shape else "it has not"
            raise UserError(
                f"this architecture is not of {type(network).__name__}: it cuts {name}, which {found}; make "
                "the network of the class and with the arguments that the export's load.py names"
            )


def _cut(tensor: Tensor, indices: Mapping[int, Tensor]) -> Tensor:
    for dim, kept in indices.items():
        tensor = tensor.index_select(dim, kept.to(tensor.device))
    return tensor.clone()


def _tell_sizes(module: nn.Module) -> None:
    """Make the sizes that torch's modules keep those of their tensors."""
    if isinstance(module, _ConvTransposeNd):
        module.in_channels, module.out_channels = module.weight.shape[0], module.weight.shape[1] * module.groups
    elif isinstance(module, _ConvNd):
        outputs, inputs = module.weight.shape[:2]
        if module.groups > 1 and loses_whole_groups(module.groups, module.in_channels // module.groups):
            module.groups = outputs * module.groups // module.out_channels
        module.out_channels, module.in_channels = outputs, inputs * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Embedding):
        module.embedding_dim = module.weight.shape[1]
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    elif isinstance(module, _NormBase):
        numbers = next((each for each in (module.weight, module.running_mean) if each is not None), None)
        module.num_features = module.num_features if numbers is None else numbers.numel()
    elif isinstance(module, RNNBase):
        state, given = module.get_parameter("weight_hh_l0"), module.get_parameter("weight_ih_l0")
        module.hidden_size, module.input_size = state.shape[1], given.shape[1]
    elif isinstance(module, RNNCellBase):
        state, given = module.get_parameter("weight_hh"), module.get_parameter("weight_ih")
        module.hidden_size, module.input_size = state.shape[1], given.shape[1]


def check_alike(masked: nn.Module, small: nn.Module, example: Tensor) -> None:
    """Check that both compute the same, but for the order of sums, in evaluation mode.

    Raises:
        UserError: the code of the network needs the sizes that it was made with.
    """
    try:
        with evaluating(masked), evaluating(small), torch.no_grad():
            wanted, found = masked(example), small(example)
    except Exception as error:
        raise UserError(
            f"channels cannot be taken out of {type(small).__name__}, as its code needs the sizes it was made with: "
            f"{cause(error)}"
        ) from error
    apart = float((wanted - found).abs().max()) if wanted.shape == found.shape else float("inf")
    if not apart <= _NEAR * max(1.0, float(wanted.abs().max())):
        raise UserError(
            f"channels cannot be taken out of {type(small).__name__}: without them its outputs differ by {apart:.3g}, "
            "as its code depends on the sizes it was made with"
        )
