"""Streams of random numbers: stable, separate, and invisible to everything else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.training import seeding

PARTS = st.lists(st.one_of(st.integers(-3, 30), st.text("01ab:", max_size=4)), max_size=4)


def test_derived_seeds_never_change() -> None:
    assert seeding.derive(0, "order", 1) == 7785294797530593775
    assert seeding.derive(1) == 708564395692080478


@given(st.tuples(st.integers(0, 5), PARTS), st.tuples(st.integers(0, 5), PARTS))
def test_different_purposes_have_different_seeds(
    a: tuple[int, list[int | str]], b: tuple[int, list[int | str]]
) -> None:
    assert (seeding.derive(a[0], *a[1]) == seeding.derive(b[0], *b[1])) == (a == b)
    assert 0 <= seeding.derive(a[0], *a[1]) < 2**63


def test_generators_of_one_purpose_agree() -> None:
    first, again, other = (seeding.generator(7, "order", e) for e in (0, 0, 1))
    assert torch.equal(torch.randperm(50, generator=first), torch.randperm(50, generator=again))
    assert not torch.equal(
        torch.randperm(50, generator=seeding.generator(7, "order", 0)), torch.randperm(50, generator=other)
    )


def test_a_stream_does_not_depend_on_what_was_drawn_before() -> None:
    with seeding.stream(3, "init"):
        first = torch.nn.Linear(4, 4).weight
    torch.rand(17)
    with seeding.stream(3, "init"):
        again = torch.nn.Linear(4, 4).weight
    assert torch.equal(first, again)


def break_inside_a_stream() -> None:
    with seeding.stream(3, "init"):
        torch.rand(5)
        raise KeyError


def test_a_stream_leaves_the_global_state_alone_even_when_it_breaks() -> None:
    before = torch.get_rng_state()
    with pytest.raises(KeyError):
        break_inside_a_stream()
    assert torch.equal(torch.get_rng_state(), before)


def test_global_states_go_back_and_forth() -> None:
    with seeding.stream(5, "x"):
        states = seeding.global_states("cpu")
        drawn = torch.rand(3)
        seeding.set_global_states("cpu", states)
        assert torch.equal(torch.rand(3), drawn)
