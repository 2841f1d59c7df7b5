"""Intervals of the change of accuracy, against distributions worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pruneexp.sensitivity import bootstrap
from pruneexp.sensitivity.bootstrap import intervals


def right(*rows: str) -> Tensor:
    """One group; per level a word of 1 (right) and 0."""
    return torch.tensor([[[letter == "1" for letter in row] for row in rows]])


def test_what_never_changes_has_no_width() -> None:
    low, high = intervals(right("1100", "0000"), right("1100")[0, 0], seed=0)
    assert (low[0, 0].item(), high[0, 0].item()) == (0.0, 0.0)
    assert intervals(right("0000"), right("1111")[0, 0], seed=0)[1].tolist() == [[-100.0]]


@pytest.mark.parametrize(("confidence", "bounds"), [(0.95, (-100.0, 0.0)), (0.4, (-50.0, -50.0))])
def test_two_images_by_hand(confidence: float, bounds: tuple[float, float]) -> None:
    """One of two is lost: a resample loses 0, 1 or 2 of 2 with probabilities 1/4, 1/2, 1/4."""
    low, high = intervals(right("10"), right("11")[0, 0], seed=0, confidence=confidence)
    assert (low.item(), high.item()) == bounds


def test_normal_approximation() -> None:
    """400 images, 40 lost and 20 won: mean -5 points, standard error 100 * sqrt((0.15 - 0.05 ** 2) / 400) = 1.92."""
    dense = torch.tensor([True] * 200 + [False] * 200)
    pruned = dense.clone()
    pruned[:40], pruned[380:] = False, True
    low, high = intervals(pruned.expand(1, 1, -1), dense, seed=1, resamples=4000)
    assert low.item() == pytest.approx(-5 - 1.96 * 1.92, abs=0.3)
    assert high.item() == pytest.approx(-5 + 1.96 * 1.92, abs=0.3)


def test_the_same_images_are_drawn_for_every_network() -> None:
    twice = right("100110", "100110").expand(3, 2, 6)
    low, high = intervals(twice, right("111111")[0, 0], seed=4)
    assert low.shape == high.shape == (3, 2)
    assert low.unique().numel() == high.unique().numel() == 1


def test_only_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    some, dense = torch.rand(1, 2, 30, generator=torch.Generator().manual_seed(0)) < 0.7, torch.ones(30).bool()
    state = torch.get_rng_state()
    whole = intervals(some, dense, seed=3, resamples=50)
    other = intervals(some, dense, seed=4, resamples=50)
    monkeypatch.setattr(bootstrap, "_BYTES", 8 * 30 * 7)  # seven resamples at a time
    parts = intervals(some, dense, seed=3, resamples=50)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert not torch.equal(torch.stack(whole), torch.stack(other))


@pytest.mark.parametrize(
    ("shape", "images", "resamples", "confidence"),
    [((1, 1, 3), 2, 10, 0.9), ((1, 3), 3, 10, 0.9), ((1, 1, 0), 0, 10, 0.9), ((1, 1, 3), 3, 0, 0.9),
     ((1, 1, 3), 3, 10, 1.0)],
)  # fmt: skip
def test_refusals(shape: tuple[int, ...], images: int, resamples: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="allowed are"):
        intervals(torch.ones(shape), torch.ones(images), seed=0, resamples=resamples, confidence=confidence)


def relative(dense: Tensor, after: Tensor) -> Tensor:
    return 100 * (after - dense) / dense


def test_the_change_of_a_mean_by_hand() -> None:
    """A resample of two draws the first, both or the second: means of 1, 2 and 3, against 2 throughout."""
    low, high = intervals(torch.tensor([[[1.0, 3.0]]]), torch.tensor([2.0, 2.0]), relative, seed=0)
    assert (low.item(), high.item()) == (-50.0, 50.0)
    low, high = intervals(torch.tensor([[[1.0, 3.0]]]), torch.tensor([2.0, 2.0]), relative, seed=0, confidence=0.4)
    assert (low.item(), high.item()) == (0.0, 0.0)


def test_numbers_are_resampled_as_answers_are() -> None:
    """Of numbers that are 0 and 1, the change of the mean is that of the share, drawn alike."""
    some, dense = torch.rand(2, 3, 40, generator=torch.Generator().manual_seed(0)) < 0.7, torch.arange(40) % 3 > 0
    shares = intervals(some, dense, seed=5)
    means = intervals(some.float(), dense.float(), lambda before, after: 100 * (after - before), seed=5)
    assert all(torch.allclose(one, other) for one, other in zip(shares, means, strict=True))


def test_a_perplexity_changes_with_the_exponential_of_the_mean() -> None:
    """Losses that are all one larger: every resample multiplies the perplexity by e."""
    dense = torch.rand(30, generator=torch.Generator().manual_seed(1))
    low, high = intervals((dense + 1).expand(1, 1, -1), dense, lambda a, b: relative(a.exp(), b.exp()), seed=2)
    assert low.item() == pytest.approx(100 * (2.718281828 - 1), rel=1e-6)
    assert high.item() == pytest.approx(low.item(), rel=1e-6)
