"""The language models: their sizes by hand, no look at later tokens, and every parameter learns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pruneexp.models.lstm import LanguageLSTM
from pruneexp.models.transformer import LanguageTransformer, TransformerBlock
from pruneexp.tasks.language_model import LanguageModel


def lstm() -> nn.Module:
    return LanguageLSTM(tokens=11, embedding=4, hidden=6, layers=2)


def transformer() -> nn.Module:
    return LanguageTransformer(tokens=11, window=8, width=12, heads=3, layers=2)


BUILDS = pytest.mark.parametrize("build", [lstm, transformer])


def seeded(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def windows(count: int = 3, length: int = 8) -> Tensor:
    return torch.randint(11, (count, length), generator=torch.Generator().manual_seed(1))


@BUILDS
def test_gives_the_logits_of_the_next_token_at_each_place(build: Callable[[], nn.Module]) -> None:
    assert seeded(build)(windows()).shape == (3, 8, 11)
    assert seeded(build)(windows(length=5)).shape == (3, 5, 11)


@BUILDS
def test_no_place_sees_what_follows_it(build: Callable[[], nn.Module]) -> None:
    network, tokens = seeded(build).eval(), windows(1)
    for place in range(8):
        other = tokens.clone()
        other[0, place] = (other[0, place] + 1) % 11
        with torch.no_grad():
            change = (network(tokens) - network(other)).abs().amax(2)[0]
        assert torch.allclose(change[:place], torch.zeros(place), atol=1e-6)
        assert bool((change[place:] > 1e-6).all())


@BUILDS
def test_every_parameter_learns(build: Callable[[], nn.Module]) -> None:
    network, tokens = seeded(build), windows()
    LanguageModel().loss(network, tokens, tokens)[0].backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@BUILDS
def test_a_seed_decides_the_initial_weights(build: Callable[[], nn.Module]) -> None:
    one, again, other = (seeded(build, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(weight, again[name]) for name, weight in one.items())
    assert not all(torch.equal(weight, other[name]) for name, weight in one.items())


@BUILDS
def test_images_are_refused(build: Callable[[], nn.Module]) -> None:
    with pytest.raises(
        ValueError, match=r"takes windows of tokens, int64 \(B, T\), and these inputs are torch\.float32"
    ):
        seeded(build)(torch.zeros(2, 1, 8, 8))


def test_sizes_of_the_lstm() -> None:
    """Four gates of each layer, from inputs and from states, with torch's two biases."""
    sizes = {name: parameter.numel() for name, parameter in lstm().named_parameters()}
    assert sizes["embedding.weight"] == 11 * 4
    assert [sizes[f"layers.0.{name}_l0"] for name in ("weight_ih", "weight_hh")] == [4 * 6 * 4, 4 * 6 * 6]
    assert [sizes[f"layers.1.{name}_l0"] for name in ("weight_ih", "weight_hh")] == [4 * 6 * 6, 4 * 6 * 6]
    assert sizes["head.weight"] == 6 * 11


def test_forget_gates_start_open() -> None:
    """The sum of torch's two biases of a forget gate is 1, give or take what torch draws for one of them."""
    for layer in LanguageLSTM(hidden=6).layers:
        assert bool((layer.get_parameter("bias_ih_l0")[6:12] == 1).all())


def test_sizes_of_the_transformer() -> None:
    sizes = {name: parameter.numel() for name, parameter in transformer().named_parameters() if parameter.ndim == 2}
    block = [12 * 36, 12 * 12, 12 * 48, 48 * 12]
    assert list(sizes.values()) == [11 * 12, 8 * 12, *block, *block, 12 * 11]


def test_attention_by_hand() -> None:
    """With equal keys each place averages the values up to itself."""
    network = LanguageTransformer(tokens=3, window=4, width=2, heads=1, layers=1)
    block = network.blocks[0]
    assert isinstance(block, TransformerBlock)
    with torch.no_grad():
        block.attend.weight.zero_()
        block.attend.weight[4:] = torch.eye(2)
    values = torch.tensor([[[2.0, 0.0], [4.0, 2.0], [0.0, 1.0]]])
    found = block._attention(values)
    assert torch.allclose(found, torch.tensor([[[2.0, 0.0], [3.0, 1.0], [2.0, 1.0]]]))


def test_a_window_longer_than_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 9 tokens is longer than the 8"):
        transformer()(windows(length=9))


@pytest.mark.parametrize(
    ("build", "arguments", "named"),
    [
        (LanguageLSTM, {"tokens": 1}, "tokens is 1"),
        (LanguageLSTM, {"hidden": 0}, "hidden is 0"),
        (LanguageLSTM, {"dropout": 1.0}, "dropout is 1.0"),
        (LanguageTransformer, {"width": 10, "heads": 4}, "heads is 4, must divide the width 10"),
        (LanguageTransformer, {"window": 0}, "window is 0"),
    ],
)
def test_arguments_out_of_range(build: Callable[..., nn.Module], arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        build(**arguments)
