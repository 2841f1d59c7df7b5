"""How each operation of torch couples channels; one without a rule holds all that it takes.

A channel may go if every number that it makes is multiplied by weights that go with it, and nothing else changes. So
normalisations and softmax over channels hold theirs, and products of activations couple those of a head. The labels of
a result differ along one dimension at most, along which it can be cut: where a view would spread them over several, as
in a channel shuffle, channels are coupled until they do not, but for what attention reads.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, fx

from pruneexp.pruning.coupling_layers import (
    Arguments,
    attended,
    batch_normalised,
    convolved,
    cuttable,
    held,
    labels_in,
    looked_up,
    matrix_product,
    of_first,
    one_of,
    recurrent_cell,
    shape_of,
)
from pruneexp.pruning.labels import Atoms, Labels, OfParameter, along, placed, varies, varying
from pruneexp.pruning.pattern_rules import SHAPED, name_of

Rule = Callable[[Atoms, fx.Node, Arguments], Labels]

_aten = torch.ops.aten


def coupled(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """The labels of the result of an operation, by its arguments with labels in place of tensors."""
    name = name_of(node.target)
    given = list(labels_in(arguments))
    if not given or name in SHAPED:
        return None
    return (_rule(node) or _unknown)(atoms, node, arguments)


def attention_reads(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    """What products of activations read, directly or through views and pointwise operations."""
    found: set[fx.Node] = set()
    for node in reversed(list(nodes)):
        if any(_rule(user) is attended or (user in found and _rule(user) in _PASSING) for user in node.users):
            found.add(node)
    return found


def _rule(node: fx.Node) -> Rule | None:
    if node.op != "call_function":
        return None
    if node.target is operator.getitem:
        return _moved
    rule = _RULES.get(name_of(node.target))
    pointwise = torch.Tag.pointwise in node.target.tags  # type: ignore[union-attr]
    return _elementwise if rule is None and pointwise else rule


def _elementwise(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    found = [one for each in labels_in(arguments) if (one := one_of(atoms, each)) is not None]
    if not found:
        return None
    whole = [each.expand(shape_of(node)) for each in found]
    for each in whole[1:]:
        atoms.join(whole[0], each)
    return cuttable(atoms, node, whole[0])


def _same_channels(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """Poolings and the like, which work on places; along channels, they hold them."""
    labels, shape = _first(arguments), shape_of(node)
    if not isinstance(labels, Tensor) or labels.ndim != len(shape):
        return held(atoms, node, arguments, name_of(node.target))
    dims = varying(labels)
    if not dims:
        return of_first(node, labels[(slice(0, 1),) * labels.ndim].expand(shape))
    if len(dims) > 1 or labels.shape[dims[0]] != shape[dims[0]]:
        name = name_of(node.target)
        return held(atoms, node, arguments, f"{_WORDS.get(name, name)} over channels")
    return of_first(node, placed(along(labels, dims[0]), dims[0], shape))


def _reduced(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    labels = _first(arguments)
    given = arguments.get("dim")
    if not isinstance(labels, Tensor):
        return held(atoms, node, arguments, name_of(node.target))
    dims = [given] if isinstance(given, int) else list(given or range(labels.ndim))
    if node.users and any(varies(labels, dim) for dim in dims):  # weights of attention are averaged where unused, too
        return held(atoms, node, arguments, f"{name_of(node.target)} over channels")
    return of_first(node, labels.amax(tuple(dims), keepdim=bool(arguments.get("keepdim"))))


def _along(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """A softmax and the like: channels along its dimension depend on each other."""
    labels = _first(arguments)
    if isinstance(labels, Tensor) and not varies(labels, arguments["dim"]):
        return of_first(node, labels)
    return held(atoms, node, arguments, f"{name_of(node.target)} over channels")


def _first(arguments: Arguments) -> Labels:
    found: Labels = next(iter(arguments.values()))
    return found


def _part(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """A slice: the code that makes it counts channels by itself, but for what attention reads, as queries."""
    labels, dim = _first(arguments), arguments.get("dim", 0)
    cuts = shape_of(node) != getattr(labels, "shape", None) and node not in atoms.uncut
    if isinstance(labels, Tensor) and varies(labels, dim) and cuts:
        return held(atoms, node, arguments, "a slice of channels")
    return _moved(atoms, node, arguments)


def _split(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """Parts of channels of the same size lose the same places, so that they are of one size still."""
    labels, dim = _first(arguments), arguments.get("dim", 0)
    parts = _moved(atoms, node, arguments)
    if isinstance(labels, Tensor) and varies(labels, dim) and isinstance(parts, list):
        tensors = [each for each in parts if isinstance(each, Tensor)]
        if len({each.shape for each in tensors}) > 1:
            return held(atoms, node, arguments, "a split of channels into unequal parts")
        for each in tensors[1:]:
            atoms.join(tensors[0], each)
    return parts


def _joined(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """Concatenated, or stacked: what belongs to no channel cannot be cut."""
    values = [each.meta["val"] for each in node.args[0]]  # type: ignore[union-attr]
    holder = atoms.holder("a constant beside channels")
    given = [one_of(atoms, each) for each in arguments["tensors"]]
    if all(each is None for each in given):
        return None
    whole = [holder.expand(v.shape) if each is None else each for each, v in zip(given, values, strict=True)]
    found: Tensor = node.target(whole, arguments.get("dim", 0))  # type: ignore[operator]
    return cuttable(atoms, node, found)


def _moved(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    labels = _first(arguments)
    if isinstance(labels, OfParameter):
        by_dim = [_applied(node, arguments, each) for each in labels]
        if isinstance(by_dim[0], Tensor):
            return OfParameter(by_dim)
        return [OfParameter(part) for part in zip(*by_dim, strict=True)]
    found = _applied(node, arguments, labels)
    if isinstance(found, Tensor):
        return cuttable(atoms, node, found)
    return [cuttable(atoms, node, each) for each in found]


def _applied(node: fx.Node, arguments: Arguments, labels: Any) -> Any:
    """What the operation makes of labels; a view, a copy of those that have no memory of their own."""
    if name_of(node.target) in ("view", "_unsafe_view", "reshape"):
        return labels.reshape(shape_of(node))
    if name_of(node.target) in ("clone", "_to_copy", "alias", "detach", "lift_fresh_copy"):
        return labels
    return node.target(labels, *list(arguments.values())[1:])  # type: ignore[operator]


def _unknown(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    name = name_of(node.target)
    return held(atoms, node, arguments, _WORDS.get(name, name))


#: What people call operations that hold channels.
_WORDS = {
    "native_layer_norm": "LayerNorm", "_fused_rms_norm": "RMSNorm", "native_group_norm": "GroupNorm",
    "constant_pad_nd": "padding",
}  # fmt: skip


def _named(names: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


_RULES: dict[str, Rule] = {
    "convolution": convolved,
    **_named("mm addmm", matrix_product),
    **_named("bmm baddbmm", attended),
    "embedding": looked_up,
    **_named("_thnn_fused_lstm_cell _thnn_fused_gru_cell", recurrent_cell),
    **_named("native_batch_norm _native_batch_norm_legit_no_training", batch_normalised),
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
_PASSING = (_moved, _part, _split, _joined, _elementwise)
