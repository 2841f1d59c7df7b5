"""Ranges of a sweep by Optuna, as Hydra's grammar writes them."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution as Categorical
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from hydra_plugins.pruneexp_optuna_sweeper._space import Dimension, read
from pruneexp.errors import UserError


@pytest.mark.parametrize(
    ("line", "dimension"),
    [
        ("x=interval(0,1)", Float(0.0, 1.0)),
        ("x=tag(log,interval(1e-6,1e-3))", Float(1e-6, 1e-3, log=True)),
        ("x=int(interval(1,9))", Int(1, 9)),
        ("x=tag(log,int(interval(1,9)))", Int(1, 9, log=True)),
        ("x=range(1,10)", Int(1, 9)),
        ("x=range(10,1,-4)", Int(2, 10, step=4)),
        ("x=range(0.7,1.0,0.1)", Float(0.7, 0.9, step=0.1)),
        ("x=shuffle(range(1,3))", Int(1, 2)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ranges_are_read_as_hydra_writes_them(line: str, dimension: BaseDistribution) -> None:
    dimensions, fixed = read([line, "+n=2", "~kind"])
    assert dimensions == {"x": Dimension(dimension)}
    assert fixed == ("+n=2", "~kind")


@pytest.mark.parametrize(
    ("line", "values", "texts"),
    [
        ("x=b,a", ("b", "a"), ("b", "a")),
        ("x=choice(2,true,'a b',[1,2])", (2, True, "a b", "[1,2]"), ("2", "True", r"a\ b", "[1,2]")),
    ],
)
def test_choices_are_written_as_typed(line: str, values: tuple[Any, ...], texts: tuple[str, ...]) -> None:
    dimension = read([line])[0]["x"]
    assert dimension.distribution == Categorical(values)
    assert tuple(map(dimension.text, values)) == texts


def test_numbers_on_a_grid_are_written_as_typed() -> None:
    grid = Dimension(Float(0.1, 0.5, step=0.1))
    assert [grid.text(0.1 + step * 0.1) for step in range(5)] == ["0.1", "0.2", "0.3", "0.4", "0.5"]
    assert Dimension(Float(0.0, 1.0)).text(0.1 + 0.2) == "0.30000000000000004"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("x=interval(2,1)", "`low <= high` must hold, but got (low=2.0, high=1.0)."),
        ("x=interval(0,inf)", "a range ends at finite numbers, not at inf"),
        ("x=interval(nan,1)", "a range ends at finite numbers, not at nan"),
        ("x=tag(log,interval(0,1))", "`low > 0` must hold for `log=True`, but got (low=0.0, high=1.0)."),
        ("x=tag(log,range(0.1,0.9,0.2))", "The parameter `step` is not supported when `log` is true."),
        ("x=tag(log,choice(1,2))", "the one tag is log, for intervals and for whole numbers at step 1"),
        ("x=tag(slow,interval(0,1))", "the one tag is log, for intervals and for whole numbers at step 1"),
        ("x=range(3,3)", "this range holds no number, or no end of them"),
        ("x=range(0.0,inf)", "a range ends at finite numbers, not at inf"),
        ("x=a,b,a", "give one value or more, none twice (1 and true are one value)"),
    ],
)
def test_a_bad_range_gets_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read([line])
    assert str(caught.value) == f"{line}: {sentence}"
