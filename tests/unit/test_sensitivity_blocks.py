"""Groups and batches that are recorded together fit in memory."""

from __future__ import annotations

import pytest

from pruneexp.sensitivity.blocks import BlockPlan, Holding, plan

# Three groups: each needs 10 bytes of its own on so few images, the last two share 5 more.
HELD = [Holding(frozenset({group}), 10) for group in range(3)] + [Holding(frozenset({1, 2}), 5)]


def planned(memory: int, times: float = 1.0, images: int = 1) -> BlockPlan:
    return plan(HELD, range(3), times=times, images=images, memory=memory)


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (108, BlockPlan(((0, 1, 2),), (), 3)),  # 35 bytes and one for the images: three batches
        (107, BlockPlan(((0, 1, 2),), (), 2)),
        (35, BlockPlan(((0, 1, 2),), (), 1)),
        (34, BlockPlan(((0, 1), (2,)), (), 1)),
        (25, BlockPlan(((0, 1), (2,)), (), 1)),
        (24, BlockPlan(((0,), (1,), (2,)), (), 1)),
        (14, BlockPlan(((0,),), (1, 2), 1)),
        (9, BlockPlan((), (0, 1, 2), 9)),
        (0, BlockPlan((), (0, 1, 2), 1)),
    ],
)
def test_turns_and_batches(memory: int, expected: BlockPlan) -> None:
    assert planned(memory) == expected


def test_a_batch_has_more_images_than_the_trial() -> None:
    assert planned(360, times=10) == BlockPlan(((0, 1, 2),), (), 1)
    assert planned(349, times=10) == BlockPlan(((0, 1), (2,)), (), 1)


def test_images_count_too() -> None:
    assert planned(108, images=73).batches == 1


def test_groups_that_hold_nothing_share_a_turn() -> None:
    assert plan([], range(2), times=1.0, images=4, memory=8) == BlockPlan(((0, 1),), (), 2)
