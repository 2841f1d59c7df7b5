"""Which operations depend on which group, on tapes written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from pruneexp.sensitivity.tape import Dependence, Op, claims, last_uses


def op(reads: str, gives: str = "", writes: str = "") -> Op:
    """An operation on storages named by letters."""
    return Op(*(frozenset(map(ord, letters)) for letters in (reads, writes, gives)))


def followed(ops: Sequence[Op], sources: Mapping[str, set[int]]) -> list[tuple[set[int], dict[str, set[int]]]]:
    """The groups of each operation, and its frontier."""
    dependence = Dependence({ord(letter): frozenset(groups) for letter, groups in sources.items()})
    found = []
    for each in ops:
        frontier = {chr(storage): set(groups) for storage, groups in dependence.frontier(each.reads).items()}
        found.append((set(dependence.follow(each)), frontier))
    return found


def letters(storages: Sequence[frozenset[int]]) -> list[str]:
    return ["".join(sorted(map(chr, some))) for some in storages]


def test_a_chain() -> None:
    ops = [op("xu", "a"), op("a", "a", "a"), op("av", "b"), op("b", "c")]  # layer u, relu_, layer v, pooling
    assert followed(ops, {"u": {0}, "v": {1}}) == [
        ({0}, {"x": {0}}), ({0}, {}), ({0, 1}, {"a": {1}, "v": {0}}), ({0, 1}, {}),
    ]  # fmt: skip


def test_what_no_group_decides_is_no_part() -> None:
    assert followed([op("x", "a"), op("y", "y", "y")], {"w": {0}}) == [(set(), {}), (set(), {})]


def test_a_residual_block_takes_its_input_twice() -> None:
    ops = [op("xu", "a"), op("av", "b"), op("bx", "b", "b")]  # out += identity
    assert followed(ops, {"u": {0}, "v": {1}})[2] == ({0, 1}, {"x": {0, 1}})


def test_memory_that_was_written_to_depends_from_then_on() -> None:
    ops = [op("xw", "a"), op("x", "v"), op("xa", "x", "x"), op("x", "b")]  # identity += out
    assert [groups for groups, _ in followed(ops, {"w": {0}})] == [{0}, set(), {0}, {0}]


def test_a_view_shares_the_fate_of_its_storage() -> None:
    ops = [op("b", "b"), op("ba", "b", "b"), op("b", "c")]  # a view of b, b[...] = a, a result of b
    assert [groups for groups, _ in followed(ops, {"a": {3}})] == [set(), {3}, {3}]


def test_one_storage_may_hold_the_weights_of_two_groups() -> None:
    assert followed([op("xw", "a")], {"w": {0, 1}}) == [({0, 1}, {"x": {0, 1}})]


@pytest.mark.parametrize(
    ("ops", "found"),
    [
        ([op("xw", "a"), op("ax", "a", "a")], ["", ""]),  # out += identity: memory of its own
        ([op("xw", "a"), op("xa", "x", "x")], ["", "x"]),  # identity += out
        ([op("xw", "a"), op("xa", "x", "x"), op("xa", "x", "x")], ["", "x", ""]),  # its own by then
        ([op("xw", "x")], ["x"]),  # a view of something from outside
        ([op("w", "w")], [""]),  # a view of the weights
    ],
)
def test_inputs_that_are_to_be_copied(ops: list[Op], found: list[str]) -> None:
    assert letters(claims(ops, [ord("w")])) == found


def test_memory_is_let_go_of_after_its_last_use() -> None:
    ops = [op("xw", "a"), op("a", "b"), op("ab", "c"), op("c", "y")]
    assert letters(last_uses(ops, ord("y"))) == ["wx", "", "ab", "c"]


def test_a_result_without_a_reader_is_freed_at_once() -> None:
    assert letters(last_uses([op("xw", "ab"), op("a", "y")], ord("y"))) == ["bwx", "a"]


def test_the_output_is_never_let_go_of() -> None:
    assert letters(last_uses([op("xw", "y"), op("y", "a")], ord("y"))) == ["wx", "a"]
