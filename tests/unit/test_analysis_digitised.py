"""Curves of papers as read off their images: which stand beside which of ours."""

from __future__ import annotations

from analysis.statistics import digitised
from pruneexp.schema import TOP1, Metric


def test_bleu_of_captions_is_drawn_with_the_curves_of_the_thesis() -> None:
    printed = digitised.tradeoffs("neuraltalk", Metric("bleu_4", "%"), as_in_paper=False)
    assert printed is not None
    assert list(printed.curves) == ["prune, no retrain", "prune + retrain"]
    assert printed.curves["prune + retrain"][-1] == (95.0, -3.9)  # 11.8 against 15.7 dense
    assert digitised.tradeoffs("neuraltalk", Metric("perplexity", "", "minimize"), as_in_paper=False) is None


def test_accuracies_of_alexnet_are_drawn_with_the_papers_where_they_look_alike() -> None:
    printed = digitised.tradeoffs("alexnet", TOP1, as_in_paper=True)
    assert printed is not None
    assert (printed.title, printed.data, len(printed.curves)) == ("Han et al. 2015, Figure 5", "imagenet", 5)
    assert digitised.tradeoffs("alexnet", TOP1, as_in_paper=False) is None
