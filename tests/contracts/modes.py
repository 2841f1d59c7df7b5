"""What every mode must satisfy. A test of a mode calls ``check_mode(mode)``."""

from __future__ import annotations

from pruneexp.experiment.build import Mode
from pruneexp.schema import Budget
from tests.contracts.jobs import built

MILD, STRONG = Budget("density", 0.5), Budget("density", 0.1)


def check_mode(mode: Mode) -> None:
    """The route starts dense, names its last mask, ends with trained weights, and is a value: nothing is computed."""
    setting = built().setting
    one = mode.route(setting, [STRONG])
    assert one.dense.kind == "dense"
    assert one.final.kind in ("retrain", "scratch")
    assert one.mask.kind == "mask"
    assert one.mask.config["budget"] == {"kind": "density", "value": 0.1}
    assert one.final.parents[0] is one.mask
    known = {step.key for step in one.steps}
    assert len(known) == len(one.steps)
    assert all(parent.key in known for step in one.steps for parent in step.parents)

    again = mode.route(setting, [STRONG])
    assert [step.key for step in again.steps] == [step.key for step in one.steps]

    other = mode.route(setting, [MILD])
    assert other.dense.key == one.dense.key
    assert {step.key for step in other.steps if step.parents}.isdisjoint(known)  # what no mask is cut of is shared

    rounds = mode.route(setting, [MILD, STRONG])
    assert [step.kind for step in rounds.steps].count("mask") == 2
    assert rounds.mask.key != one.mask.key
    assert len(rounds.mask.parents) == 2
