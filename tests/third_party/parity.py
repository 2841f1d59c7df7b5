"""Token data and a token network of a third party: the next of two tokens, which take turns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pruneexp.data.dataset import Dataset
from pruneexp.data.tensors import tensor_dataset


def turns(window: int) -> Dataset:
    starts = torch.arange(64) % 2
    tokens = (starts[:, None] + torch.arange(window + 1)) % 2
    train, val, test = (
        (tokens[part, :-1].clone(), tokens[part, 1:].clone()) for part in (slice(32), slice(32, 48), slice(48, 64))
    )
    return tensor_dataset("turns", train, val, test, classes=2)


class Table(nn.Module):
    """What follows depends on the token alone."""

    def __init__(self, alphabet: int) -> None:
        super().__init__()
        self.rows, self.head = nn.Embedding(alphabet, 4), nn.Linear(4, alphabet)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.rows(tokens))
        return logits
