"""How each operation of torch passes patterns on; an operation without a rule is not followed.

A rule returns what is above 0 where its result depends on what its arguments depend on: numbers of 1/16 and more, so
that sums stand in place of means. Operations that give several tensors have rules that return as many, None for those
that nothing follows from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pruneexp.pruning.patterns import OperationCall, Pattern, patterns_of, product, replaced

Ones = Tensor | Sequence[Tensor | None]
Rule = Callable[[OperationCall], Ones]

_aten = torch.ops.aten


def whole(call: OperationCall) -> Ones:
    """Everything depends on everything: what is assumed where nothing is known."""
    total = call.zeros(())
    for part in call.patterns:
        total = total + call.side(part).sum()
    return _like(call, total)


def _elementwise(call: OperationCall) -> Ones:
    total = call.zeros(call.shape)
    for part in call.patterns:
        total = total + call.side(part)
    return total


def _times(call: OperationCall) -> Ones:
    first, second = call.pattern("self"), call["other"]
    if not isinstance(second, Pattern):
        return first.ones * float(second != 0)
    return product(torch.mul, first, second)


def _over(call: OperationCall) -> Ones:
    first, second = call.pattern("self"), call["other"]
    if not isinstance(second, Pattern):
        return first.ones
    return call.side(first) + first.nonzero * call.side(second)


def _plus_product(call: OperationCall) -> Ones:
    """``self + tensor1 * tensor2``."""
    return call.side(call["self"]) + product(torch.mul, call["tensor1"], call["tensor2"])


def _gated(call: OperationCall) -> Ones:
    """``a * sigmoid(b)`` of the halves of a tensor."""
    dim = call["dim"] if call["dim"] is not None else -1
    first, gate = call.pattern("self").ones.chunk(2, dim)
    return first + call.pattern("self").nonzero.chunk(2, dim)[0] * gate


def _where(call: OperationCall) -> Ones:
    condition, first, second = call.pattern("condition"), call["self"], call["other"]
    if condition.varies:
        return call.zeros(call.shape) + condition.ones + call.side(first) + call.side(second)
    return torch.where(condition.value.bool(), call.side(first), call.side(second))


def _masked(call: OperationCall) -> Ones:
    mask, filled = call.pattern("mask"), call["value"]
    if mask.varies:
        return call.side(call["self"]) + mask.ones
    value = call.side(filled) if isinstance(filled, Pattern) else call.zeros(())
    return torch.where(mask.value, value, call.side(call["self"]))


def _matrix_product(call: OperationCall) -> Ones:
    first = call["self"]
    second = next(call[name] for name in ("mat2", "vec", "tensor", "other") if call[name] is not None)
    return product(torch.matmul, first, second)


def _plus_matrix_product(call: OperationCall) -> Ones:
    names = next(pair for pair in (("mat1", "mat2"), ("batch1", "batch2"), ("mat", "vec")) if call[pair[0]] is not None)
    return call.side(call["self"]) + product(torch.matmul, *(call[name] for name in names))


def _convolved(call: OperationCall) -> Ones:
    rest = [call[name] for name in ("stride", "padding", "dilation", "transposed", "output_padding", "groups")]

    def convolve(images: Tensor, weight: Tensor) -> Tensor:
        result: Tensor = _aten.convolution.default(images, weight, None, *rest)
        return result

    bias = call.side(call["bias"])
    per_channel = bias.view(-1, *(1 for _ in call.shape[2:])) if bias.ndim else bias
    return product(convolve, call["input"], call["weight"]) + per_channel


def _batch_normalised(call: OperationCall) -> Ones:
    ones = call.pattern("input").ones
    if call["training"] or call["running_mean"] is None:  # by the statistics of these images
        ones = _any(ones, [dim for dim in range(ones.ndim) if dim != 1]).expand_as(ones)
    return _first(call, _scaled(call, ones, (-1, *(1 for _ in ones.shape[2:]))))


def _layer_normalised(call: OperationCall) -> Ones:
    ones = call.pattern("input").ones
    last = len(call["normalized_shape"])
    return _first(call, _scaled(call, _any(ones, range(-last, 0)).expand_as(ones), call["normalized_shape"]))


def _group_normalised(call: OperationCall) -> Ones:
    ones = call.pattern("input").ones
    grouped = ones.reshape(call["N"], call["group"], -1)
    within = _any(grouped, [2]).expand_as(grouped).reshape(ones.shape)
    return _first(call, _scaled(call, within, (-1, *(1 for _ in ones.shape[2:]))))


def _scaled(call: OperationCall, ones: Tensor, shape: Sequence[int]) -> Tensor:
    """What a normalisation's own weight and bias, of this shape, leave of the pattern of what it normalised."""
    weight, bias = call["weight"], call["bias"]
    scaled = ones if weight is None else ones * weight.ones.view(*shape)
    return scaled if bias is None else scaled + call.side(bias).view(*shape)


