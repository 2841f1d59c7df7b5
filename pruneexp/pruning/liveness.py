"""Which weights still matter: those on a path from the inputs to the outputs that no cut has closed.

A weight is effective if its input depends on the network's inputs and an output reads its unit. Without such weights a
unit is dead: its output is constant, or nothing that reaches an output reads it (Han et al. 2015, section 3.5). Both
are followed through the graph of a pass, for any network that can be traced: the graph runs once more, forwards and
backwards, on patterns of zeros and ones in place of numbers. Knows nothing of how masks are chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import map_arg

from pruneexp.tracing.trace import Trace

_aten = torch.ops.aten


class _Ones(torch.autograd.Function):
    """1 where a pattern is above 0; gradients become patterns too, so that no path is lost to rounding."""

    @staticmethod
    def forward(_: Any, pattern: Tensor) -> Tensor:
        return (pattern > 0).float()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return (gradient > 0).float()


@dataclass(frozen=True)
class _Pattern:
    """What is known of a tensor of the pass.

    ``ones`` marks where it depends on the example (``varies``), or else where it is not zero; ``value`` is the tensor.
    """

    ones: Tensor
    value: Tensor
    varies: bool

    @property
    def nonzero(self) -> Tensor:
        """Where the value can be other than zero; no path of gradients."""
        return ((self.value != 0) | (self.ones.detach() > 0)).float() if self.varies else self.ones.detach()


def effective(trace: Trace, tensors: Mapping[str, Tensor], example: Tensor) -> tuple[dict[str, Tensor], frozenset[str]]:
    """Boolean tensor per parameter: which of its numbers are on a path from the inputs to the outputs.

    ``tensors`` are the parameters and buffers by name, pruned ones zero. The second are the names of operations that
    could not be followed: they count as depending on all of their inputs.
    """
    leaves = {name: (tensors[name].detach() != 0).float().requires_grad_() for name in trace.parameters.values()}
    known: dict[fx.Node, Any] = {trace.example: _Pattern(torch.ones(example.shape), example, True)}
    for node, name in trace.parameters.items():
        known[node] = _Pattern(leaves[name], tensors[name].detach(), False)
    for node, name in trace.buffers.items():
        known[node] = _Pattern((tensors[name] != 0).float(), tensors[name], False)
    unknown: set[str] = set()
    last = {node: user for user in trace.graph.nodes for node in user.all_input_nodes}
    with torch.enable_grad():
        for node in trace.graph.nodes:
            if node.op in ("call_function", "get_attr"):
                known[node] = _followed(node, known, unknown)
            for done in node.all_input_nodes:
                if last[done] is node and node.op != "output":
                    known.pop(done, None)
        ends = [known[node] for node in trace.outputs]
        total = sum((end.ones.sum() for end in ends if end.varies), torch.zeros((), requires_grad=True))
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    return {
        name: torch.zeros_like(leaf, dtype=torch.bool) if gradient is None else (gradient > 0) & (leaf > 0)
        for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True)
    }, frozenset(unknown)


def _followed(node: fx.Node, known: Mapping[fx.Node, Any], unknown: set[str]) -> Any:
    """What is known of the result of an operation: one pattern, or a sequence of them."""
    args, kwargs = map_arg(node.args, known.__getitem__), map_arg(node.kwargs, known.__getitem__)
    function: Any = node.target
    if not isinstance(function, torch._ops.OpOverload):  # getitem
        return function(*args, **kwargs)
    with torch.no_grad():
        value = function(*_each(args, lambda p: p.value), **_each(kwargs, lambda p: p.value))
    inputs = [
        p
        for p in torch.utils._pytree.tree_leaves((args, kwargs), is_leaf=lambda x: isinstance(x, _Pattern))
        if isinstance(p, _Pattern)
    ]
    varies = any(p.varies for p in inputs)
    if not varies and not any(p.ones.requires_grad for p in inputs):
        return _constant(value)
    rule = _RULES.get(function.overloadpacket, None)
    if rule is None and torch.Tag.pointwise in function.tags:
        rule = _pointwise
    if rule is None:
        unknown.add(str(function.overloadpacket))
        rule = _whole
    ones = rule(function, value, varies, args, kwargs)
    if isinstance(value, (list, tuple)):
        return type(value)(_made(o, v, varies) for o, v in zip(ones, value, strict=True))
    return _made(ones, value, varies)


def _made(ones, value, varies):
    if ones is None:
        return None
    return _Pattern(_Ones.apply(ones), value, varies)


def _constant(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_constant(v) for v in value)
    return _Pattern((value != 0).float(), value, False)


def _each(part: Any, read: Callable[[_Pattern], Any]) -> Any:
    if isinstance(part, _Pattern):
        return read(part)
    if isinstance(part, (list, tuple)):
        return type(part)(_each(p, read) for p in part)
    if isinstance(part, dict):
        return {k: _each(v, read) for k, v in part.items()}
    return part


def _side(p: _Pattern, varies: bool) -> Tensor:
    """Constants of a sum of something that varies do not vary."""
    return p.ones if p.varies or not varies else torch.zeros_like(p.ones)


def _pointwise(function, value, varies, args, kwargs):
    parts = [p for p in args if isinstance(p, _Pattern)]
    for a in args:
        if isinstance(a, (list, tuple)):
            parts += [p for p in a if isinstance(p, _Pattern)]
    total = torch.zeros(value.shape)
    for p in parts:
        total = total + _side(p, varies)
    return total


def _product(function, value, varies, args, kwargs):
    a, b = args[:2]
    if not isinstance(b, _Pattern):
        return a.ones
    if not isinstance(a, _Pattern):
        return b.ones
    if not varies or not (a.varies and b.varies):
        return a.ones * b.ones
    return a.ones * b.nonzero + a.nonzero * b.ones


def _quotient(function, value, varies, args, kwargs):
    a, b = args[:2]
    if not isinstance(b, _Pattern):
        return a.ones
    if not isinstance(a, _Pattern):
        return b.ones
    if not varies:
        return a.ones * b.ones
    first = a.ones if a.varies else torch.zeros(())
    second = a.nonzero * b.ones if b.varies else torch.zeros(())
    return torch.zeros(value.shape) + first + second


def _where(function, value, varies, args, kwargs):
    c, a, b = args
    if c.varies:
        return torch.zeros(value.shape) + c.ones + _side(a, varies) + _side(b, varies)
    return torch.where(c.value.bool(), _side(a, varies), _side(b, varies))


def _matmul(function, value, varies, args, kwargs):
    a, b = args[-2:] if len(args) > 1 else args
    product = torch.matmul
    if a.varies and b.varies:
        return product(a.ones, b.nonzero) + product(a.nonzero, b.ones)
    return product(a.ones, b.ones)


def _addmm(function, value, varies, args, kwargs):
    out = _matmul(function, value, varies, args[1:3], {})
    c = args[0]
    return out + _side(c, varies)


def _convolution(function, value, varies, args, kwargs):
    x, w = args[:2]
    assert x.varies and not w.varies
    return torch.ops.aten.convolution.default(x.ones, w.ones, None, *args[3:])


def _batch_norm(function, value, varies, args, kwargs):
    x, gamma = args[:2]
    shape = (1, -1, *(1 for _ in x.ones.shape[2:]))
    out = x.ones if gamma is None else x.ones * gamma.ones.view(shape)
    return (out, None, None)


def _layer_norm(function, value, varies, args, kwargs):
    x, shape, gamma = args[:3]
    dims = tuple(range(-len(shape), 0))
    out = x.ones.mean(dims, keepdim=True).expand_as(x.ones)
    out = out if gamma is None else out * gamma.ones
    return (out, None, None)


def _group_norm(function, value, varies, args, kwargs):
    x, gamma, beta, n, c, hw, groups = args[:7]
    o = x.ones.reshape(n, groups, -1)
    o = o.mean(2, keepdim=True).expand_as(o).reshape(x.ones.shape)
    if gamma is not None:
        o = o * gamma.ones.view(1, -1, *(1 for _ in o.shape[2:]))
    return (o, None, None)


def _softmax(function, value, varies, args, kwargs):
    x, dim = args[:2]
    return x.ones.mean(dim, keepdim=True).expand_as(x.ones)


def _max_pool(function, value, varies, args, kwargs):
    x, kernel, stride, padding, dilation, ceil = (*args, *((None,) * 6))[:6]
    n = x.ones.ndim - 2
    first = value[0]

    def ex(v, d):
        v = d if v is None or v == [] else v
        return tuple(v) * n if len(v) == 1 else tuple(v)

    kernel = ex(kernel, None)
    stride = ex(stride, kernel)
    padding = ex(padding, [0])
    dilation = ex(dilation, [1])
    c = x.ones.shape[1]
    weight = torch.ones(1, 1, *kernel)
    o = x.ones.reshape(-1, 1, *x.ones.shape[2:])
    extra = [
        max(0, (s_out - 1) * s + d * (k - 1) + 1 - s_in - 2 * p)
        for s_out, s, d, k, s_in, p in zip(first.shape[2:], stride, dilation, kernel, x.ones.shape[2:], padding)
    ]
    pads = []
    for p, e in zip(reversed(padding), reversed(extra)):
        pads += [p, p + e]
    o = torch.nn.functional.pad(o, pads)
    o = torch.ops.aten.convolution.default(o, weight, None, stride, [0] * n, dilation, False, [0] * n, 1)
    o = o[(slice(None), slice(None), *(slice(0, s) for s in first.shape[2:]))]
    return (o.reshape(first.shape), None)


def _same(function, value, varies, args, kwargs):
    """Operations that only move numbers, or add non-negative multiples of them."""

    def read(p):
        if not p.value.is_floating_point() and not p.varies:
            return p.value
        return _side(p, varies)

    args = _each(args, read)
    kwargs = {k: v for k, v in _each(kwargs, read).items() if k not in ("dtype",)}
    return function(*args, **kwargs)


def _first(function, value, varies, args, kwargs):
    return args[0].ones


def _reduced(function, value, varies, args, kwargs):
    x = args[0]
    dim = args[1] if len(args) > 1 else list(range(x.ones.ndim))
    keep = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    if isinstance(dim, int):
        dim = [dim]
    o = x.ones.sum(dim, keepdim=keep)
    return o if isinstance(value, Tensor) else tuple(o for _ in value)


def _pad(function, value, varies, args, kwargs):
    return torch.ops.aten.constant_pad_nd.default(args[0].ones, args[1], 0)


def _embedding(function, value, varies, args, kwargs):
    weight, index = args[:2]
    apart = (weight.value != weight.value[:1]).any(0).float()
    # every row that is not zero can be looked up
    return index.ones[..., None] * apart * (weight.ones.sum(0) if True else 1)


def _whole(function, value, varies, args, kwargs):
    parts = [
        p
        for p in torch.utils._pytree.tree_leaves((args, kwargs), is_leaf=lambda x: isinstance(x, _Pattern))
        if isinstance(p, _Pattern)
    ]
    total = sum(_side(p, varies).sum() for p in parts)
    one = lambda v: total.expand(v.shape) if isinstance(v, Tensor) else None
    return one(value) if isinstance(value, Tensor) else tuple(one(v) for v in value)


_MOVES = [
    "alias",
    "clone",
    "view",
    "_unsafe_view",
    "reshape",
    "permute",
    "transpose",
    "t",
    "expand",
    "slice",
    "select",
    "squeeze",
    "unsqueeze",
    "cat",
    "stack",
    "split",
    "split_with_sizes",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "unbind",
    "index",
    "gather",
    "roll",
    "flip",
    "repeat",
    "contiguous",
    "copy",
    "slice_scatter",
    "select_scatter",
    "pixel_shuffle",
    "channel_shuffle",
    "native_channel_shuffle",
    "as_strided",
    "detach",
    "lift_fresh_copy",
    "unfold",
    "upsample_nearest2d",
    "upsample_bilinear2d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d",
    "adaptive_avg_pool1d",
    "diagonal",
    "tril",
    "triu",
    "cumsum",
    "index_select",
    "movedim",
    "narrow",
    "im2col",
]
_RULES = {getattr(_aten, name): _same for name in _MOVES if hasattr(_aten, name)}
_RULES |= {
    _aten.mul: _product,
    _aten.mul_: _product,
    _aten.div: _quotient,
    _aten.div_: _quotient,
    _aten.where: _where,
    _aten.mm: _matmul,
    _aten.bmm: _matmul,
    _aten.matmul: _matmul,
    _aten.mv: _matmul,
    _aten.dot: _matmul,
    _aten.addmm: _addmm,
    _aten.baddbmm: _addmm,
    _aten.convolution: _convolution,
    _aten.native_batch_norm: _batch_norm,
    _aten._native_batch_norm_legit_no_training: _batch_norm,
    _aten.native_layer_norm: _layer_norm,
    _aten.native_group_norm: _group_norm,
    _aten._softmax: _softmax,
    _aten._safe_softmax: _softmax,
    _aten._log_softmax: _softmax,
    _aten.max_pool2d_with_indices: _max_pool,
    _aten.max_pool3d_with_indices: _max_pool,
    _aten.mean: _reduced,
    _aten.sum: _reduced,
    _aten.amax: _reduced,
    _aten.amin: _reduced,
    _aten.max: _reduced,
    _aten.min: _reduced,
    _aten.var: _reduced,
    _aten.norm: _reduced,
    _aten.linalg_vector_norm: _reduced,
    _aten.constant_pad_nd: _pad,
    _aten.embedding: _embedding,
    _aten._to_copy: _first,
    _aten.masked_fill: _first,
}
