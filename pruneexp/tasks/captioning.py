"""Captions of images: the words of each sentence in turn; cross-entropy, perplexity, and BLEU of greedy captions.

BLEU (Papineni et al. 2002) is that of the library torchmetrics, which is an extra, over all images of a split at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pruneexp.errors import UserError
from pruneexp.schema import Metric, Score
from pruneexp.tasks.task import Data, Forward, OutputForm, Split

#: Of n-grams up to 1, 2, 3 and 4 words, without smoothing; in percent.
BLEU = tuple(Metric(f"bleu_{words}", "%") for words in (1, 2, 3, 4))
PERPLEXITY = Metric("perplexity", direction="minimize")
END, NONE = 0, -1
TAUGHT, REFERENCES = 0, 1
_AT_ONCE = 32  # images whose logits are in memory together while a network is scored


@dataclass(frozen=True)
class Captioning:
    """Inputs are features of images, float32 (B, F); targets are their sentences as words, int64 (B, 2, S, L).

    Of the two, the first are the sentences that are taught: words from 1 on below ``data.classes``, then 0, which ends
    them. The second are those that captions are compared with, without an end; they may hold other words. What is no
    word holds -1, and so does a sentence that an image lacks.

    Networks give captions of ``words`` words, (B, 2, words): the words, of which those from the first 0 on do not
    count, and the logarithms of their probabilities. Of taught sentences (B, S, L) as well they give the logits of each
    word, (B, S, L, classes), from the image and the words before it.

    Raises:
        ValueError: ``words`` is below 1.
    """

    words: int = 20

    name: ClassVar[str] = "captioning"
    metrics: ClassVar[tuple[Metric, ...]] = (BLEU[3], *BLEU[:3], PERPLEXITY)
    examples: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        if self.words < 1:
            raise ValueError(f"words is {self.words}; 1 or more is allowed")

    def check(self, data: Data) -> None:
        """Each split has a sentence or more for each of its images, of known words.

        Raises:
            UserError: says what the data set has in place of that, or that torchmetrics is missing.
        """
        if find_spec("torchmetrics") is None:
            raise UserError("BLEU needs the library torchmetrics, which is missing: pip install 'pruneexp[captions]'")
        if data.classes is None or data.classes < 2:
            raise UserError(f"data set '{data.name}' has {data.classes or 0} words; 2 or more are needed")
        for split, source in (("train", data.train), ("val", data.val), ("test", data.test)):
            _check_sentences(source, data.classes, f"the {split} split of data set '{data.name}'")

    def example(
        self, data: Data, shape: tuple[int, ...], count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Noise, and as many sentences of words drawn evenly, each of the full length."""
        of_train = _sentences(data.train)
        form = (2, 1, 1) if of_train is None else of_train.shape[1:]
        targets = torch.randint(1, data.classes or 2, (count, *form), generator=generator)
        targets[:, TAUGHT, :, -1] = END
        return torch.randn(count, *shape, generator=generator), targets

    def output(self, data: Data, shape: tuple[int, ...]) -> OutputForm:
        return OutputForm((2, self.words), "the words of a caption, and the logarithm of the probability of each")

    def loss(
        self, network: Forward, inputs: Tensor, targets: Tensor, *, smoothing: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy per word, ends included, and no captions: a network makes none where it learns."""
        taught = targets[:, TAUGHT]
        logits = network(inputs, taught).flatten(0, 2)
        loss = cross_entropy(logits, taught.flatten(), ignore_index=NONE, label_smoothing=smoothing)
        return loss, inputs.new_full((len(inputs), 2, self.words), NONE)

    def answers(self, network: Forward, inputs: Tensor, targets: Tensor) -> Tensor:
        """The words of each caption, and the summed cross-entropy of the taught sentences: (B, words + 1)."""
        parts = zip(inputs.split(_AT_ONCE), targets[:, TAUGHT].split(_AT_ONCE), strict=True)
        return torch.cat([_answered(network, *part) for part in parts])

    def meter(self) -> CaptionMeter:
        return CaptionMeter()


class CaptionMeter:
    """Mean cross-entropy in nats per word, ends included, its exponential, and BLEU in percent.

    An image of which an answer is not a number has none: the score has the number of such images, its loss is not a
    number, its perplexity infinite, and its BLEU 0.
    """

    def __init__(self) -> None:
        self._answers: list[Tensor] = []
        self._targets: list[Tensor] = []

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        self._answers.append(outputs)
        self._targets.append(targets)

    def compute(self) -> Score:
        answers = torch.cat(self._answers).cpu()
        targets = torch.cat(self._targets).cpu()
        undefined = int(answers.isnan().any(1).sum())
        if undefined:
            wrong = {metric.name: 0.0 for metric in BLEU} | {PERPLEXITY.name: math.inf}
            return Score(loss=math.nan, metrics=wrong, undefined=undefined, images=len(targets))
        loss = float(answers[:, -1].double().sum()) / int((targets[:, TAUGHT] != NONE).sum())
        made = [_text(caption, END) for caption in answers[:, :-1].long().tolist()]
        wanted = [
            [_text(sentence, NONE) for sentence in sentences if sentence[0] != NONE]
            for sentences in targets[:, REFERENCES].tolist()
        ]
        perplexity = float(torch.tensor(loss, dtype=torch.float64).exp())  # infinite where there is no such number
        return Score(loss=loss, metrics=_bleu(made, wanted) | {PERPLEXITY.name: perplexity})


def _answered(network: Forward, inputs: Tensor, taught: Tensor) -> Tensor:
    words, chances = network(inputs).unbind(1)
    logits = network(inputs, taught)
    losses = cross_entropy(logits.flatten(0, 2).float(), taught.flatten(), ignore_index=NONE, reduction="none")
    summed = losses.view(len(inputs), -1).sum(1) + 0 * chances.sum(1)  # not a number where a chance is none
    return torch.cat([words.float(), summed[:, None]], 1)


def _text(words: list[int], last: int) -> str:
    """The numbers of words before the first ``last``, as the text that torchmetrics splits at its spaces."""
    length = words.index(last) if last in words else len(words)
    return " ".join(map(str, words[:length]))


def _bleu(captions: list[str], references: list[list[str]]) -> dict[str, float]:
    from torchmetrics.functional.text import bleu_score  # here, because it takes seconds to load

    score = partial(bleu_score, captions, references)
    return {metric.name: 100 * float(score(n_gram=n)) for n, metric in enumerate(BLEU, 1)}


def _sentences(source: Split) -> Tensor | None:
    targets = getattr(source, "targets", None)
    return targets if isinstance(targets, Tensor) and targets.ndim == 4 else None


def _check_sentences(source: Split, classes: int, where: str) -> None:
    targets = _sentences(source)
    if targets is None or targets.dtype != torch.int64 or targets.shape[:2] != (len(source), 2):
        raise UserError(
            f"{where} has no sentences, which captions are learned from: targets of int64 ({len(source)}, 2, "
            "sentences, words)"
        )
    if len(source) == 0:
        raise UserError(f"{where} is empty; it needs at least one image")
    lacking = (targets[..., 0] == NONE).all(-1).any(-1)
    if lacking.any():
        raise UserError(f"{where} has no sentence for its image {int(lacking.nonzero()[0])} (the first is 0)")
    if (most := int(targets[:, TAUGHT].max())) >= classes:
        raise UserError(f"{where} teaches word {most}; {classes} words allow 0 to {classes - 1}")
