"""``python -m sweeps`` as a user types it: exit status, and one sentence for what cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweeps.__main__ import main
from tests.contracts.composing import SMALL, choices
from tests.contracts.jobs import runs
from tests.contracts.studies import recording, swept

ROOT = Path(__file__).parents[2]


def said(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 2) -> str:
    """What a command that ends with this status says; it is one sentence."""
    assert swept(folder, *arguments) == status
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert err.startswith("sweeps: ")
    assert err.count("\n") == 1
    return err.removeprefix("sweeps: ").removesuffix("\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "study: choose one, study=knee or study=layer_thresholds or study=sensitivity"),
        ("study=sensitivty", f"study=sensitivty: no such choice; the choices of study are {choices('study')}"),
        ("study=knee study.epsilom=1", "study.epsilom: no such key; the keys of study are confidence, epsilon, lowe"),
        ("study=knee modle=lenet5", "modle: no such key; the groups and keys are "),
        ("study=knee train.lr=0", "train.lr=0: allowed is above 0"),
        ("-m study=knee", "-m: no flag of this command, whose flags are --help, -h, --config-dir, -cd"),
        ("--cfg=job study=knee", "--cfg=job: no such flag; there are --help, --config-dir"),
        ("study=knee --multirun", "--multirun: no flag of this command, whose flags are --help, -h, --config-dir, -cd"),
        ("study=knee study.seeds=0,1", "study.seeds=0,1: a list stands in brackets, 'study.seeds=[0,1]'"),
        ("knee", "knee: write study=knee"),
        ("study=knee reg=l1,l2", "reg=l1,l2: one command runs one job; write a command for each"),
        ("study=knee hydra/launcher=ray", "hydra/launcher=ray: a study asks for its points itself, and runs in this "),
        ("study=knee hydra.launcher.n_jobs=2", "hydra.launcher.n_jobs=2: a study asks for its points itself, and run"),
        ("study=knee hydra/sweeper=optuna", "hydra/sweeper=optuna: a study asks for its points itself, and runs in "),
        ("study=knee hydra.sweeper.trials=3", "hydra.sweeper.trials=3: a study asks for its points itself, and runs"),
        ("--config-dir=nowhere study=knee", "--config-dir nowhere: there is no such folder"),
        ("study=knee study._target_=os.system", "study._target_=os.system is not allowed: targets come from sweeps.st"),
    ],
    ids=lambda value: value.split(" ")[-1] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_does_not_compose_is_one_sentence(
    arguments: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"sweeps: {sentence}")
    assert (out, err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


TYPED = [
    ("layer_thresholds study.trials=0", "study.trials=0: allowed is a whole number, 1 or more"),
    ("layer_thresholds study.sampler=grid",
     "study.sampler=grid: no such choice; there are tpe, gp, nsga2, random, cmaes, greedy"),
    ("layer_thresholds study.sampler=cmaes",
     "sampler=cmaes: CMA-ES takes a single objective; choose tpe, nsga2 or random for several"),
    ("layer_thresholds mode=scratch_e",
     "study=layer_thresholds cuts once and retrains what is left: it needs mode=prune"),
    ("layer_thresholds criterion=global_magnitude",
     ("criterion=global_magnitude has no level of its own for each layer: search with criterion=layer_std (qualities), "
      "criterion=layer_magnitude (densities) or criterion=channel_magnitude (shares of channels)")),
    ("layer_thresholds study.levels=[-1]", "study.levels holds -1: quality parameters are 0 or more"),
    ("knee criterion=layer_std curve.densities=null curve.qualities=[1]",
     "study=knee looks for a density: set curve.qualities to null"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), TYPED, ids=[arguments for arguments, _ in TYPED])
def test_what_does_not_fit_ends_before_anything_is_computed(
    arguments: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(tmp_path, capsys, *f"study={arguments}".split()) == sentence
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "layer_thresholds study.storage=postgresql://me:secret@127.0.0.1:1/x",
            "the study storage postgresql://***@127.0.0.1:1/x cannot be used: ",
        ),
        ("layer_thresholds study.storage=.", "the study storage . cannot be written: Is a directory"),
        ("layer_thresholds study.storage=sqlite:///.", "the study storage sqlite:///. cannot be used: unable to open"),
        ("layer_thresholds runtime.tracking_uri=http://127.0.0.1:9", "No MLflow server answers at http://127.0.0.1:9"),
        ("sensitivity runtime.tracking_uri=http://127.0.0.1:9", "No MLflow server answers at http://127.0.0.1:9"),
        ("knee runtime.tracking_uri=http://127.0.0.1:9", "No MLflow server answers at http://127.0.0.1:9"),
    ],
    ids=lambda value: value if "=" in value else "",
)
def test_what_cannot_be_reached_is_said_before_any_training(
    arguments: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pruneexp.stages.train.train_several", None)
    found = said(recording(tmp_path), capsys, *f"study={arguments}".split())
    assert found.startswith(sentence)
    assert "secret" not in found


def test_an_unknown_layer_and_a_network_that_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording(tmp_path)
    coupled = said(tmp_path, capsys, "study=sensitivity", "study.coupled=[[conv1,fc1]]")
    assert coupled == "coupled names unknown layers conv1; layers are fc1, fc2, fc3."
    diverging = ("train.lr=1e20", "train.schedule=constant", "train.epochs=1")
    found = said(tmp_path, capsys, "study=sensitivity", *diverging)
    assert "learning rate" in found


def test_help_lists_studies_and_options_without_loading_torch_or_optuna() -> None:
    probe = (
        "import json, runpy, sys\n"
        "sys.argv = ['sweeps', '--help', 'study=knee']\n"
        "try:\n    runpy.run_module('sweeps', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "print(json.dumps([name for name in ('torch', 'mlflow', 'optuna') if name in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ
    )
    for line in (
        f"study: {choices('study')}",
        f"model: {choices('model')}",
        "study.epsilon=0.5",
        "study.tolerance=1.1",
    ):
        assert line in done.stdout
    assert "points of val accuracy, or % of another metric" in " ".join(
        done.stdout.split()
    )  # its comment in the study's file
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_plan_computes_and_records_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for study, line in (
        ("sensitivity", "scans     1, 14 levels per layer, without retraining"),
        (
            "layer_thresholds",
            "trials    80 in total, one evaluation each; then 8 finalists and up to 12 baselines, 1 epochs each",
        ),
        ("knee", "densities about 7, 3 seeds each"),
    ):
        assert swept(tmp_path, f"study={study}", "plan=true") == 0
        out, err = capsys.readouterr()
        assert line in out
        assert "1 to train (2 epochs), 0 in the store" in out
        assert err == ""
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_study_of_a_preset_has_its_values(tmp_path: Path) -> None:
    assert swept(recording(tmp_path), "study=sensitivity", "experiment=smoke", "study.densities=[0.5]") == 0
    (scan,) = runs(tmp_path, "scan", experiment="smoke")  # where the preset records
    assert (scan.info.status, scan.data.params["data"]) == ("FINISHED", "synthetic")  # the command line wins


def test_a_study_of_the_users_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    (mine / "study").mkdir(parents=True)
    (mine / "own_study.py").write_text(
        "from dataclasses import dataclass\n\n\n"
        "@dataclass(frozen=True)\nclass Count:\n    factor: int\n\n"
        "    def run(self, session):\n"
        "        session.display.say(f'{len(session.job.budgets) * self.factor} times')\n"
    )
    (mine / "study" / "count.yaml").write_text("_target_: own_study.Count\nfactor: 21\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    assert main(["--config-dir", "mine", *SMALL, "study=count"]) == 0
    assert capsys.readouterr().out == "42 times\n"


def test_the_module_runs_and_its_status_is_the_commands(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sweeps", "study=knee", "train.epochs=-1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sweeps: train.epochs=-1: allowed is 0 or more\n"


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    recording(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("sweeps.trials.Bench.probe", pressed)
        found = said(tmp_path, capsys, "study=layer_thresholds", "study.trials=2", status=130)
    assert found == "interrupted; the same command goes on where this one stopped"
    assert [run.info.status for run in runs(tmp_path, "study")] == ["KILLED"]
    assert swept(tmp_path, "study=layer_thresholds", "study.trials=2") == 0
    assert [run.info.status for run in runs(tmp_path, "study")] == ["FINISHED"]
