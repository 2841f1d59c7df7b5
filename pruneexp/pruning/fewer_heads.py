"""Attention with fewer heads than it was made with, each as wide as before; knows neither masks nor scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class FewerHeads(nn.MultiheadAttention):
    """What torch's module becomes once heads are gone, as that wants heads that fill the width of its inputs.

    It gives no weights of attention, and takes masks of inputs, or of pairs of them, but none that differ by head.
    """

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        given = [each if self.batch_first else each.transpose(0, 1) for each in (query, key, value)]
        separate = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        weights = separate if self.in_proj_weight is None else self.in_proj_weight.chunk(3)
        biases = [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        rows = [functional.linear(*each) for each in zip(given, weights, biases, strict=True)]
        q, k, v = (each.unflatten(-1, (self.num_heads, self.head_dim)).transpose(-3, -2) for each in rows)
        padding = None if key_padding_mask is None else _added(key_padding_mask, query)[:, None, None]
        pairs = None if attn_mask is None else _added(attn_mask, query)
        mask = pairs if padding is None else padding if pairs is None else padding + pairs
        dropped = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropped)
        outputs = self.out_proj(attended.transpose(-3, -2).flatten(-2))
        return outputs if self.batch_first else outputs.transpose(0, 1), None


def _added(mask: Tensor, like: Tensor) -> Tensor:
    """A mask as numbers that are added to scores: true is where there is no attention."""
    if mask.dtype is not torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, -torch.inf)


def tell_heads(module: nn.Module) -> None:
    """Make the number of heads that a module keeps that of its weights, in place.

    Known are torch's attention, which becomes ``FewerHeads``, and modules that keep ``num_heads`` and ``head_dim`` and
    have a layer ``proj`` behind their heads, as timm's do. Others must follow the sizes of their weights by themselves.
    """
    if isinstance(module, nn.MultiheadAttention):
        left = module.out_proj.weight.shape[1] // module.head_dim
        if left != module.num_heads:
            module.__class__ = FewerHeads  # in place, as several names can be those of one module
            module.num_heads, module._qkv_same_embed_dim = left, False  # noqa: SLF001  else torch's layers go around it
        return
    head, behind = getattr(module, "head_dim", None), getattr(module, "proj", None)
    if isinstance(head, int) and isinstance(behind, nn.Linear):
        width = behind.weight.shape[1]
        for name, size in (("num_heads", width // head), ("attn_dim", width)):
            if hasattr(module, name):
                setattr(module, name, size)
