"""NeuralTalk's caption generator: an image, then words, read by one LSTM; knows nothing of training or pruning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from pruneexp.models.ranges import at_least, drop_rate

_FIRST = 0.1  # weights start evenly within -0.1 and 0.1, as in NeuralTalk


class NeuralTalk(nn.Module):
    """The LSTM generator of NeuralTalk (its code, imagernn/lstm_generator.py), after Vinyals et al. 2015.

    The embedded image is the first input of the LSTM, then come the embedded words, the first of which is word 0 in
    place of a start. Dropout lies on the inputs of the LSTM and on its states. Other than there, a state is the output
    gate times the *hyperbolic tangent* of the cell, as torch has it, and all biases start at 0, those of words too.

    Takes features (B, ``features``), and gives the greedy caption of ``words`` words and the logarithms of their
    probabilities, (B, 2, words); it goes on after word 0, the end. With sentences as well, int64 (B, S, L), it gives
    the logits of each of their words, (B, S, L, tokens); a word below 0 is none, and stands at the end.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        tokens: int = 2538,
        features: int = 4096,
        embedding: int = 256,
        hidden: int = 256,
        words: int = 20,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        at_least("tokens", tokens, 2)
        for name, value in (("features", features), ("embedding", embedding), ("hidden", hidden), ("words", words)):
            at_least(name, value, 1)
        drop_rate("dropout", dropout)
        self.words = words
        self.image = nn.Linear(features, embedding)
        self.embedding = nn.Embedding(tokens, embedding)
        self.drop_inputs, self.drop_states = nn.Dropout(dropout), nn.Dropout(dropout)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.head = nn.Linear(hidden, tokens)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -_FIRST, _FIRST) if parameter.ndim > 1 else nn.init.zeros_(parameter)

    def forward(self, features: Tensor, sentences: Tensor | None = None) -> Tensor:
        if features.ndim != 2 or not features.is_floating_point():
            raise ValueError(
                f"NeuralTalk takes features of images, float (B, {self.image.in_features}), and these inputs are "
                f"{features.dtype} of shape {tuple(features.shape)}"
            )
        image = self.image(features)[:, None]
        return self._caption(image) if sentences is None else self._logits(image, sentences)

    def _logits(self, image: Tensor, sentences: Tensor) -> Tensor:
        count, each, _ = sentences.shape
        before = pad(sentences[..., :-1], (1, 0)).clamp(min=0)
        inputs = torch.cat([image[:, None].expand(-1, each, -1, -1), self.embedding(before)], 2)
        states, _ = self.lstm(self.drop_inputs(inputs.flatten(0, 1)))
        words = states[:, 1:]  # the state of the image predicts nothing
        logits: Tensor = self.head(self.drop_states(words)).unflatten(0, (count, each))
        return logits

    def _caption(self, image: Tensor) -> Tensor:
        """No word is dropped here, for networks make captions in evaluation alone."""
        _, state = self.lstm(self.drop_inputs(image))
        word = torch.zeros(len(image), dtype=torch.int64, device=image.device)
        said = []
        for _ in range(self.words):
            output, state = self.lstm(self.embedding(word)[:, None], state)
            chance, word = self.head(self.drop_states(output[:, 0])).log_softmax(1).max(1)
            said.append(torch.stack([word.to(chance), chance], 1))
        return torch.stack(said, 2)
