"""Ranges of a sweep by Optuna, as Hydra's grammar writes them."""

from __future__ import annotations

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution as Categorical
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from hydra_plugins.pruneexp_optuna_sweeper._space import read, text
from pruneexp.errors import UserError


@pytest.mark.parametrize(
    ("line", "distribution"),
    [
        ("x=interval(0,1)", Float(0.0, 1.0)),
        ("x=tag(log,interval(1e-6,1e-3))", Float(1e-6, 1e-3, log=True)),
        ("x=int(interval(1,9))", Int(1, 9)),
        ("x=tag(log,int(interval(1,9)))", Int(1, 9, log=True)),
        ("x=range(1,10)", Int(1, 9)),
        ("x=range(10,1,-4)", Int(2, 10, step=4)),
        ("x=range(10,0,-4)", Int(2, 10, step=4)),
        ("x=shuffle(range(1,3))", Int(1, 2)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ranges_are_read_as_hydra_writes_them(line: str, distribution: BaseDistribution) -> None:
    dimensions, fixed = read([line, "+n=2", "~kind"])
    assert dimensions == {"x": distribution}
    assert fixed == ("+n=2", "~kind")


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("x=b,a", ("a", "b")),
        ("x=a,b,a", ("a", "b")),
        ("x=shuffle(a,b,c)", ("a", "b", "c")),
        ("x=choice(2,true,'a b',[1,2])", ("2", "True", "[1,2]", r"a\ b")),
        ("x=range(0.5,2,0.5)", ("0.5", "1.0", "1.5")),
        ("x=range(0.75,0,-0.25)", ("0.25", "0.5", "0.75")),
    ],
)
def test_what_is_no_number_to_optuna_is_a_choice_of_texts(line: str, texts: tuple[str, ...]) -> None:
    assert read([line])[0] == {"x": Categorical(texts)}


@pytest.mark.parametrize("line", ["x=range(0.1,0.6,0.1)", "x=1,0.5,true,null,abc,'a, b'", "x=choice([1,2],{a:1})"])
def test_a_choice_is_written_as_by_hydras_own_sweeper(line: str) -> None:
    (distribution,) = read([line])[0].values()
    assert isinstance(distribution, Categorical)
    parsed = OverridesParser.create().parse_overrides([line])
    jobs = BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]
    assert sorted(f"x={text(value)}" for value in distribution.choices) == sorted(job[0] for job in jobs)


def test_a_number_is_written_with_all_its_digits() -> None:
    assert (text(0.1 + 0.2), text(3), text("a,b")) == ("0.30000000000000004", "3", "a,b")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("x=interval(2,1)", "`low <= high` must hold, but got (low=2.0, high=1.0)."),
        ("x=interval(0,inf)", "a range ends at finite numbers, not at inf"),
        ("x=interval(nan,1)", "a range ends at finite numbers, not at nan"),
        ("x=tag(log,interval(0,1))", "`low > 0` must hold for `log=True`, but got (low=0.0, high=1.0)."),
        ("x=tag(log,range(0.1,0.9,0.2))", "the one tag is log, for intervals and for whole numbers at step 1"),
        (
            "x=tag(log,range(1,9,2))",
            "Samplers and other components in Optuna only accept step is 1 when `log` argument is True.",
        ),
        ("x=tag(log,choice(1,2))", "the one tag is log, for intervals and for whole numbers at step 1"),
        ("x=tag(slow,interval(0,1))", "the one tag is log, for intervals and for whole numbers at step 1"),
        ("x=range(3,3)", "this range holds no number"),
        ("x=range(0.0,inf)", "a range ends at finite numbers, not at inf"),
        ("x=range(0.5,0.5)", "The `choices` must contain one or more elements."),
        ("x=range(0,1,0)", "range() arg 3 must not be zero"),
        ("x=range(0.5,1,0)", "Invalid range values (start:0.5, stop:1, step:0)"),
    ],
)
def test_a_bad_range_gets_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read([line])
    assert str(caught.value) == f"{line}: {sentence}"
