"""What every criterion must do. A plug-in's test inherits ``CriterionContract`` and gives ``criterion()``."""

from __future__ import annotations

import torch
from torch import Tensor

from pruneexp.pruning.select import Criterion


def some_weights() -> dict[str, Tensor]:
    """A convolution and a linear layer, with zeros and repeated values among their weights."""
    noise = torch.Generator().manual_seed(1)
    conv, linear = torch.randn(4, 3, 3, 3, generator=noise), torch.randn(5, 7, generator=noise)
    linear[0] = 0.0
    conv[1] = conv[0]
    return {"conv": conv, "deep.linear": linear}


class CriterionContract:
    def criterion(self) -> Criterion:
        raise NotImplementedError

    def scores(self, weights: dict[str, Tensor], seed: int = 3) -> dict[str, Tensor]:
        return self.criterion()(weights, torch.Generator().manual_seed(seed))

    def test_one_score_per_weight_under_the_same_names(self) -> None:
        weights = some_weights()
        assert {n: s.shape for n, s in self.scores(weights).items()} == {n: w.shape for n, w in weights.items()}

    def test_scores_are_comparable_floats(self) -> None:
        for score in self.scores(some_weights()).values():
            assert score.is_floating_point()
            assert not score.isnan().any()

    def test_same_generator_same_scores(self) -> None:
        first, second = self.scores(some_weights()), self.scores(some_weights())
        assert all(torch.equal(first[name], second[name]) for name in first)

    def test_weights_and_global_generator_are_left_alone(self) -> None:
        weights, state = some_weights(), torch.get_rng_state()
        self.scores(weights)
        assert all(torch.equal(weights[name], weight) for name, weight in some_weights().items())
        assert torch.equal(torch.get_rng_state(), state)

    def test_scores_carry_no_gradient_and_no_alias(self) -> None:
        weights = {name: weight.requires_grad_() for name, weight in some_weights().items()}
        for name, score in self.scores(weights).items():
            assert not score.requires_grad
            assert score.data_ptr() != weights[name].data_ptr()

    def test_half_precision_weights(self) -> None:
        weights = {name: weight.bfloat16() for name, weight in some_weights().items()}
        assert not any(score.isnan().any() for score in self.scores(weights).values())
