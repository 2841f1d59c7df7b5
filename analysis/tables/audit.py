"""The recommendations for comparing pruning methods, held against the logged runs, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import pandas as pd

from analysis.names import counted
from analysis.publishing.catalogue import Material
from analysis.publishing.numbers import CsvRow
from analysis.publishing.sheet import Cell, TableSheet, table_sheet
from analysis.statistics import checks_of_comparisons, checks_of_reports
from analysis.statistics.checklist import Check, Finding
from pruneexp.errors import UserError, guess

MADE_OF: Material = "points with origins"
OF_ALL_METRICS = True
CHECKS = {check.name: check for check in (*checks_of_reports.CHECKS, *checks_of_comparisons.CHECKS)}


class Audit(NamedTuple):
    """Every check that was made, with what it found."""

    found: tuple[tuple[Check, Finding], ...]
    runs: tuple[str, ...]

    @property
    def fails(self) -> bool:
        return any(finding.verdict == "fails" for _, finding in self.found)


def data(
    frame: pd.DataFrame,
    *,
    only: Annotated[str, f"these checks alone, with commas between them: {', '.join(CHECKS)}"] = "",
) -> Audit:
    """What each check finds.

    Raises:
        UserError: no point is logged, or there is no such check.
    """
    names = [name.strip() for name in only.split(",")] if only else list(CHECKS)
    for name in names:
        if name not in CHECKS:
            known = ", ".join(CHECKS)
            raise UserError(f"--only {name}: there is no such check{guess(name, list(CHECKS))}; there are {known}.")
    if frame.empty:
        raise UserError("no point is logged, and the audit is of points.")
    found = tuple((CHECKS[name], CHECKS[name].find(frame)) for name in dict.fromkeys(names))
    return Audit(found, tuple(sorted(set(frame["run_id"]))))


def runs(made: Audit) -> tuple[str, ...]:
    return made.runs


def rows(made: Audit) -> Iterator[CsvRow]:
    """One check; ``runs`` are those at fault, where there are any."""
    for check, finding in made.found:
        yield {
            "check": check.name,
            "asks": check.asks,
            "source": check.source,
            "verdict": finding.verdict,
            "evidence": finding.evidence,
            "mend": finding.mend,
            "runs": " ".join(finding.runs),
        }


def sheet(made: Audit) -> TableSheet:
    lines = []
    for check, finding in made.found:
        told = finding.evidence + (f"; mended by {finding.mend}" if finding.mend else "")
        verdict = Cell(finding.verdict, finding.verdict == "fails")
        lines.append((check.name, check.asks, verdict, told))
    failing = sum(finding.verdict == "fails" for _, finding in made.found)
    asked: dict[str, list[str]] = {}
    for check, _ in made.found:
        asked.setdefault(check.source, []).append(check.name)
    notes = (
        f"{failing} of {len(made.found)} fail, on {counted(len(made.runs), 'point')}.",
        "Asked for by " + "; ".join(f"{source}: {', '.join(names)}" for source, names in asked.items()) + ".",
        "Not recorded: records cannot tell it, so that a person must.",
    )
    header = ("Check", "Asks for", "Result", "Evidence")
    return table_sheet("Recommendations for comparing pruning methods", header, "llll", lines, notes)
