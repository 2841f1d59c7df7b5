"""Values of one setting held against each other, and pruned networks against dense ones, on points made by hand."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from analysis.records import frames
from analysis.statistics import selection
from analysis.tables import verdicts
from pruneexp.errors import UserError
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import TableContract
from tests.contracts.points import as_text, logged, point

#: What sets seeds apart; its mean is 0, its standard deviation 0.1.
SCATTER = (-0.1, 0.0, 0.1)


def study() -> list[LoggedPoint]:
    """Rewinding is 3 ahead at 0.5 and 1 at 0.1; what is drawn anew is as good as inherited, but for scatter."""
    made = []
    for seed, off in enumerate(SCATTER):
        for density, ahead in ((0.5, 3.0), (0.1, 1.0)):
            made += [point(mode="prune", density=density, seed=seed, after=94.0),
                     point(mode="rewind", density=density, seed=seed, after=94.0 + ahead + off),
                     point(mode="scratch_e", density=density, seed=seed, after=94.0 - off)]  # fmt: skip
    return logged(*made)


class TestVerdicts(TableContract):
    name: ClassVar[str] = "verdicts"
    records = staticmethod(study)


def made_of(points: list[LoggedPoint], **options: Any) -> verdicts.Verdicts:
    return verdicts.data(selection.latest(frames.frame(points)), **options)


def test_every_value_is_held_against_the_first_one_number_per_seed() -> None:
    made = made_of(study(), color="mode")
    found = {line.level: line.difference for line in made.lines}
    assert made.reference == "fine-tuning"
    assert {level: (round(of.mean, 9), round(of.std or 0.0, 9), of.n, of.verdict) for level, of in found.items()} == {
        "weight rewinding": (2.0, 0.1, 3, "better"),
        "Scratch-E": (0.0, 0.1, 3, "equivalent"),
    }
    assert [one.difference.mean for one in made.lines[0].budgets] == pytest.approx([3.0, 1.0])
    assert {of.family for of in found.values()} == {2}  # Holm over both
    cells = [[cell.text for cell in row] for row in verdicts.sheet(made).rows]
    assert cells[0][:3] == ["weight rewinding", "0.5 to 0.1", "+1.00 to +3.00"]


def test_the_reference_may_be_another_and_the_smaller_may_be_the_better() -> None:
    words = logged(*(as_text(one.point) for one in study()))  # perplexities: 104 less the accuracy
    made = made_of(words, color="mode", reference="rewind")
    assert [line.level for line in made.lines] == ["fine-tuning", "Scratch-E"]
    assert {line.difference.verdict for line in made.lines} == {"worse"}


def test_curves_that_differ_in_more_than_the_setting_stand_in_lines_of_their_own() -> None:
    made = made_of(logged(*(point(mode=mode, reg=reg, seed=seed, after=95.0 + seed)
                            for mode in ("prune", "rewind") for reg in ("l1", "l2") for seed in range(3))),
                   color="mode")  # fmt: skip
    assert made.varying == ("reg",)
    assert [line.settings["reg"] for line in made.lines] == ["l1", "l2"]


def test_what_has_collapsed_on_both_sides_has_no_line_and_that_is_said() -> None:
    worn = [point(mode=mode, seed=seed, after=50.0 + seed) for mode in ("prune", "lr_rewind") for seed in range(3)]
    kept = [point(mode="rewind", seed=seed, after=96.0 + off) for seed, off in enumerate(SCATTER)]
    made = made_of(logged(*worn, *kept), color="mode", reference="prune")
    assert [line.level for line in made.lines] == ["weight rewinding"]
    assert "No line has mode=lr_rewind: nowhere do both have a score" in " ".join(verdicts.sheet(made).notes)


def test_without_a_setting_each_budget_is_held_against_the_dense_network() -> None:
    points = [point(density=density, seed=seed, dense=97.0, before=97.0 - loss + off, after=97.0)
              for seed, off in enumerate(SCATTER) for density, loss in ((0.5, 0.0), (0.1, 40.0))]  # fmt: skip
    before = made_of(logged(*points), moment="before")
    assert [line.difference.verdict for line in before.lines] == ["no worse", "worse"]
    assert [line.difference.mean for line in before.lines] == pytest.approx([0.0, -40.0])
    assert {line.difference.verdict for line in made_of(logged(*points)).lines} == {"no worse"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"color": "mod"}, r"--color mod: points have no such column.*mode"),
        ({"color": "reg"}, r"--color reg: all these points have reg=l2, and a verdict takes two"),
        ({"color": "mode", "reference": "rewound"}, r"--reference rewound: mode is prune, rewind, scratch_e"),
        ({"color": "seed"}, r"No line has seed=1: nowhere do both have a score of the same seed"),
        ({"reference": "rewind"}, r"--reference rewind is a value of a setting: name the setting by --color"),
    ],
)
def test_wrong_options_are_one_sentence(options: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        made_of(study(), **options)
