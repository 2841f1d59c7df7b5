"""How layers couple channels: what they make goes with their rows, and what they read with their columns.

Operations of other kinds are in ``coupling_rules``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, fx

from pruneexp.pruning.labels import Atoms, Labels, OfParameter, along, placed, varies, varying

Arguments = Mapping[str, Any]
#: Why channels stay that activations multiply.
PRODUCT = "a product of activations, as in attention"


def loses_whole_groups(groups: int, inputs: int) -> bool:
    """Whether a grouped convolution of so many inputs for each group loses groups; if not, the same places of each."""
    return groups >= inputs


# --- what rules share ---


def labels_in(arguments: Any) -> list[Labels]:
    """The labels among nested arguments."""
    if isinstance(arguments, Tensor | OfParameter):
        return [arguments]
    if isinstance(arguments, Mapping):
        arguments = list(arguments.values())
    if isinstance(arguments, Sequence) and not isinstance(arguments, str):
        return [found for each in arguments for found in labels_in(each)]
    return []


def shape_of(node: fx.Node) -> torch.Size:
    """That of the result of an operation, or of the first of several."""
    value = node.meta["val"]
    first = value if isinstance(value, Tensor) else value[0]
    assert isinstance(first, Tensor)
    return first.shape


def of_first(node: fx.Node, labels: Tensor) -> Labels:
    """The labels of the first result; of others, such as indices and statistics, none."""
    value = node.meta["val"]
    return labels if isinstance(value, Tensor) else [labels, *(None for _ in value[1:])]


def held(atoms: Atoms, node: fx.Node, arguments: Any, reason: str) -> Labels:
    """The labels of results of an operation that holds all channels it takes."""
    for each in labels_in(arguments):
        atoms.hold(each, reason)
    value, holder = node.meta["val"], atoms.holder(reason)
    if isinstance(value, Tensor):
        return holder.expand(value.shape)
    if not isinstance(value, Sequence):
        return None
    return [holder.expand(each.shape) if isinstance(each, Tensor) else None for each in value]


def one_of(atoms: Atoms, labels: Labels) -> Tensor | None:
    """What stands beside activations: a parameter with channels along one dimension."""
    if not isinstance(labels, OfParameter):
        assert labels is None or isinstance(labels, Tensor)
        return labels
    found = [each for each in labels if varying(each)]
    if len(found) > 1:
        atoms.hold(labels, "a parameter of several dimensions")
        return atoms.holder("a parameter of several dimensions").expand(labels[0].shape)
    return found[0] if found else None


def channels_of(atoms: Atoms, labels: Tensor, dim: int) -> Tensor:
    """The labels along a dimension; all of them are held where they differ along another."""
    if [each for each in varying(labels) if each != dim % labels.ndim]:
        atoms.hold(labels, "a view that mixes channels and places")
    return along(labels, dim)


def cuttable(atoms: Atoms, node: fx.Node, labels: Tensor) -> Tensor:
    """The same labels, coupled until they differ along one dimension: the one with the most channels."""
    if node in atoms.uncut:
        return labels
    dims = varying(labels)
    if not dims:
        return labels[(slice(0, 1),) * labels.ndim].expand(labels.shape)
    carrier = max(dims, key=lambda dim: len(along(labels, dim).unique()))
    kept = placed(along(labels, carrier), carrier, labels.shape)
    if len(dims) > 1:
        atoms.join(labels, kept)
    return kept


# --- layers ---


def convolved(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """A convolution, also a transposed one, or one in groups."""
    images, weight, groups = arguments["input"], arguments["weight"], arguments["groups"]
    transposed = bool(arguments["transposed"])
    if not isinstance(images, Tensor | None) or not isinstance(weight, OfParameter) or (transposed and groups > 1):
        return held(atoms, node, arguments, "a convolution by computed weights, or transposed in groups")
    made, inputs = along(weight[transposed], int(transposed)), along(weight[not transposed], int(not transposed))
    if images is None:
        return _made(atoms, node, made, 1, arguments["bias"])
    read = channels_of(atoms, images, 1)
    if groups == 1:
        atoms.read.append(inputs)
        atoms.join(read, inputs)
    elif loses_whole_groups(groups, len(inputs)):
        made_by_group = made.view(groups, -1)
        atoms.join(made_by_group, made_by_group[:, :1])
        atoms.join(read.view(groups, -1), made_by_group[:, :1])
    else:
        atoms.join(made.view(groups, -1), made.view(groups, -1)[:1])
        atoms.read.append(inputs)
        atoms.join(read.view(groups, -1), inputs)
    return _made(atoms, node, made, 1, arguments["bias"])


def _made(atoms: Atoms, node: fx.Node, made: Tensor, dim: int, bias: Labels) -> Tensor:
    """The outputs of a layer, whose bias goes with them."""
    atoms.produced.append(made)
    shape = shape_of(node)
    result = placed(made, dim, shape)
    beside = one_of(atoms, bias)
    if beside is not None:
        on_bias = beside if beside.ndim != 1 else placed(beside, dim, shape)
        atoms.join(result, on_bias)
    return result


def matrix_product(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """A linear layer: rows of activations times a matrix that is a parameter."""
    first, second = ("mat1", "mat2") if "mat1" in arguments else ("self", "mat2")
    rows, matrix = arguments[first], arguments[second]
    if not isinstance(rows, Tensor | None) or not isinstance(matrix, OfParameter):
        return held(atoms, node, arguments, PRODUCT)
    for made, inputs in permutations(matrix, 2):
        if not varies(made, 0) and not varies(inputs, 1):
            if rows is not None:  # of a first state of zeros nothing is read
                atoms.read.append(along(inputs, 0))
                atoms.join(channels_of(atoms, rows, 1), along(inputs, 0))
            return _made(atoms, node, along(made, 1), 1, arguments["self"] if first == "mat1" else None)
    return held(atoms, node, arguments, "a matrix that is rearranged")


def attended(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """A product of activations for each input and head: all that one head is made of goes with it."""
    first, second = ("batch1", "batch2") if "batch1" in arguments else ("self", "mat2")
    left, right = arguments[first], arguments[second]
    if not isinstance(left, Tensor) or not isinstance(right, Tensor):
        return held(atoms, node, arguments, PRODUCT)
    heads = left[:, :1, :1]
    atoms.join(left, heads)
    atoms.join(right, heads)
    added = one_of(atoms, arguments["self"]) if first == "batch1" else None
    if added is not None:
        atoms.join(heads, added)
    atoms.attended.append(heads.flatten())
    return heads.expand(shape_of(node))


def recurrent_cell(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """A step of a recurrent layer as CUDA has it, in one operation: the gates of a unit go with its state."""
    given = [
        one_of(atoms, arguments.get(name)) for name in ("input_gates", "hidden_gates", "input_bias", "hidden_bias")
    ]
    gates = [each for each in given if each is not None]
    whole = gates[0].expand(*shape_of(node)[:-1], -1)
    for each in gates[1:]:
        atoms.join(whole, each)
    by_gate = whole.unflatten(-1, (-1, shape_of(node)[-1]))
    state = by_gate[..., 0, :]
    atoms.join(by_gate, state.unsqueeze(-2))
    for name in ("cx", "hx"):
        before = one_of(atoms, arguments.get(name))
        if before is not None:
            atoms.join(state, before)
    value = node.meta["val"]
    return [state if each.shape == state.shape else None for each in value]


def looked_up(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """An embedding: the second dimension of its table are its outputs."""
    table = arguments["weight"]
    if not isinstance(table, OfParameter):
        return held(atoms, node, arguments, "a look-up in computed numbers")
    return _made(atoms, node, along(table[1], 1), -1, None)


def batch_normalised(atoms: Atoms, node: fx.Node, arguments: Arguments) -> Labels:
    """Batch normalisation by its running statistics, which go with the channels."""
    images = arguments["input"]
    if not isinstance(images, Tensor) or arguments["training"] or arguments["running_mean"] is None:
        return held(atoms, node, arguments, "a normalisation by the statistics of the inputs")
    channels = channels_of(atoms, images, 1)
    for name in ("weight", "bias", "running_mean", "running_var"):
        beside = one_of(atoms, arguments[name])
        if beside is not None:
            atoms.join(channels, beside)
    return of_first(node, images)
