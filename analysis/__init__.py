"""The publication: figures and tables made again from logged runs alone; ``points`` gives what they are made of.

Of the project it knows the vocabulary of records (``pruneexp.schema``) and nothing of how they came to be.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["points"]

_MATERIALS = ("points", "points and trials")


def points(
    uri: str = "sqlite:///mlflow.db",
    experiment: str | Sequence[str] | None = "pruneexp",
    where: Mapping[str, Any] | None = None,
    material: Literal["points", "points and trials"] = "points",
) -> pd.DataFrame:
    """The finished trade-off points of one or several experiments (``None``: of all) as a frame, a row per point.

    ``where`` chooses by columns, each by one value or by any of several: ``{"reg": "l1", "seed": [0, 1]}``. It knows
    those of the identity, ``experiment`` and ``sweep``; ``None`` is what is absent. Of a point that was recorded again
    only the last is there. Points that a search asked for are left out, but for ``material="points and trials"``.
    What failed or cannot be read is a warning.

    Accuracies are percent, densities and shares fractions, sizes bytes, times seconds. The columns, all of which
    docs/analysis.md lists:

    - the identity of a point: ``data``, ``model``, ``mode``, ``seed``, ``budget.kind``, ``budget.value``, and every
      setting by name (``pruneexp.schema.PointIdentity``);
    - its scores, ``SPLIT.MOMENT.METRIC``: val or test; dense, before or after retraining; ``test.after.top1``;
    - ``SPLIT.change_MOMENT.METRIC``: the same against the dense network of the same seed, negative for a loss of
      accuracy; points, or per cent for metrics that are in none;
    - its sizes and costs (``pruneexp.schema.PointResult``), ``pruned`` in percent and ``compression``, dense / kept;
    - where it was logged: ``run_id``, ``experiment``, ``started`` (milliseconds since 1970), ``key``.

    Raises:
        UserError: the store cannot be read, has no experiment of that name, or nothing that meets the conditions, or
            ``material`` is another word.
    """
    from analysis.publishing import materials
    from pruneexp.errors import UserError

    if material not in _MATERIALS:
        raise UserError(f"material={material!r}: it may be {' or '.join(map(repr, _MATERIALS))}.")
    names = [experiment] if isinstance(experiment, str) else experiment
    logged, notes = materials.read(uri, names, [material])
    for sentence in notes:
        warnings.warn(sentence, stacklevel=2)
    conditions = {column: _texts(wanted) for column, wanted in (where or {}).items()}
    place = f"experiment {', '.join(names)}" if names else "the store"
    return materials.Supply(logged, conditions, uri, place).counted(material)


def _texts(wanted: Any) -> list[str]:
    """Values as ``--where`` has them."""
    values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Sequence) else wanted
    return ["none" if value is None else str(value) for value in values]
