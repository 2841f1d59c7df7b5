"""A recurrent language model: an embedding, LSTM layers and one linear layer; knows nothing of training or pruning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pruneexp.models.ranges import at_least, drop_rate, tokens_only


class LanguageLSTM(nn.Module):
    """LSTM layers (Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000) over embedded tokens.

    Takes tokens (B, T), int64 below ``tokens``; gives the logits (B, T, tokens) of the token after each, from a state
    of zeros at the first. Dropout lies on the embedding and on the outputs of each layer (Zaremba et al. 2014), not
    within the recurrence.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self, tokens: int = 97, embedding: int = 64, hidden: int = 192, layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        at_least("tokens", tokens, 2)
        for name, value in (("embedding", embedding), ("hidden", hidden), ("layers", layers)):
            at_least(name, value, 1)
        drop_rate("dropout", dropout)
        self.embedding = nn.Embedding(tokens, embedding)
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.LSTM(hidden if layer else embedding, hidden, batch_first=True) for layer in range(layers)
        )
        self.head = nn.Linear(hidden, tokens)
        self._remember()

    def forward(self, tokens: Tensor) -> Tensor:
        tokens_only(self, tokens)
        x = self.drop(self.embedding(tokens))
        for layer in self.layers:
            x = self.drop(layer(x)[0])
        logits: Tensor = self.head(x)
        return logits

    def _remember(self) -> None:
        """Set the bias of forget gates to 1, so that states last from the start (Jozefowicz et al. 2015, section 2)."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if "bias_ih" in name:
                    size = len(parameter) // 4
                    parameter[size : 2 * size] = 1.0  # torch's order: input, forget, cell, output
