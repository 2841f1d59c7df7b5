"""Units, edits and budgets of a job: what is part of keys, and what does not go together."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.experiment.build import Job
from pruneexp.experiment.foreseen import unreachable
from pruneexp.pruning.informed import Statistics
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import Criterion
from pruneexp.schema import Budget
from tests.contracts.composing import composed
from tests.contracts.jobs import job_of

SMALL = ("data=synthetic", "model=lenet5", "data.image_size=28", "device=cpu")
BLOCKS = "+criterion.unit={_target_: pruneexp.pruning.units.block.Block, shape: [2, 2]}"
UNFIT, OURS = "{_target_: tests.system.test_experiment_cuts.Unfit}", "runtime.allow=[tests]"
GRADUAL = "+criterion.edit={_target_: pruneexp.pruning.edits.gradual.Gradual}"
CURVATURE = "{_target_: tests.system.test_experiment_cuts.Curvature}"
SNIP = "+criterion.proportions={_target_: pruneexp.pruning.criteria.snip.Snip, batches: 2}"
SOFT = "+criterion.edit={_target_: pruneexp.pruning.edits.soft_filter.SoftFilter}"
LASSO = "{_target_: pruneexp.pruning.criteria.lasso.Lasso}"
SIZES = ("criterion=channel_predefined", "+criterion.allocation.keep={conv2: 0.5}")
NO_CONV, HALF = "criterion.exclude=[conv1]", "curve.densities=[0.5]"


def job(*words: str) -> Job:
    return job_of(*composed(*SMALL, *words))


def keys(*words: str) -> list[str]:
    return [step.key for step in job(*words, "curve.densities=[0.5]").routes[0].steps]


class Unfit:
    """A unit and an edit for two dimensions alone."""

    def members(self, name: str, weight: Tensor) -> Tensor:
        if weight.ndim != 2:
            raise UserError(f"layer {name} is no matrix")
        return torch.arange(weight.numel()).view(weight.shape)

    def edit(self, weights: Mapping[str, Tensor], masks: MaskSet) -> MaskSet:
        for weight in weights.values():
            _, _ = weight.shape
        return masks


class Curvature:
    """A criterion that looks for what it did not ask for."""

    statistics, batches = ("gradients",), 1

    def informed(self, statistics: Statistics) -> Criterion:
        squares = statistics["squared_gradients"]
        return lambda weights, generator: dict(squares)


def test_weights_drawn_for_a_small_network_make_another_result_of_the_same_masks() -> None:
    words = ("criterion=channel_magnitude", "mode=scratch_b")
    assert keys(*words) == keys(*words, "+mode.small_init=false")
    plain, other = keys(*words), keys(*words, "+mode.small_init=true")
    assert plain[:-1] == other[:-1]
    assert plain[-1] != other[-1]


def test_plans_say_which_densities_no_channels_reach() -> None:
    (said,) = unreachable(job("criterion=channel_magnitude", "curve.densities=[0.5,0.0001]"))
    assert said.startswith("d=0.0001 will fail: what stays with criterion.min_keep=1 takes 0.0001")


def test_layers_whose_channels_stay_are_told() -> None:
    words = ("data=topics", "model=transformer", "criterion=channel_magnitude", "device=cpu")
    told = job_of(*composed(*words)).overlooked
    assert "channels that stay whole: embedding and 4 more (LayerNorm)" in told
    assert job("criterion=channel_magnitude").overlooked == ""


def test_layers_that_cannot_be_fitted_are_named_with_what_to_exclude() -> None:
    words = ("data=topics", "model=lstm", "criterion=thinet", "device=cpu")
    with pytest.raises(UserError, match=r"weight_hh_l0 reads channels, .* cannot be fitted, .*by 'criterion.exclude="):
        job_of(*composed(*words))


@pytest.mark.parametrize("said", [BLOCKS, GRADUAL])
def test_a_unit_or_an_edit_makes_other_masks_of_the_same_dense_network(said: str) -> None:
    plain, other = keys(), keys(said)
    assert plain[0] == other[0]
    assert set(plain[1:]).isdisjoint(other[1:])


@pytest.mark.parametrize(
    ("key", "kind"),
    [("flops", "flop"), ("parameters", "parameters"), ("bytes", "bytes"), ("units", "units"), ("qualities", "quality")],
)
def test_budgets_of_every_measure_are_mildest_first(key: str, kind: str) -> None:
    found = job("criterion=layer_std", f"curve.{key}=[0.25,0.5]").budgets
    assert {budget.kind for budget in found} == {kind}
    assert [budget.severity for budget in found] == sorted(budget.severity for budget in found)
    assert Budget("flop", 0.5).text == "f=0.5"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("curve.flops=[0.5]", "curve.densities=[0.5]"), r"curve.densities and curve.flops are both given"),
        (("curve.bytes=[1.5]",), r"curve.bytes holds 1.5: bytes \(kept / total bytes of the network\) lie in \(0, 1\]"),
        (
            (GRADUAL, "retrain.scope=local"),
            r"retrain.scope=local keeps masks alone, and criterion.edit is more",
        ),
        ((f"+criterion.unit={UNFIT}", OURS), r"layer conv1 is no matrix"),
        ((f"+criterion.edit={UNFIT}", OURS), r"criterion.edit does not fit the model: too many values to unpack"),
        (("criterion=channel_magnitude", "criterion.exclude=[conv1,conv2,fc1]"), r"LeNet5 has no channels that can go"),
        (
            ("criterion=channel_magnitude", "criterion.allocation.exempt=[fc2]"),
            r"exempt names unknown layers fc2; layers are conv1, conv2, fc1",
        ),
        ((*SIZES, "curve.units=[0.5]"), r"units 0.5 asked for, but .* leaves 0.95.. of all units, each a channel"),
        ((*SIZES, HALF), r"density 0.5 asked for, but .*'curve.units="),
        ((*SIZES, "curve.units=[0.9524]", "schedule=iterative"), r"units 0.99.* asked for, .*schedule=one_shot"),
        (
            ("criterion=channel_predefined", "+criterion.allocation.keep={fc2: 0.5}"),
            r"keep: fc2 matches no layer whose",
        ),
        (("mode=scratch_e", "+mode.small_init=true", "mode.scaled_init=true"), r"mode: .*allowed is one of them"),
        (("+criterion.edit={_target_: os.system}",), r"criterion.edit._target_=os.system is not allowed"),
        (
            ("criterion=n_of_m", HALF),
            r"no multiple of criterion.allocation.m=4: conv1 has 1; leave",
        ),
        (
            ("criterion=n_of_m", NO_CONV, "curve.densities=[0.5,0.3]"),
            r"density 0.3 asked for, but 2 of every 4",
        ),
        (("criterion=n_of_m", NO_CONV, HALF, "schedule=iterative"), r"density 0.87.* asked for, .*schedule=one_shot"),
        (("criterion=n_of_m", NO_CONV, "curve.flops=[0.5]"), r"flop 0.5 asked for, but 2 of every 4 weights"),
        (("criterion=n_of_m", NO_CONV, HALF, BLOCKS), r"2 of every 4 weights are kept, and criterion.unit is a block"),
        (
            ("criterion=n_of_m", NO_CONV, HALF, GRADUAL),
            r"criterion.edit chooses .* criterion.allocation keeps",
        ),
        (("criterion=global_magnitude", GRADUAL, BLOCKS), r"criterion.edit chooses .*, and criterion.unit keeps them"),
        (("criterion=erk", BLOCKS), r"follow from the shapes of weights, and criterion.unit is a block"),
        (
            ("criterion=taylor", "criterion.score.batches=99"),
            r"calibration data run out: .*=99, of train.batch_size",
        ),
        (("criterion=taylor", "criterion.score.batches=0"), r"criterion.score: batches is 0, must be a whole number"),
        ((f"criterion.score={CURVATURE}", OURS), r"criterion.score does not fit the model: .*squared_gradients"),
        (
            ("criterion=thinet", "~criterion.unit"),
            r"ThiNet chooses channels, .*: criterion.unit must be",
        ),
        (
            ("criterion=row_magnitude", f"criterion.score={LASSO}"),
            r"Lasso chooses channels, by what layers make of them: criterion.unit must",
        ),
        (("criterion=lasso", SOFT), r"Lasso changes weights when it cuts, and so does criterion.edit: leave"),
        (("criterion=thinet", "criterion.score.batches=99"), r"calibration data run out: .*=99, of train.batch_size"),
        (("criterion=thinet", "criterion.score.positions=0"), r"criterion.score: positions is 0, must be a whole"),
        (
            ("criterion=channel_magnitude", SOFT),
            r"criterion.edit zeroes filters, .*: criterion.unit must",
        ),
        (("criterion=layer_magnitude", SOFT), r"criterion.edit zeroes filters, .*: criterion.unit must"),
        (("criterion=taylor", SNIP), r"criterion.score and criterion.proportions ask for 2 and 4 batches"),
    ],
)
def test_what_does_not_go_together_is_said(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        job(*words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("criterion=channel_magnitude", "curve.units=[0.5,0.01]"), "u=0.01 empties conv1, conv2, which {held}"),
        (("criterion=channel_magnitude", "curve.units=[0.5]"), ""),
        (("criterion=channel_magnitude", "curve.densities=[0.01]"), ""),  # a share of channels that is found later
        (("criterion=layer_magnitude", "curve.densities=[0.5,0.0005]"), "d=0.0005 empties conv1, which {held}"),
        (("criterion=random", "curve.densities=[0.0005]"), "d=0.0005 empties conv1, which {held}"),
        (("criterion=layer_magnitude", "curve.densities=[0.01]", "criterion.min_keep=0"), ""),
        (("criterion=erk", "curve.densities=[0.000001]"), "d=1e-06 empties conv1, conv2, fc1 and 1 more, which {held}"),
        (("criterion=row_magnitude", "curve.densities=[0.01]"), "d=0.01 empties conv1, conv2, fc2, which {held}"),
        (("criterion=global_magnitude", "curve.densities=[0.0005]", "criterion.min_keep=0"), ""),
        (("criterion=lamp", "curve.densities=[0.0005]", "criterion.min_keep=0"), ""),
    ],
)
def test_a_plan_says_which_layers_a_budget_empties(words: tuple[str, ...], said: str) -> None:
    told = job_of(*composed("model=lenet5", "data=mnist5k", *words)).overlooked
    held = said.format(held="criterion.min_keep=1 holds open")
    assert told.endswith(held) if said else "empties" not in told


@pytest.mark.parametrize(
    ("words", "said", "empty"),
    [
        (("criterion=channel_magnitude", "curve.units=[0.01]"), "units 0.01", "conv1, conv2"),
        (("criterion=layer_magnitude", "curve.densities=[0.5,0.0005]"), "density 0.0005", "conv1"),
        (("criterion=erk", "curve.densities=[0.000001]"), "density 1e-06", "conv1, conv2, fc1 and 1 more"),
    ],
)
def test_a_budget_that_empties_a_layer_is_refused(words: tuple[str, ...], said: str, empty: str) -> None:
    with pytest.raises(UserError) as error:
        job_of(*composed("model=lenet5", "data=mnist5k", *words, "criterion.min_keep=0"))
    left = f"{said} asked for, but that leaves nothing of {empty}"
    assert str(error.value) == f"{left}: ask for more, or set criterion.min_keep=1"


def test_least_weights_do_not_hold_open_layers_that_are_cut_in_groups() -> None:
    cure = r"nothing of conv1: ask for more, or leave layers out with 'criterion.exclude=\[conv1\]'"
    with pytest.raises(UserError, match=cure):
        job_of(*composed("model=lenet5", "data=mnist5k", "criterion=wanda", "curve.densities=[0.01]"))
