"""Workers of one study that share a PostgreSQL server, which the tests start and stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.contracts import postgres
from tests.contracts.workers import ended, opened, started, told, work_beside

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server of our own, without the name of a database."""
    with postgres.postgres() as address:
        yield address


@pytest.fixture
def database(server: str) -> Callable[[str], str]:
    """Makes fresh databases."""
    return partial(postgres.database, server)


def numbers(where: str, total: int) -> list[tuple[int, str]]:
    return [(number, state) for number, state, _, _ in told(opened(where)) if number < total]


@pytest.mark.parametrize("attempt", range(3))  # tables are made at the same moment, and luck may hide what that does
def test_four_at_a_fresh_database_lose_and_double_nothing(
    database: Callable[[str], str], attempt: int, tmp_path: Path
) -> None:
    where, log = database(f"fresh{attempt}"), tmp_path / "evaluated"
    processes = [started(work_beside, 3, where, 40, log) for _ in range(4)]
    assert [ended(process) for process in processes] == [0] * 4
    assert numbers(where, 40) == [(number, "COMPLETE") for number in range(40)]
    assert sorted(map(int, log.read_text().split())) == list(range(40))


def test_the_trial_of_one_that_is_killed_is_evaluated_by_another(
    database: Callable[[str], str], tmp_path: Path
) -> None:
    where, log = database("killed"), tmp_path / "evaluated"
    (tmp_path / "kill").touch()
    processes = [started(work_beside, 3, where, 40, log) for _ in range(4)]
    assert sorted(str(ended(process)) for process in processes) == ["-9", "0", "0", "0"]
    assert numbers(where, 40) == [(number, "COMPLETE") for number in range(40)]
    evaluated = list(map(int, log.read_text().split()))
    assert set(evaluated) == set(range(40))
    assert 41 <= len(evaluated) <= 43  # one of them twice, or by each who sees at the same moment that it is needed
