"""How each operation of torch couples channels; one without a rule holds all that it takes.

A channel may go if every number that it makes is multiplied by weights that go with it, and nothing else changes. So
normalisations and softmax over channels, and products of activations with each other, hold theirs. The labels of a
result differ along one dimension at most, along which it can be cut: where a view would spread them over several, as
in a channel shuffle, channels are coupled until they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, fx

from pruneexp.pruning.labels import Atoms, Labels, OfParameter, along, placed, varies, varying
from pruneexp.pruning.pattern_rules import SHAPED, name_of

Arguments = Mapping[str, Any]
Rule = Callable[[Atoms, fx.Node, Arguments], Labels]

_aten = torch.ops.aten


def coupled(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """The labels of the result of an operation, by its arguments with labels in place of tensors."""
    name = name_of(node.target)
    given = list(_labels(arguments))
    if not given or name in SHAPED:
        return None
    rule = _RULES.get(name)
    if rule is None and torch.Tag.pointwise in node.target.tags:  # type: ignore[union-attr]
        rule = _elementwise
    return (rule or _unknown)(atoms, node, arguments)


def loses_whole_groups(groups: int, inputs: int) -> bool:
    """Whether a grouped convolution of so many inputs for each group loses groups; if not, the same places of each."""
    return groups >= inputs


# --- what rules share ---


def _labels(arguments: Any) -> list[Labels]:
    """The labels among nested arguments."""
    if isinstance(arguments, Tensor | OfParameter):
        return [arguments]
    if isinstance(arguments, Mapping):
        arguments = list(arguments.values())
    if isinstance(arguments, Sequence) and not isinstance(arguments, str):
        return [found for each in arguments for found in _labels(each)]
    return []


def _shape(node: fx.Node) -> torch.Size:
    value = node.meta["val"]
    first = value if isinstance(value, Tensor) else value[0]
    assert isinstance(first, Tensor)
    return first.shape


def _whole(node: fx.Node, labels: Tensor) -> Labels:
    """The labels of the first result; of others, such as indices and statistics, none."""
    value = node.meta["val"]
    return labels if isinstance(value, Tensor) else [labels, *(None for _ in value[1:])]


def _held(atoms: Atoms, node: fx.Node, arguments: Any, reason: str) -> Labels:
    for each in _labels(arguments):
        atoms.hold(each, reason)
    value, holder = node.meta["val"], atoms.holder(reason)
    if isinstance(value, Tensor):
        return holder.expand(value.shape)
    if not isinstance(value, Sequence):
        return None
    return [holder.expand(each.shape) if isinstance(each, Tensor) else None for each in value]


def _one(atoms: Atoms, labels: Labels) -> Tensor | None:
    """What stands beside activations: a parameter with channels along one dimension."""
    if not isinstance(labels, OfParameter):
        assert labels is None or isinstance(labels, Tensor)
        return labels
    found = [each for each in labels if varying(each)]
    if len(found) > 1:
        atoms.hold(labels, "a parameter of several dimensions")
        return atoms.holder("a parameter of several dimensions").expand(labels[0].shape)
    return found[0] if found else None


def _channels(atoms: Atoms, labels: Tensor, dim: int) -> Tensor:
    """The labels along a dimension; all of them are held where they differ along another."""
    if [each for each in varying(labels) if each != dim % labels.ndim]:
        atoms.hold(labels, "a view that mixes channels and places")
    return along(labels, dim)


def _cuttable(atoms: Atoms, labels: Tensor) -> Tensor:
    """The same labels, coupled until they differ along one dimension: the one with the most channels."""
    dims = varying(labels)
    if not dims:
        return labels[(slice(0, 1),) * labels.ndim].expand(labels.shape)
    carrier = max(dims, key=lambda dim: len(along(labels, dim).unique()))
    kept = placed(along(labels, carrier), carrier, labels.shape)
    if len(dims) > 1:
        atoms.join(labels, kept)
    return kept


# --- products ---


def _convolved(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    images, weight, groups = arguments["input"], arguments["weight"], arguments["groups"]
    transposed = bool(arguments["transposed"])
    if not isinstance(images, Tensor | None) or not isinstance(weight, OfParameter) or (transposed and groups > 1):
        return _held(atoms, node, arguments, "a convolution by computed weights, or transposed in groups")
    made, inputs = along(weight[transposed], int(transposed)), along(weight[not transposed], int(not transposed))
    if images is None:
        return _made(atoms, node, made, 1, arguments["bias"])
    read = _channels(atoms, images, 1)
    if groups == 1:
        atoms.join(read, inputs)
    elif loses_whole_groups(groups, len(inputs)):
        made_by_group = made.view(groups, -1)
        atoms.join(made_by_group, made_by_group[:, :1])
        atoms.join(read.view(groups, -1), made_by_group[:, :1])
    else:
        atoms.join(made.view(groups, -1), made.view(groups, -1)[:1])
        atoms.join(read.view(groups, -1), inputs)
    return _made(atoms, node, made, 1, arguments["bias"])


def _made(atoms: Atoms, node: fx.Node, made: Tensor, dim: int, bias: Labels) -> Tensor:
    """The outputs of a layer, whose bias goes with them."""
    atoms.produced.append(made)
    shape = _shape(node)
    result = placed(made, dim, shape)
    beside = _one(atoms, bias)
    if beside is not None:
        on_bias = beside if beside.ndim != 1 else placed(beside, dim, shape)
        atoms.join(result, on_bias)
    return result


def _matrix_product(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    first, second = ("mat1", "mat2") if "mat1" in arguments else ("self", "mat2")
    rows, matrix = arguments[first], arguments[second]
    if not isinstance(rows, Tensor | None) or not isinstance(matrix, OfParameter):
        return _held(atoms, node, arguments, "a product of activations, as in attention")
    for made, inputs in permutations(matrix, 2):
        if not varies(made, 0) and not varies(inputs, 1):
            if rows is not None:  # of a first state of zeros nothing is read
                atoms.join(_channels(atoms, rows, 1), along(inputs, 0))
            return _made(atoms, node, along(made, 1), 1, arguments["self"] if first == "mat1" else None)
    return _held(atoms, node, arguments, "a matrix that is rearranged")


def _recurrent_cell(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """A step of a recurrent layer as CUDA has it, in one operation: the gates of a unit go with its state."""
    given = [_one(atoms, arguments.get(name)) for name in ("input_gates", "hidden_gates", "input_bias", "hidden_bias")]
    gates = [each for each in given if each is not None]
    whole = gates[0].expand(*_shape(node)[:-1], -1)
    for each in gates[1:]:
        atoms.join(whole, each)
    by_gate = whole.unflatten(-1, (-1, _shape(node)[-1]))
    state = by_gate[..., 0, :]
    atoms.join(by_gate, state.unsqueeze(-2))
    for name in ("cx", "hx"):
        before = _one(atoms, arguments.get(name))
        if before is not None:
            atoms.join(state, before)
    value = node.meta["val"]
    return [state if each.shape == state.shape else None for each in value]


def _looked_up(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """An embedding: the second dimension of its table are its outputs."""
    table = arguments["weight"]
    if not isinstance(table, OfParameter):
        return _held(atoms, node, arguments, "a look-up in computed numbers")
    return _made(atoms, node, along(table[1], 1), -1, None)


# --- normalisations, sums, what moves numbers ---


def _batch_normalised(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    images = arguments["input"]
    if not isinstance(images, Tensor) or arguments["training"] or arguments["running_mean"] is None:
        return _held(atoms, node, arguments, "a normalisation by the statistics of the inputs")
    channels = _channels(atoms, images, 1)
    for name in ("weight", "bias", "running_mean", "running_var"):
        beside = _one(atoms, arguments[name])
        if beside is not None:
            atoms.join(channels, beside)
    return _whole(node, images)


def _elementwise(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    found = [one for each in _labels(arguments) if (one := _one(atoms, each)) is not None]
    if not found:
        return None
    whole = [each.expand(_shape(node)) for each in found]
    for each in whole[1:]:
        atoms.join(whole[0], each)
    return _cuttable(atoms, whole[0])


def _same_channels(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """Poolings and the like, which work on places; along channels, they hold them."""
    labels, shape = _first(arguments), _shape(node)
    if not isinstance(labels, Tensor) or labels.ndim != len(shape):
        return _held(atoms, node, arguments, name_of(node.target))
    dims = varying(labels)
    if not dims:
        return _whole(node, labels[(slice(0, 1),) * labels.ndim].expand(shape))
    if len(dims) > 1 or labels.shape[dims[0]] != shape[dims[0]]:
        name = name_of(node.target)
        return _held(atoms, node, arguments, f"{_WORDS.get(name, name)} over channels")
    return _whole(node, placed(along(labels, dims[0]), dims[0], shape))


def _reduced(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    labels = _first(arguments)
    given = arguments.get("dim")
    if not isinstance(labels, Tensor):
        return _held(atoms, node, arguments, name_of(node.target))
    dims = [given] if isinstance(given, int) else list(given or range(labels.ndim))
    if any(varies(labels, dim) for dim in dims):
        return _held(atoms, node, arguments, f"{name_of(node.target)} over channels")
    return _whole(node, labels.amax(tuple(dims), keepdim=bool(arguments.get("keepdim"))))


def _along(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """A softmax and the like: channels along its dimension depend on each other."""
    labels = _first(arguments)
    if isinstance(labels, Tensor) and not varies(labels, arguments["dim"]):
        return _whole(node, labels)
    return _held(atoms, node, arguments, f"{name_of(node.target)} over channels")


def _first(arguments: Arguments) -> Labels:
    found: Labels = next(iter(arguments.values()))
    return found


def _part(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """A slice: the code that makes it counts channels by itself."""
    labels, dim = _first(arguments), arguments.get("dim", 0)
    if isinstance(labels, Tensor) and varies(labels, dim) and _shape(node) != labels.shape:
        return _held(atoms, node, arguments, "a slice of channels")
    return _moved(atoms, node, arguments)


def _split(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """Parts of channels of the same size lose the same places, so that they are of one size still."""
    labels, dim = _first(arguments), arguments.get("dim", 0)
    parts = _moved(atoms, node, arguments)
    if isinstance(labels, Tensor) and varies(labels, dim) and isinstance(parts, list):
        tensors = [each for each in parts if isinstance(each, Tensor)]
        if len({each.shape for each in tensors}) > 1:
            return _held(atoms, node, arguments, "a split of channels into unequal parts")
        for each in tensors[1:]:
            atoms.join(tensors[0], each)
    return parts


def _joined(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """Concatenated, or stacked: what belongs to no channel cannot be cut."""
    values = [each.meta["val"] for each in node.args[0]]  # type: ignore[union-attr]
    holder = atoms.holder("a constant beside channels")
    given = [_one(atoms, each) for each in arguments["tensors"]]
    if all(each is None for each in given):
        return None
    whole = [holder.expand(v.shape) if each is None else each for each, v in zip(given, values, strict=True)]
    found: Tensor = node.target(whole, arguments.get("dim", 0))  # type: ignore[operator]
    return _cuttable(atoms, found)


def _moved(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    labels = _first(arguments)
    if isinstance(labels, OfParameter):
        return OfParameter(_applied(node, arguments, each) for each in labels)
    found = _applied(node, arguments, labels)
    if isinstance(found, Tensor):
        return _cuttable(atoms, found)
    return [_cuttable(atoms, each) for each in found]


def _applied(node: fx.Node, arguments: Arguments, labels: Any) -> Any:
    """What the operation makes of labels; a view, a copy of those that have no memory of their own."""
    if name_of(node.target) in ("view", "_unsafe_view", "reshape"):
        return labels.reshape(_shape(node))
    if name_of(node.target) in ("clone", "_to_copy", "alias", "detach", "lift_fresh_copy"):
        return labels
    return node.target(labels, *list(arguments.values())[1:])  # type: ignore[operator]


def _unknown(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    name = name_of(node.target)
    return _held(atoms, node, arguments, _WORDS.get(name, name))


#: What people call operations that hold channels.
_WORDS = {
    "native_layer_norm": "LayerNorm", "_fused_rms_norm": "RMSNorm", "native_group_norm": "GroupNorm",
    "constant_pad_nd": "padding", "bmm": "a product of activations, as in attention", "baddbmm": "a product of activations, as in attention",
}  # fmt: skip


def _named(names: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


_RULES: dict[str, Rule] = {
    "convolution": _convolved,
    **_named("mm addmm", _matrix_product),
    "embedding": _looked_up,
    **_named("_thnn_fused_lstm_cell _thnn_fused_gru_cell", _recurrent_cell),
    **_named("native_batch_norm _native_batch_norm_legit_no_training", _batch_normalised),
    **_named("clone _to_copy alias detach lift_fresh_copy view _unsafe_view reshape permute transpose t", _moved),
    **_named("expand squeeze unsqueeze unbind flip pixel_shuffle pixel_unshuffle channel_shuffle", _moved),
    **_named("slice select", _part),
    **_named("split split_with_sizes unsafe_split unsafe_split_with_sizes", _split),
    **_named("cat stack", _joined),
    **_named("max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d", _same_channels),
    **_named("_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d", _same_channels),
    **_named("constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d", _same_channels),
    **_named("upsample_nearest2d upsample_bilinear2d", _same_channels),
    **_named("mean sum amax amin", _reduced),
    **_named("_softmax _safe_softmax _log_softmax cumsum", _along),
    **_named("_prelu_kernel hardswish", _elementwise),
}
