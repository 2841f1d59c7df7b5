"""The names of sweeps and what stands behind them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.errors import UserError
from pruneexp.jobs.folder import SweepFolder, automatic_name, definition, sweeps_in

JOBS = [["reg=l1", "seed=0", "runtime.threads=1"], ["reg=l2", "seed=0", "runtime.threads=1"]]


def test_what_cannot_change_a_number_is_no_part_of_a_definition() -> None:
    assert definition(JOBS) == (("reg=l1", "seed=0"), ("reg=l2", "seed=0"))
    assert definition([["runtime.threads=1"], ["runtime.threads=2"]]) == (
        ("runtime.threads=1",),
        ("runtime.threads=2",),
    )


def test_a_job_asked_for_twice_is_refused() -> None:
    with pytest.raises(UserError, match="jobs 0 and 1 of this sweep are the same: seed=0 reg=l1"):
        definition([JOBS[0], ["seed=0", "reg=l1", "runtime.threads=1"]])


@given(st.lists(st.lists(st.text(max_size=9), max_size=3).map(tuple), min_size=1, max_size=4).map(tuple))
def test_a_definition_is_read_back_as_it_was_written(jobs: tuple[tuple[str, ...], ...]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = SweepFolder(Path(name), "one")
        folder.claim(jobs)
        assert folder.jobs() == jobs
        assert [path.name for path in folder.path.glob(".*")] == []


def test_another_definition_under_the_same_name_is_refused_with_what_differs(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "mine")
    folder.claim(definition(JOBS))
    folder.claim(definition(JOBS))
    folder.claim(definition([job[::-1] for job in JOBS]))  # the same words in another order
    before = folder.definition.read_text()
    with pytest.raises(UserError) as refused:
        folder.claim(definition([JOBS[0], ["reg=none", "seed=0", "runtime.threads=1"], JOBS[1]]))
    said = str(refused.value).splitlines()
    assert "another name with runtime.sweep=NAME" in said[0]
    assert said[1:] == ["-1: reg=l2 seed=0", "+1: reg=none seed=0"]
    with pytest.raises(UserError, match=r"-1: reg=l2 seed=0\n\+1: no such job$"):
        folder.claim(definition(JOBS)[:1])
    assert folder.definition.read_text() == before


def test_a_damaged_definition_is_said(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "mine")
    folder.claim(definition(JOBS))
    folder.definition.write_text("jobs: [")
    with pytest.raises(UserError, match="cannot be read: remove the folder"):
        folder.check(definition(JOBS))


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "-flag", "a\nb", "x" * 101, "."])
def test_a_name_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="the name of a sweep"):
        SweepFolder(tmp_path, name)


def test_an_automatic_name_says_what_is_swept_and_depends_on_everything() -> None:
    one, other = automatic_name(definition(JOBS)), automatic_name(definition([[*job, "seed=1"] for job in JOBS]))
    assert one.startswith("reg-")
    assert one != other
    assert automatic_name(definition(JOBS)) == one
    SweepFolder(Path(), one)


def test_a_folder_that_is_no_sweep_is_passed_over(tmp_path: Path) -> None:
    SweepFolder(tmp_path, "one").claim(definition(JOBS))
    (tmp_path / "other").mkdir()
    assert [folder.name for folder in sweeps_in(tmp_path)] == ["one"]
