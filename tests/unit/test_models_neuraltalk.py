"""NeuralTalk: its captions against its logits, its sizes by hand, a pass as a graph, and dropout."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pruneexp.cost.flops import by_layer, dense_flop
from pruneexp.models.neuraltalk import NeuralTalk
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.liveness import liveness
from pruneexp.tracing.graphs import tensors_of
from pruneexp.training.dropout import Scaled, calls_of, rates
from tests.contracts.tracing import traced_by


def network(dropout: float = 0.5, spread: float = 20.0) -> NeuralTalk:
    """A small one; its weights are so far apart that captions differ."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = NeuralTalk(tokens=11, features=7, embedding=4, hidden=6, words=5, dropout=dropout)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.mul_(spread)
    return found.eval()


def features(count: int = 8) -> Tensor:
    return torch.randn(count, 7, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_a_caption_takes_the_likeliest_word_after_the_words_before_it() -> None:
    """Its words, given as a sentence, are the largest logits of themselves."""
    words, chances = network()(features()).unbind(1)
    assert len({tuple(each) for each in words.tolist()}) > 3
    logits = network()(features(), words.long()[:, None])[:, 0]
    torch.testing.assert_close(logits.log_softmax(-1).max(-1).values, chances)
    assert torch.equal(logits.argmax(-1), words.long())


@torch.no_grad()
def test_no_word_sees_what_follows_it_and_all_see_the_image() -> None:
    sentences = torch.randint(11, (1, 2, 5), generator=torch.Generator().manual_seed(1))
    logits, other = network()(features(1), sentences), sentences.clone()
    other[0, 0, 2] = (other[0, 0, 2] + 1) % 11
    change = (network()(features(1), other) - logits).abs().amax(-1)[0]
    assert (change > 1e-6).tolist() == [[False, False, False, True, True], [False] * 5]
    assert bool(((network()(features(2)[1:], sentences) - logits).abs().amax(-1) > 1e-6).all())


def test_sizes() -> None:
    """NeuralTalk's five matrices, with its sizes: We, Ws, both parts of WLSTM, and Wd."""
    sizes = {name: layer.weight.numel() for name, layer in prunable(NeuralTalk()).items()}
    gates = {"lstm.weight_ih_l0": 256 * 4 * 256, "lstm.weight_hh_l0": 256 * 4 * 256}
    assert sizes == {"image": 4096 * 256, "embedding": 2538 * 256, **gates, "head": 256 * 2538}


def test_a_pass_is_a_graph_of_one_caption() -> None:
    """A step of the LSTM for the image and five words, of which the first, the start, is the same for all images."""
    trace = traced_by(network(), (7,))
    found = by_layer(network(), dense_flop(trace))
    gates = {"lstm.weight_ih_l0": 5 * 2 * 4 * 24, "lstm.weight_hh_l0": 6 * 2 * 6 * 24}
    assert {name: flop for name, flop in found.items() if flop} == {"image": 2 * 7 * 4, **gates, "head": 5 * 2 * 6 * 11}
    assert liveness(trace, tensors_of(network()), {}).unfollowed == frozenset()


def test_dropout_is_scaled_by_the_layer_that_it_lies_on() -> None:
    """A network cut to a quarter drops half as much, also where it learns sentences."""
    calls = calls_of(network(), Scaled(), features())
    densities = {"image": 0.25, "lstm.weight_ih_l0": 0.25, "lstm.weight_hh_l0": 0.25}
    found = rates(network(), Scaled(), "retrain", densities, calls)
    assert found == {"drop_inputs": 0.25, "drop_states": 0.25}


def test_other_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features of images, float \(B, 7\), .* torch\.int64 of shape \(2, 7\)"):
        network()(torch.zeros(2, 7, dtype=torch.int64))


@pytest.mark.parametrize(
    ("argument", "said"),
    [({"tokens": 1}, "tokens is 1"), ({"words": 0}, "words is 0"), ({"dropout": 1.0}, "dropout is 1.0")],
)
def test_arguments_out_of_range(argument: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        NeuralTalk(**argument)
