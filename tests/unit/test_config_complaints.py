"""Bad requests end with one sentence that says what, where and what is allowed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from pruneexp.__main__ import main
from pruneexp.config import skeleton
from pruneexp.config.complaints import complaint
from pruneexp.config.sweep import check_command
from tests.contracts.composing import choices

COMPLAINTS = [
    ("reg=l3", f"reg=l3: no such choice; the choices of reg are {choices('reg')}"),
    ("experiment=nope", "experiment=nope: no such choice"),
    ("train=sgdd", "train=sgdd: no such choice"),
    ("regg=l1", "regg: no such key; the groups and keys are criterion"),
    ("retrain.epoch=3", "retrain.epoch: no such key; the keys of retrain are distillation, epochs, lr_factor"),
    ("reg.p=3", "reg.p: no such key; the keys of reg are lr_factor, retrain, strength, train"),
    ("+foo=1", "foo: no such key; the groups and keys are criterion"),
    ("+retrain.epoch=1", "retrain.epoch: no such key; the keys of retrain are distillation, epochs"),
    ("++train.foo=1", "train.foo: no such key; the keys of train are augment"),
    ("train.epochs=abc", "train.epochs=abc: allowed is a whole number"),
    ("train.epochs=-1", "train.epochs=-1: allowed is 0 or more"),
    ("train.lr=0", "train.lr=0: allowed is above 0"),
    ("device=gpu", "device=gpu: allowed is one of auto, cpu, cuda (did you mean cuda?)"),
    ("seed=-1", "seed=-1: allowed is 0 or more"),
    ("seed=2147483648", "seed=2147483648: allowed is 0 or more, and at most 2147483647"),
    ("train.momentum=1", "train.momentum=1: allowed is 0 or more and below 1"),
    ("train.lr=-1.25e-9", "train.lr=-1.25e-09: allowed is above 0"),
    ("curve.densities=[1.0000001]", "curve.densities holds 1.0000001: densities"),
    ("curve.qualities=[0.1234567,0.1234567]", "curve.qualities holds 0.1234567 twice"),
    ("reg=l1,l2", "reg=l1,l2: one command runs one job; add -m to run a job for each"),
    ("train.lr=interval(1,2)", "train.lr=interval(1,2): one command runs one job; add -m to run a job for each"),
    ("criterion.min_keep=all", "criterion.min_keep=all: allowed is a whole number, 0 or more"),
    ("criterion.min_keep=1.5", "criterion.min_keep=1.5: allowed is a whole number, 0 or more"),
    ("-m 'train.clip=choice(null, 1.0)'", "train.clip=choice(null, 1.0): cannot be read: write train.clip=null,1.0"),
    ("reg.strength=-1", "reg.strength=-1: allowed is 0 or more"),
    ("reg.lr_factor=0", "reg.lr_factor=0: allowed is above 0"),
    ("curve.densities=[1.5]", "curve.densities holds 1.5: densities (kept / total weights) lie in (0, 1]"),
    ("curve.densities=[0.5,0]", "curve.densities holds 0: densities"),
    ("curve.densities=[]", "curve.densities is empty"),
    ("curve.densities=[0.5,0.1,0.2]", "curve.densities=[0.5, 0.1, 0.2] is unsorted: write"),
    ("curve.densities=[0.5,0.5]", "curve.densities holds 0.5 twice"),
    ("curve.qualities=[-1]", "curve.qualities holds -1: quality parameters are 0 or more"),
    (
        "curve.qualities=[1] curve.densities=[0.5]",
        "curve.densities and curve.qualities are both given, and a curve has one ",
    ),
    ("curve.densities=[0.5", "curve.densities=[0.5: cannot be read: a bracket is open or too many; write 'curve.den"),
    ("seed", "seed: write seed=VALUE"),
    ("reg = l1", "reg: write reg=l1, without spaces around ="),
    ("lr=0.1", "lr: no such key; write train.lr=0.1"),
    ("launcher.n_jobs=2", "launcher: no such key; write hydra.launcher.n_jobs=2"),
    ("sparsity=0.9", "sparsity: no such key; write 'curve.densities=[0.1]', as density = 1 - sparsity"),
    ("curve.sparsities=[0.9,0.95]", "curve.sparsities: no such key; write 'curve.densities=[0.1,0.05]', as dens"),
    (
        "curve.densities=0.1",
        "curve.densities=0.1: allowed is a list of numbers, or null; write 'curve.densities=[0.1]'",
    ),
    ("curve.densities=0.5,0.1", "curve.densities=0.5,0.1: allowed is a list; write 'curve.densities=[0.5,0.1]'"),
    ("seed=0-4", "seed=0-4: allowed is a whole number; -m 'seed=range(0,5)' runs a job for each"),
    ("curve=[0.5,0.1]", "curve=[0.5,0.1]: curve has no value of its own; its keys are curve.densities, "),
    ("+seed=1", "+seed=1: the key is there already; write seed=1, without the +"),
    (
        "mode.epoch=3",
        "mode.epoch: what is chosen has no such key; mode=lr_rewind and mode=rewind have it, mode has no key at all",
    ),
    ("mode.cap=3", "mode.cap: what is chosen has no such key; mode=scratch_b and mode=scratch_b_retraining have it, "),
    ("model.hidden=3", "model.hidden: what is chosen has no such key; the keys of model are channels, image_size"),
    ("hydra.sweeper=optuna", "hydra.sweeper=optuna: write hydra/sweeper=optuna"),
    ("hydra/sweeper=optuna", "hydra/sweeper=optuna: one command runs one job; add -m to run several by it"),
    ("reg==l1", "reg==l1: cannot be read: write reg=l1"),
    ("reg=l1,", "reg=l1,: cannot be read: no value follows the last comma"),
    ("'runtime.tags={\"a\": 2}'", 'runtime.tags={"a": 2}: cannot be read: names before a colon stand without quotes'),
    ("--cfg nothing", "--cfg/-c: invalid choice: 'nothing' (choose from "),
    ("model=", "model=: no such choice; the choices of model are alexnet"),
    (
        "'reg={strenght: 1}'",
        "reg.strenght: no such key; the keys of reg are lr_factor, retrain, strength, train (did you mean strength?)",
    ),
    ("train.schedule=step train.milestones=[0.9,0.5]", "train.milestones=[0.9, 0.5]: milestones are ascending"),
    ("model._target_=os.system", "model._target_=os.system is not allowed"),
    ("criterion.score._target_=subprocess.run", "criterion.score._target_=subprocess.run is not allowed"),
    ("--config-dir /no/such/folder", "--config-dir /no/such/folder: there is no such folder"),
    ("-m reg=l1,l3", "reg=l3: no such choice"),
    ("-m seed=0,-1", "seed=-1: allowed is 0 or more"),
    ("-m train=mnist5k_lenet5,sgdd", "train=sgdd: no such choice"),
    ("-m hydra/sweeper=optuna seed=0,1", "plan=true: this sweeper chooses its jobs one by one"),
    (
        "-m hydra/launcher=slrum seed=0,1",
        "hydra/launcher=slrum: no such choice; the choices of",
    ),
    (
        "-m hydra/launcher=joblib hydra.launcher.n_job=2 seed=0,1",
        "hydra.launcher.n_job: no such key; the keys of hydra",
    ),
]


#: What a preset says, and what is said of it.
PRESETS = [
    ("train: {epoch: 3}", "experiment/mine: train.epoch: no such key; the keys of train are augment"),
    ("trian: {epochs: 3}", "experiment/mine: trian: no such key; the groups and keys are criterion"),
    ("train: {epochs: abc}", "experiment/mine: train.epochs=abc: allowed is a whole number"),
    ("train: {epochs: -1}", "train.epochs=-1: allowed is 0 or more"),
    ("device: gpu", "experiment/mine: device=gpu: allowed is one of auto, cpu, cuda (did you mean cuda?)"),
    ("reg: null", "reg=null: the keys of a group are a mapping; a file chooses in its defaults list"),
    ("reg: l1", "reg=l1: the keys of a group are a mapping; a file chooses in its defaults list"),
    ("hydra: {sweper: 3}", "experiment/mine: hydra.sweper: no such key; the keys of hydra are"),
    ("seed: [", "{folder}/mine/experiment/mine.yaml: is no YAML in line 3: "),
    ("train: {lr: 1, lr: 2}", "{folder}/mine/experiment/mine.yaml: is no YAML in line 2: found duplicate key lr"),
    ("defaults: [override /reg: l3]", "reg=l3: no such choice; the choices of reg are"),
    ("defaults: [override /train: sgdd]", "train=sgdd: no such choice; the choices of train are"),
    (
        "defaults: [override /regg: l1]",
        "In 'experiment/mine': Could not override 'regg'. No match in the default",
    ),
    ("defaults: [nope]", "In 'experiment/mine': Could not load 'experiment/nope'."),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    GlobalHydra.instance().clear()
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], line: str) -> str:
    """The one sentence that a command line is refused with, before anything has run."""
    assert main([*shlex.split(line), "plan=true"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.removeprefix("pruneexp: ").removesuffix("\n")


@pytest.mark.parametrize(("line", "start"), COMPLAINTS, ids=[line for line, _ in COMPLAINTS])
def test_a_bad_request_gets_one_sentence(
    line: str, start: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, line).startswith(start)


@pytest.mark.parametrize(("text", "start"), PRESETS, ids=[text for text, _ in PRESETS])
def test_a_bad_preset_gets_one_sentence(
    text: str, start: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = folder / "mine/experiment/mine.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(f"# @package _global_\n{text}\n")
    said = refused(capsys, "--config-dir mine experiment=mine")
    assert said.startswith(start.replace("{folder}", str(folder)))


def test_a_good_request_passes_silently(capsys: pytest.CaptureFixture[str]) -> None:
    skeleton.register()
    check_command(["-m", "reg=l1,l2", "curve.densities=[0.1,0.5]", "seed=1"])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train.lr=interval(-1,0.1)",), "train.lr=-1: allowed is above 0"),
        (("seed=range(-1,3)", "reg=l1,l2"), "seed=-1: allowed is 0 or more"),
        (("reg=l3,l1",), "reg=l3: no such choice"),
        (("hydra.sweeper.params={seed:'-1,0'}",), "seed=-1: allowed is 0 or more"),
    ],
)
def test_a_sweeper_that_draws_its_jobs_is_checked_by_the_first(words: tuple[str, ...], told: str, folder: Path) -> None:
    skeleton.register()
    with pytest.raises(Exception) as caught:  # noqa: PT011  Hydra's own among them
        check_command(["-m", "hydra/sweeper=optuna", *words])
    assert complaint(caught.value).startswith(told)


def test_own_config_folder_is_searched(tmp_path: Path) -> None:
    skeleton.register()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: torch.nn.Linear\nin_features: 4\nout_features: 4\n")
    check_command(["--config-dir", str(tmp_path), "model=mine"])
