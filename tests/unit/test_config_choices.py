"""Of each group one choice, and the one that was meant: no list, no nothing, no file of the same name in its place."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from pruneexp.__main__ import main as pruneexp
from pruneexp.config import skeleton
from sweeps.__main__ import main as sweeps
from sweeps.grid import grid, overrides
from tests.contracts.composing import choices

GROUPS = {
    "model": "lenet5",
    "data": "synthetic",
    "train": "mnist_lenet5",
    "reg": "l1",
    "dropout": "none",
    "criterion": "random",
    "schedule": "one_shot",
    "mode": "prune",
    "experiment": "smoke",
}
PRESET = "# @package _global_\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def refused(capsys: pytest.CaptureFixture[str], line: str, command: str = "pruneexp") -> str:
    """The one sentence that a command line is refused with."""
    GlobalHydra.instance().clear()
    assert {"pruneexp": pruneexp, "sweeps": sweeps}[command](shlex.split(line)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.removeprefix(f"{command}: ").removesuffix("\n")


def one_choice(group: str) -> str:
    """What is said where a group is given something else than one choice."""
    left_out = group in ("train", "experiment")
    rest = f"~{group} leaves it out" if left_out else f"python -m pruneexp -m {group}=A,B runs a job for each"
    return f"{group} takes one choice, by its name, of {choices(group)}; {rest}"


@pytest.mark.parametrize(("group", "choice"), GROUPS.items())
def test_a_list_is_no_choice(group: str, choice: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in (f"{group}=[{choice},other]", f"{group}=[{choice}]", f"{group}=[]"):
        assert refused(capsys, f"{line} plan=true") == f"{line}: {one_choice(group)}"
    line = f"{group}=[{choice},a,b]"
    assert refused(capsys, f"study=knee {line} plan=true", "sweeps") == f"{line}: {one_choice(group)}"


@pytest.mark.parametrize(
    "line",
    ["-m plan=true 'mode=[prune,scratch_e],rewind'", "-m plan=true 'mode=choice(rewind,[prune,scratch_e])'",
     "-m plan=true 'mode=[prune,scratch_e]' seed=0,1", "--config-dir mine experiment=swept plan=true",
     "-m hydra/sweeper=optuna 'mode=[prune,scratch_e]' 'train.lr=interval(0.1,0.2)'"],
)  # fmt: skip
def test_nor_is_it_one_of_a_sweeps_values(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    params = "hydra: {mode: MULTIRUN, sweeper: {params: {mode: [prune, scratch_e]}}}\n"
    write("mine/experiment/swept.yaml", PRESET + params)
    said = refused(capsys, line).replace("'", "")
    assert said.replace(" ", "") == f"mode=[prune,scratch_e]: {one_choice('mode')}".replace(" ", "")


@pytest.mark.parametrize(
    "found",
    [
        {"product": {"reg": [["l1", "l2"], "none"]}},
        {"zip": {"reg": [["l1", "l2"]]}},
        {"include": [{"reg": ["l1", "l2"]}]},
        {"with": {"reg": ["l1", "l2"]}},
    ],
)
def test_nor_in_a_sweeps_file(found: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    write("mine.yaml", yaml.safe_dump(found))
    GlobalHydra.instance().clear()
    assert sweeps(["mine.yaml", "plan=true"]) == 2
    assert capsys.readouterr().err == f"pruneexp: reg=[l1,l2]: {one_choice('reg')}\n"
    asked = grid({"product": {"reg": ["l1", "l2"]}, "exclude": [{"reg": ["l1", "none"]}]}).jobs()
    assert [overrides(job) for job in asked] == [["reg=l2"]]


@pytest.mark.parametrize("group", ["reg", "mode"])
@pytest.mark.parametrize("chosen", ["[{choice}, none]", "[{choice}]", "null"])
def test_nor_in_a_defaults_list(group: str, chosen: str, capsys: pytest.CaptureFixture[str]) -> None:
    write("mine/mode/none.yaml", "_target_: pruneexp.modes.prune.Prune\n")
    line = f"override /{group}: {chosen.format(choice=GROUPS[group])}"
    write("mine/experiment/mine.yaml", f"{PRESET}defaults:\n  - {line}\n")
    start = f"override /{group}: {group} takes one choice, by its name, of "
    assert refused(capsys, "--config-dir mine experiment=mine plan=true").startswith(start)
    assert refused(capsys, "--config-dir mine study=knee experiment=mine plan=true", "sweeps").startswith(start)


def test_a_defaults_list_chooses_by_overriding(capsys: pytest.CaptureFixture[str]) -> None:
    write("mine/experiment/mine.yaml", f"{PRESET}defaults:\n  - /reg: l1\n")
    said = refused(capsys, "--config-dir mine experiment=mine plan=true")
    assert "To override a value use 'override reg: l1'" in said


@pytest.mark.parametrize(
    ("line", "group", "choice"),
    [
        ("/mode/rewind", "mode", "rewind"),
        ("/reg: [l1, none]", "reg", "l1"),
        ("/reg@criterion: l1", "reg", "l1"),
    ],
)
def test_a_second_choice_in_a_file_is_not_merged_without_a_word(
    line: str, group: str, choice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("mine/experiment/mine.yaml", f"{PRESET}defaults:\n  - {line}\n")
    told = f"experiment/mine: {group} takes one choice, in its own place: write 'override /{group}: {choice}' in a file"
    assert refused(capsys, "--config-dir mine experiment=mine plan=true").startswith(told)
    assert refused(capsys, "--config-dir mine -m experiment=mine,smoke seed=0,1 plan=true").startswith(told)
    assert refused(capsys, "--config-dir mine study=knee experiment=mine plan=true", "sweeps").startswith(told)


def test_nor_is_one_in_the_place_of_another_group(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "+reg@criterion=l1 plan=true")
    assert said.startswith("criterion: reg takes one choice, in its own place: write ")


def test_a_choice_may_build_on_another_of_its_group() -> None:
    write("mine/reg/mine.yaml", "defaults: [l2, _self_]\nstrength: 0.5\n")
    write("mine/experiment/mine.yaml", f"{PRESET}defaults:\n  - han2015/lenet5\n  - override /data: synthetic\n")
    assert pruneexp(["--config-dir", "mine", "experiment=mine", "reg=mine", "data.image_size=28", "plan=true"]) == 0


def test_a_preset_may_take_another_recipe_or_none() -> None:
    for name, recipe in {"none": "null", "other": "mnist_lenet5", "paired": "'${data}_${model}'"}.items():
        write(f"mine/experiment/{name}.yaml", f"{PRESET}defaults: [{{override /train: {recipe}}}, '']\n")
    write("mine/experiment/none.yaml", f"{PRESET}defaults:\n  - override /train: null\n")
    GlobalHydra.instance().clear()
    assert pruneexp(["--config-dir", "mine", "experiment=none", "data=synthetic", "plan=true"]) == 0


@pytest.mark.parametrize("word", ["reg=null", "~reg", "mode=null", "~model", "train=null", "experiment=null", "reg=1"])
def test_what_else_is_no_choice(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = f"{word}: {one_choice(word.strip('~').partition('=')[0])}"
    assert refused(capsys, f"{word} plan=true") == told
    assert refused(capsys, f"study=knee {word} plan=true", "sweeps") == told


def test_a_recipe_and_a_preset_may_be_left_out() -> None:
    GlobalHydra.instance().clear()
    assert pruneexp(["~train", "~experiment", "data=synthetic", "plan=true"]) == 0


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("+reg=l1", "Multiple values for reg."),
        ("+experiment=smoke", "Multiple values for experiment."),
        ("reg@model=l1", "Could not override 'reg@model'."),
    ],
)
def test_a_choice_is_made_once_and_in_its_place(word: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, f"{word} plan=true").startswith(told)
    assert refused(capsys, f"study=knee {word} plan=true", "sweeps").startswith(told)


def test_a_study_is_chosen_once_and_by_its_own_command(capsys: pytest.CaptureFixture[str]) -> None:
    told = f"study=[knee,a]: study takes one choice, by its name, of {choices('study')}"
    assert refused(capsys, "study=[knee,a]", "sweeps").startswith(told)
    assert refused(capsys, "study=knee ~study", "sweeps").startswith("Missing mandatory value: study")
    assert refused(capsys, "study=knee") == "study=knee: a study is run by python -m sweeps study=knee"


def test_presets_that_sweep_are_not_swept_over(capsys: pytest.CaptureFixture[str]) -> None:
    """Hydra would take the keys that the command line sweeps alone, and leave theirs out."""
    told = "experiment=smoke sweeps over reg itself: run it by a command of its own"
    assert refused(capsys, "-m experiment=han2015/lenet_300_100,smoke data=synthetic plan=true") == told
    write("mine.yaml", "product: {experiment: [smoke]}\n")
    GlobalHydra.instance().clear()
    assert sweeps(["mine.yaml", "plan=true"]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    ["model/lenet5", "reg/l2", "train/mnist5k_lenet_300_100", "experiment/han2015/lenet5", "study/knee", "config",
     "sweeps", "hydra/launcher/slurm", "hydra/job_logging/disabled"],
)  # fmt: skip
def test_a_file_with_the_name_of_ours_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(f"mine/{name}.yaml", "a: [")  # not even read
    for line in ("--config-dir mine plan=true", "--config-dir mine --help", "--config-dir=mine -m seed=0,1"):
        said = refused(capsys, line)
        assert said.startswith(f"{Path('mine').absolute()}/{name}.yaml has the name of ")
        assert said.endswith(f"/{name}.yaml, which would be used in its place: rename it")
    assert "has the name of" in refused(capsys, "--config-dir mine study=sensitivity plan=true", "sweeps")
    assert "has the name of" in refused(capsys, "\"hydra.searchpath=['file://mine']\" plan=true")


def test_of_two_folders_neither_hides_a_file_of_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("one/reg/mine.yaml", "train: null\nretrain: null\n")
    write("two/reg/mine.yaml", "train: null\nretrain: null\n")
    write("two/reg/other.yaml", "train: null\nretrain: null\n")
    both = f"\"hydra.searchpath=['file://{tmp_path}/one','file://{tmp_path}/two']\" reg=other plan=true"
    said = refused(capsys, both)
    assert said.startswith(f"{tmp_path}/two/reg/mine.yaml has the name of {tmp_path}/one/reg/mine.yaml")
    Path("two/reg/mine.yaml").unlink()
    assert pruneexp(shlex.split(both)) == 0


def test_other_files_of_a_folder_are_not_looked_at() -> None:
    write("mine/notes/l2.yaml", "a: [")
    write("mine/l2.yaml", "a: [")
    assert pruneexp(["--config-dir", "mine", "data=synthetic", "plan=true"]) == 0
    assert pruneexp(["--config-dir", str(skeleton.conf_folder()), "data=synthetic", "plan=true"]) == 0
