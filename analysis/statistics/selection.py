"""What any frame of records can be asked: which rows meet conditions, which are the last of their kind, which agree.

Pure: knows neither the store the records came from nor what will be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pandas as pd

from analysis.records.frames import POINTS, SUBJECT, Kind
from analysis.statistics.conditions import ABSENT, telling, varying
from pruneexp.errors import UserError, guess

#: Where records came from: columns to choose by beside those of their identity.
ORIGINS = ("experiment", "sweep")
_SLACK = 1e-9  # of a number: 3 * 1e-5 and 3e-5 differ in their last bit


def of_curves(points: pd.DataFrame) -> pd.DataFrame:
    """Without the points that a search asked for: the best of very many says nothing about a method."""
    return points[points["study"] == ""].reset_index(drop=True)


def latest(rows: pd.DataFrame, kind: Kind = POINTS) -> pd.DataFrame:
    """Of records that tell each other apart by no setting, the one logged last: a seed never counts twice."""
    if rows.empty:
        return rows
    ordered = rows.sort_values(["started", "run_id"])
    last = ordered.groupby(list(kind.settings), dropna=False)["run_id"].transform("last")
    return rows[rows["run_id"] == last.reindex(rows.index)].reset_index(drop=True)


def repetitions(points: pd.DataFrame) -> pd.DataFrame:
    """The points, where they differ in the seed alone.

    Raises:
        UserError: they differ in more; the message names what to choose by.
    """
    names = tuple(name for name in POINTS.settings if name != "seed")
    found = combinations(points, names)
    if len(found) > 1:
        needed = telling(found, names) or varying(found, names)
        raise UserError(
            f"{len(found)} different points are logged, and one budget of one curve is shown, over its seeds: choose "
            f"with --where by {', '.join(needed)}."
        )
    return points


def one_subject(rows: pd.DataFrame, what: str, lacking: str) -> tuple[str, str]:
    """The data set and the network that rows are of.

    Raises:
        UserError: there is no row, of which ``lacking`` says why, or they are of several, of which ``what`` shows one.
    """
    found = sorted(set(zip(*(rows[name] for name in SUBJECT), strict=True)))
    if not found:
        raise UserError(lacking)
    if len(found) > 1:
        raise UserError(f"one {what} shows one network on one data set, not {', '.join(map('/'.join, found))}.")
    ((data, model),) = found
    return data, model


def where(rows: pd.DataFrame, conditions: Mapping[str, str | Sequence[str]], kind: Kind = POINTS) -> pd.DataFrame:
    """Only the rows whose columns have one of these values: as numbers where they are numbers, else as text.

    The column ``sweep``, which frames lack, has to be added where it is asked for.

    Raises:
        UserError: no such column, or nothing with that value; the message lists what there is.
    """
    for column, given in conditions.items():
        known = (*kind.identity, *ORIGINS)
        if column not in known:
            said = f"--where knows no {column!r} of a {kind.name}{guess(column, known)}"
            raise UserError(f"{said}; it knows {', '.join(known)}.")
        matching = {value: _equal(rows[column], value) for value in ([given] if isinstance(given, str) else given)}
        for value, match in matching.items():
            if not match.any():
                raise UserError(f"no {kind.name} has {column}={value}{_instead(rows[column], value)}.")
        rows = rows[pd.concat(matching, axis=1).any(axis=1)]
    return rows.reset_index(drop=True)


def _equal(column: pd.Series, value: str) -> pd.Series:
    """Whether each value is what a person wrote: 1e-4 and 0.0001 are one number, ``none`` is what is absent."""
    alike = _texts(column) == value
    if pd.api.types.is_numeric_dtype(column):
        with suppress(ValueError):
            number = float(value)
            return alike | ((column - number).abs() <= (_SLACK * abs(number) if math.isfinite(number) else 0))
    return alike


def _instead(column: pd.Series, value: str) -> str:
    """What there is, under the conditions before, where nothing has this value."""
    if column.empty:
        return " together with the other conditions"
    known = sorted(_texts(column).unique())
    meant = "" if pd.api.types.is_numeric_dtype(column) else guess(value, known)
    several = value.split(",")
    if len(several) > 1 and set(several) <= set(known):
        meant = f" (of several values each has its condition: {','.join(f'{column.name}={one}' for one in several)})"
    return f"{meant}; with the other conditions there is: {', '.join(known[:20])}"


def _texts(column: pd.Series) -> pd.Series:
    numbers = pd.api.types.is_float_dtype(column)
    told = column.map("{:g}".format) if numbers else column.astype(str)
    return told.where(column.notna() & (told != ""), ABSENT)


def groups(points: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Each combination of values of ``by`` with its rows, sorted; values come back as plain Python objects."""
    if points.empty:
        return
    for key, rows in points.groupby(list(by), sort=True, dropna=False):
        yield dict(zip(by, map(_plain, key), strict=True)), rows


def combinations(rows: pd.DataFrame, by: Sequence[str]) -> list[dict[str, Any]]:
    """Each combination of values of ``by``, as ``groups`` has them but in the order of the rows."""
    found = rows[list(by)].drop_duplicates()
    return [dict(zip(by, map(_plain, key), strict=True)) for key in found.itertuples(index=False, name=None)]


def _plain(value: object) -> object:
    """A plain Python value; ``None`` where it is absent."""
    if value is None or value != value:
        return None
    return value.item() if hasattr(value, "item") else value
