"""A decoder-only transformer for text: attention to earlier tokens alone; knows nothing of training or pruning."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from pruneexp.models.ranges import at_least, drop_rate, tokens_only


class LanguageTransformer(nn.Module):
    """Blocks of causal attention and a perceptron (Vaswani et al. 2017), each normalised first (Radford et al. 2019).

    Takes tokens (B, T), int64 below ``tokens``, T at most ``window``; gives the logits (B, T, tokens) of the token
    after each. Positions are embedded by a table of ``window`` rows. The perceptrons have four times the width, and
    ReLUs, so that some of their activations are zero. Weights that lead into the residual stream start
    ``sqrt(2 * layers)`` times smaller, as in GPT-2. Dropout lies on the embedding and on what each block adds.

    Raises:
        ValueError: an argument is out of its range, or ``heads`` do not divide ``width``.
    """

    def __init__(
        self,
        tokens: int = 97,
        window: int = 128,
        width: int = 96,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        at_least("tokens", tokens, 2)
        for name, value in (("window", window), ("width", width), ("heads", heads), ("layers", layers)):
            at_least(name, value, 1)
        drop_rate("dropout", dropout)
        if width % heads:
            raise ValueError(f"heads is {heads}, must divide the width {width}")
        self.window = window
        self.embedding = nn.Embedding(tokens, width)
        self.position = nn.Embedding(window, width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, tokens, bias=False)
        self._initialise(layers)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens_only(self, tokens)
        length = tokens.shape[1]
        if length > self.window:
            raise ValueError(f"a window of {length} tokens is longer than the {self.window} of this network")
        x = self.drop(self.embedding(tokens) + self.position.weight[:length])
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x))
        return logits

    def _initialise(self, layers: int) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            elif isinstance(module, nn.Linear):
                inward = name.endswith((".project", ".contract"))
                std = 1 / sqrt(module.in_features * (2 * layers if inward else 1))
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


class TransformerBlock(nn.Module):
    """Attention to this and earlier tokens, then a perceptron; each adds to its input: (B, T, width) in and out."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.head_width = width // heads  # how many heads there are is left to the sizes of the weights
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width, bias=False)
        self.project = nn.Linear(width, width, bias=False)
        self.expand = nn.Linear(width, 4 * width)
        self.relu = nn.ReLU()
        self.contract = nn.Linear(4 * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.project(self._attention(self.norm1(x))))
        changed: Tensor = x + self.drop(self.contract(self.relu(self.expand(self.norm2(x)))))
        return changed

    def _attention(self, x: Tensor) -> Tensor:
        count, length, _ = x.shape
        split = self.attend(x).view(count, length, 3, -1, self.head_width)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        heads = scaled_dot_product_attention(query, key, value, is_causal=True)
        return torch.reshape(heads.transpose(1, 2), (count, length, -1))
