"""What a page is about: the records that count, and the curves and studies that they are of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from analysis.publishing.catalogue import Material
from analysis.publishing.materials import Supply
from analysis.records import parents
from analysis.records.parents import LoggedParent, Origin
from pruneexp.errors import UserError


class Subject(NamedTuple):
    """A row for each point and for each scan; either may be absent, not both."""

    points: pd.DataFrame | None
    scans: pd.DataFrame | None
    above: tuple[LoggedParent, ...]
    uri: str

    def frames(self) -> Iterator[pd.DataFrame]:
        yield from (rows for rows in (self.points, self.scans) if rows is not None)

    def experiments(self) -> list[str]:
        return sorted({str(name) for rows in self.frames() for name in rows["experiment"]})

    def origins(self) -> tuple[list[Origin], int]:
        """How its curves, studies and scans were made, and of how many of them no run tells it."""
        wanted = [one.run_id for one in self.above]
        wanted += [] if self.scans is None else list(self.scans["run_id"])
        found = parents.origins(self.uri, wanted)
        return [found[run_id] for run_id in wanted if run_id in found], len(wanted) - len(found)


def subject(supply: Supply) -> Subject:
    """What was chosen of what is logged.

    Raises:
        UserError: there is nothing.
    """
    reasons: list[UserError] = []
    points, scans = (_counted(supply, material, reasons) for material in ("points and trials", "scans"))
    if points is None and scans is None:
        raise reasons[0]
    return Subject(points, scans, () if points is None else _above(points, supply.uri), supply.uri)


def _counted(supply: Supply, material: Material, reasons: list[UserError]) -> pd.DataFrame | None:
    try:
        return supply.counted(material).drop_duplicates("run_id")
    except UserError as reason:
        reasons.append(reason)
        return None


def _above(points: pd.DataFrame, uri: str) -> tuple[LoggedParent, ...]:
    wanted = set(zip(points["experiment"], columns(points), strict=True))
    found = parents.parents(uri, sorted(points["experiment"].unique()))
    return tuple(one for one in found if (one.experiment, one.column) in wanted)


def columns(points: pd.DataFrame) -> pd.Series[str]:
    """What the curve or the study of each point is known by (``LoggedParent.column``)."""
    return points["curve_key"].where(points["study"] == "", points["study"])