def _along(call: OperationCall) -> Ones:
    """Every result depends on all numbers along a dimension."""
    ones = call.pattern("self").ones
    dim = call["dim"] if call["dim"] is not None else -1
    return _like(call, _any(ones, [dim]))


def _softmax(call: OperationCall) -> Ones:
    ones, dim = call.pattern("self").ones, call["dim"]
    return _any(ones, [dim]).expand_as(ones) * float(ones.shape[dim] > 1)  # that of a single number is 1


def _reduced(call: OperationCall) -> Ones:
    ones = call.pattern("self").ones
    dims = [call["dim"]] if isinstance(call["dim"], int) else call["dim"] or range(ones.ndim)
    reduced = _any(ones, dims).reshape(call.shape)
    return reduced if isinstance(call.value, Tensor) else [reduced for _ in call.value]


def _windows(call: OperationCall) -> Ones:
    """Maxima of windows: sums in their place, by a convolution with ones; positions beyond the edge are zeros."""
    ones = call.pattern("self").ones
    dims = len(call["kernel_size"]) if len(call["kernel_size"]) > 1 else ones.ndim - 2
    kernel, stride, padding, dilation = (
        _each(call[name] or default, dims)
        for name, default in (("kernel_size", []), ("stride", call["kernel_size"]), ("padding", [0]), ("dilation", [1]))
    )
    sizes = call.shape[-dims:]
    flat = ones.reshape(-1, 1, *ones.shape[-dims:])
    reach = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(sizes, stride, dilation, kernel, strict=True)]
    pads = [(p, max(0, r - n - p)) for p, r, n in zip(padding, reach, flat.shape[2:], strict=True)]
    padded = functional.pad(flat, [side for pair in reversed(pads) for side in pair])
    weight = torch.ones(1, 1, *kernel, device=ones.device)
    summed = _aten.convolution.default(padded, weight, None, stride, [0] * dims, dilation, False, [0] * dims, 1)
    kept = summed[(..., *(slice(0, size) for size in sizes))]
    return _first(call, kept.reshape(call.shape))


def _adaptive_maxima(call: OperationCall) -> Ones:
    means = {1: functional.adaptive_avg_pool1d, 2: functional.adaptive_avg_pool2d, 3: functional.adaptive_avg_pool3d}
    ones, size = call.pattern("self").ones, call["output_size"]
    return _first(call, means[len(size)](ones, size) * ones[0, 0].numel())


def _averaged(call: OperationCall) -> Ones:
    moved = _moved(call)
    assert isinstance(moved, Tensor)
    return moved * call.pattern("self").ones[0].numel()


def _moved(call: OperationCall) -> Ones:
    """Operations that move, repeat and add numbers, which do so with patterns."""
    places = {name: call[name] for name in ("index", "indices") if isinstance(call.arguments.get(name), Pattern | list)}
    if any(part.varies for part in patterns_of(places)):
        return whole(call)  # it depends on the images where numbers come from
    moved = {name: replaced(part, call.side) for name, part in call.arguments.items() if name not in places}
    result: Ones = call.function(**moved, **replaced(places, lambda part: part.value))
    return result


def _copied(call: OperationCall) -> Ones:
    return call.side(call.pattern("src")).expand(call.shape)


def _kept(call: OperationCall) -> Ones:
    return call.pattern("self").ones


def _padded(call: OperationCall) -> Ones:
    return functional.pad(call.pattern("self").ones, call["pad"])


def _looked_up(call: OperationCall) -> Ones:
    """A row of a table: an image changes the numbers in which the rows differ."""
    weight, index = call.pattern("weight"), call.pattern("indices")
    if not index.varies:
        return functional.embedding(index.value, call.side(weight))
    apart = (weight.value != weight.value[:1]).any(0).float()
    return index.ones[..., None] * apart * weight.ones.sum(0)


