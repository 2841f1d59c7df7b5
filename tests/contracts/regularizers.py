"""The promises of every penalty: a test class inherits ``PenaltyContract`` and makes its penalty."""

from __future__ import annotations

import torch
from torch import Tensor

from pruneexp.training.regularizers import Penalty


class PenaltyContract:
    """Conformance suite of ``Penalty``."""

    def penalty(self) -> Penalty:
        raise NotImplementedError

    @staticmethod
    def _weights() -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        return [torch.randn(shape, generator=generator) for shape in ((4, 3), (2, 3, 5, 5), (1, 7))]

    def test_changes_no_weight(self) -> None:
        weights = self._weights()
        self.penalty().add_gradient_(weights, [torch.zeros_like(weight) for weight in weights])
        assert all(torch.equal(a, b) for a, b in zip(weights, self._weights(), strict=True))

    def test_adds_to_what_is_there(self) -> None:
        weights = self._weights()
        pulls = [torch.zeros_like(weight) for weight in weights]
        gradients = [torch.ones_like(weight) for weight in weights]
        self.penalty().add_gradient_(weights, pulls)
        self.penalty().add_gradient_(weights, gradients)
        for pull, gradient in zip(pulls, gradients, strict=True):
            torch.testing.assert_close(gradient, 1 + pull)

    def test_pulls_no_zero_away_from_zero(self) -> None:
        weights = [torch.where(weight > 0, weight, 0.0) for weight in self._weights()]
        gradients = [torch.zeros_like(weight) for weight in weights]
        self.penalty().add_gradient_(weights, gradients)
        assert all(bool((g[w == 0] == 0).all()) for w, g in zip(weights, gradients, strict=True))

    def test_never_pushes_a_weight_outwards(self) -> None:
        weights = self._weights()
        gradients = [torch.zeros_like(weight) for weight in weights]
        self.penalty().add_gradient_(weights, gradients)
        assert all(bool((g * w >= 0).all()) for w, g in zip(weights, gradients, strict=True))

    def test_takes_no_weights_at_all(self) -> None:
        gradients: list[Tensor] = []
        self.penalty().add_gradient_([], gradients)
        assert gradients == []

    def test_equal_values_are_equal(self) -> None:
        assert self.penalty() == self.penalty()
        assert hash(self.penalty()) == hash(self.penalty())
