"""Several workers of one study at the same moment: every trial is evaluated once, whatever is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.workers import ended, opened, started, told, work_beside


def work_together(where: str, folder: Path, total: int) -> list[int | None]:
    """Four workers that begin at once; their exit statuses."""
    log = folder / "evaluated"
    processes = [started(work_beside, 3, where, total, log) for _ in range(4)]
    return [ended(process) for process in processes]


@pytest.mark.parametrize("prefix", ["", "sqlite:///"], ids=["journal", "sqlite"])
def test_four_at_a_fresh_storage_lose_and_double_nothing(prefix: str, tmp_path: Path) -> None:
    where = f"{prefix}{tmp_path}/fresh/study"
    assert work_together(where, tmp_path, 40) == [0] * 4
    found = [row for row in told(opened(where)) if row[0] < 40]
    assert [(number, state) for number, state, _, _ in found] == [(number, "COMPLETE") for number in range(40)]
    assert sorted(map(int, (tmp_path / "evaluated").read_text().split())) == list(range(40))


def test_the_trial_of_one_that_is_killed_is_evaluated_by_another(tmp_path: Path) -> None:
    (tmp_path / "kill").touch()
    where = str(tmp_path / "study.journal")
    assert sorted(map(str, work_together(where, tmp_path, 30))) == ["-9", "0", "0", "0"]
    found = [row for row in told(opened(where)) if row[0] < 30]
    assert [(number, state) for number, state, _, _ in found] == [(number, "COMPLETE") for number in range(30)]
    evaluated = sorted(map(int, (tmp_path / "evaluated").read_text().split()))
    assert sorted(set(evaluated)) == list(range(30))
    assert 31 <= len(evaluated) <= 33  # one of them twice, or by each who sees at the same moment that it is needed