def _recurrent_cell(call: OperationCall) -> Ones:
    """A step of a recurrent layer in one operation: each hidden number depends on its gates and its last value."""
    states = call["cx"] or call["hx"]
    hidden = states.ones.shape[-1]
    gates = call.side(call["input_gates"]) + call.side(call["hidden_gates"])
    ones = gates.unflatten(-1, (-1, hidden)).sum(-2) + call.side(states)
    return _first(call, ones)


def _any(ones: Tensor, dims: Sequence[int] | range) -> Tensor:
    return ones.sum(tuple(dims), keepdim=True) if ones.ndim else ones


def _each(values: Sequence[int], dims: int) -> list[int]:
    return list(values) * dims if len(values) == 1 else list(values)


def _first(call: OperationCall, ones: Tensor) -> Ones:
    """``ones`` for the results in the shape of the first; nothing follows from others, as from statistics."""
    if isinstance(call.value, Tensor):
        return ones
    return [ones if value is not None and value.shape == ones.shape else None for value in call.value]


def _like(call: OperationCall, ones: Tensor) -> Ones:
    if isinstance(call.value, Tensor):
        return ones.expand(call.value.shape)
    return [ones.expand(value.shape) if isinstance(value, Tensor) else None for value in call.value]


def _named(names: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


_RULES: dict[str, Rule] = {
    **_named(
        "alias clone view _unsafe_view reshape permute transpose t expand slice select squeeze unsqueeze",
        _moved,
    ),
    **_named("cat stack split split_with_sizes unsafe_split unsafe_split_with_sizes unbind", _moved),
    **_named("diagonal roll flip repeat as_strided detach", _moved),
    **_named("index index_select gather slice_scatter select_scatter index_put index_add scatter scatter_add", _moved),
    **_named("pixel_shuffle pixel_unshuffle channel_shuffle unfold im2col tril triu cumsum", _moved),
    **_named("reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d", _moved),
    **_named("upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact2d", _moved),
    **_named("upsample_linear1d upsample_bilinear2d upsample_trilinear3d", _moved),
    "copy": _copied,
    **_named(
        "avg_pool1d avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d", _averaged
    ),
    **_named("max_pool2d_with_indices max_pool3d_with_indices", _windows),
    **_named("adaptive_max_pool2d adaptive_max_pool3d", _adaptive_maxima),
    **_named("mean sum amax amin max min var var_mean std std_mean norm linalg_vector_norm prod logsumexp", _reduced),
    **_named("any all argmax argmin count_nonzero median", _reduced),
    **_named("sort topk cumprod logcumsumexp cummax cummin", _along),
    **_named("_softmax _safe_softmax _log_softmax", _softmax),
    **_named("mm bmm mv dot matmul", _matrix_product),
    **_named("addmm baddbmm addmv", _plus_matrix_product),
    **_named("native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training", _batch_normalised),
    **_named("native_layer_norm _fused_rms_norm", _layer_normalised),
    **_named("_thnn_fused_lstm_cell _thnn_fused_gru_cell", _recurrent_cell),
    **_named("_to_copy hardswish", _kept),
    "native_group_norm": _group_normalised,
    "convolution": _convolved,
    "constant_pad_nd": _padded,
    "embedding": _looked_up,
    "mul": _times,
    "div": _over,
    "addcmul": _plus_product,
    "glu": _gated,
    "where": _where,
    "masked_fill": _masked,
}
#: Operations that take only the shape of their first argument.
SHAPED = frozenset({"empty_like", "zeros_like", "ones_like", "full_like", "zero", "fill", "new_empty_strided"}) | {
    f"new_{what}" for what in ("empty", "zeros", "ones", "full")
}


def rule_of(function: Any) -> Rule | None:
    """The rule of an operation, None where it has none."""
    if (rule := _RULES.get(name_of(function))) is not None:
        return rule
    return _elementwise if torch.Tag.pointwise in function.tags else None


def name_of(function: Any) -> str:
    """The operation without its variant: ``mul`` of ``aten.mul.Tensor``."""
    return str(function.overloadpacket).removeprefix("aten.")
