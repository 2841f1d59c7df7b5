"""The codec of records: values written as text and floats are read back unchanged."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pruneexp import schema
from tests.contracts.points import point

KINDS = ", ".join(map(repr, schema.MEASURES))
texts = st.text(max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**53)
metrics = st.dictionaries(st.sampled_from(["top1", "top5", "perplexity", "map-50"]), finite, min_size=1)
scores = st.builds(schema.Score, loss=finite, metrics=metrics, undefined=st.none() | counts, images=st.none() | counts)
moments = st.builds(schema.Scores, dense=scores, after=scores, before=st.none() | scores)
efforts = st.builds(schema.Effort, epochs=finite, flop=finite, seconds=finite, stages=counts, cached=counts)
ledgers = st.builds(schema.Ledger, dense=efforts, prune=efforts, retrain=efforts, scratch=efforts)
budgets = st.builds(schema.Budget, kind=st.sampled_from(list(schema.MEASURES)), value=finite)
TEXT_FIELDS = [field.name for field in dataclasses.fields(schema.PointIdentity) if field.type == "str"]
identities = st.builds(
    schema.PointIdentity,
    reg_strength=finite,
    seed=st.integers(-(2**70), 2**70),
    budget=budgets,
    metric=st.none()
    | st.builds(
        schema.Metric,
        name=st.sampled_from(["top1", "perplexity"]),
        unit=st.sampled_from(["", "%"]),
        direction=st.sampled_from(["maximize", "minimize"]),
    ),
    **dict.fromkeys(TEXT_FIELDS, texts),
)
COUNT_FIELDS = ("weights_total", "weights_kept", "neurons_total", "neurons_dead", "bytes_dense", "bytes_sparse")
results = st.builds(
    schema.PointResult,
    density_asked=st.none() | finite,
    val=moments,
    test=moments,
    ledger=ledgers,
    **dict.fromkeys(COUNT_FIELDS, counts),
    **dict.fromkeys(
        ("density", "density_scope", "density_effective", "flop_dense", "flop_weights", "flop_effective"), finite
    ),
    activation_share=finite,
)


@given(identities)
def test_an_identity_survives_as_text(identity: schema.PointIdentity) -> None:
    as_params = {name: str(value) for name, value in schema.flatten(identity).items()}
    assert schema.unflatten(schema.PointIdentity, as_params) == identity


@given(st.lists(st.text(min_size=1), max_size=4))
def test_names_with_any_characters_survive_as_text(names: list[str]) -> None:
    assert schema.names_of(schema.names_text(names)) == tuple(names)


def test_the_layers_of_earlier_records_are_read() -> None:
    assert schema.names_of("conv2,fc1") == ("conv2", "fc1")
    assert schema.names_of("") == ()


@given(results)
def test_a_result_survives_as_floats(result: schema.PointResult) -> None:
    as_metrics = {name: float(value) for name, value in schema.flatten(result).items()}
    read = schema.unflatten(schema.PointResult, as_metrics)
    assert read == result
    assert isinstance(read.weights_kept, int)


def test_what_earlier_records_lack_is_absent() -> None:
    score = schema.Score(loss=0.5, metrics={"top1": 90.0})
    numbers = dict.fromkeys(("density", "density_scope", "density_effective", "activation_share"), 0.1)
    flop = dict.fromkeys(("flop_dense", "flop_weights", "flop_effective"), 8.0)
    scores = schema.flatten(schema.Scores(dense=score, after=score))
    flat = {**dict.fromkeys(COUNT_FIELDS, 10), **numbers, **flop, **{f"val.{name}": of for name, of in scores.items()}}
    old = schema.unflatten(schema.PointResult, flat)
    assert old.flop_total is old.network_total is old.network_bytes_sparse is old.test_examples is None
    assert schema.NETWORK_COMPRESSION not in schema.derived(dataclasses.replace(point(), result=old))
    new = dataclasses.replace(old, network_total=30, network_kept=12)
    assert schema.derived(dataclasses.replace(point(), result=new))[schema.NETWORK_COMPRESSION] == 2.5


def test_names_are_dotted_and_absent_values_are_left_out() -> None:
    dense, after = (schema.Score(loss=loss, metrics={"top1": top1}) for loss, top1 in ((0.5, 90.0), (0.4, 91)))
    flat = schema.flatten(schema.Scores(dense=dense, after=after))
    assert flat == {"dense.loss": 0.5, "dense.top1": 90.0, "after.loss": 0.4, "after.top1": 91}


def test_a_ledger_that_was_not_written_is_read_as_empty() -> None:
    assert schema.unflatten(schema.Ledger, {}) == schema.Ledger()


@pytest.mark.parametrize(
    ("kind", "flat", "error"),
    [
        (schema.Score, {"top1": 1.0}, KeyError("loss")),
        (schema.Scores, {"dense.loss": 1.0, "dense.top1": 9.0, "after.top1": 1.0}, KeyError("after.loss")),
        (schema.Budget, {"kind": "sparsity", "value": "0.1"}, ValueError(f"'sparsity' is none of {KINDS}")),
        (schema.Budget, {"kind": "density", "value": "ten"}, ValueError("could not convert string to float: 'ten'")),
        (schema.Effort, {"stages": 1.5}, ValueError("1.5 is not a whole number")),
        (schema.Effort, {"stages": float("nan")}, ValueError("nan is not a whole number")),
        (schema.Effort, {"stages": float("inf")}, ValueError("inf is not a whole number")),
    ],
)
def test_what_cannot_be_read_is_named(kind: type[Any], flat: dict[str, Any], error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        schema.unflatten(kind, flat)
    assert str(caught.value) == str(error)


@pytest.mark.parametrize(
    ("asked", "scope", "missed"), [(None, 0.9, False), (0.1, 0.1004, False), (0.1, 0.102, True), (0.5, 0.4, True)]
)
def test_a_missed_density_is_one_rounding_does_not_explain(asked: float | None, scope: float, missed: bool) -> None:
    score = schema.Score(loss=0.0, metrics={"top1": 0.0})
    both = schema.Scores(dense=score, after=score)
    result = schema.PointResult(
        density_asked=asked, density=scope, density_scope=scope, density_effective=scope, weights_total=1000,
        weights_kept=100, val=both, test=both, flop_dense=1, flop_weights=1, flop_effective=1, activation_share=1,
        neurons_total=1, neurons_dead=0, bytes_dense=1, bytes_sparse=1,
    )  # fmt: skip
    values: dict[str, Any] = dict.fromkeys(TEXT_FIELDS, "x")
    identity = schema.PointIdentity(reg_strength=0.0, seed=0, budget=schema.Budget("density", 0.1), **values)
    # one layer of 1000 weights: rounding explains a difference of 0.001
    assert schema.TradeoffPoint(identity=identity, result=result).density_missed is missed
