"""The command as a user types it, in a folder of the user's; in a process of its own where that is the point."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from tests.contracts.commands import called, started, typed, until
from tests.contracts.composing import SMALL, choices
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store


def test_a_plan_computes_and_records_nothing(tmp_path: Path) -> None:
    done = called(tmp_path, *SMALL, "plan=true")
    assert done.returncode == 0, done.stderr
    assert "2 asked, 0 in the store" in done.stdout
    assert "1 to train (2 epochs), 0 in the store" in done.stdout
    assert "recipe    none is tuned for lenet_300_100 on synthetic: 2 epochs of sgd at 0.01" in done.stdout
    assert not (tmp_path / "mlflow.db").exists()


def test_a_typo_ends_at_once_without_a_traceback(tmp_path: Path) -> None:
    done = called(tmp_path, "-m", "reg=l1,l3")
    assert done.returncode == 2
    assert done.stderr == f"pruneexp: reg=l3: no such choice; the choices of reg are {choices('reg')}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_failed_point_gives_status_one_and_is_named(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    done = called(tmp_path, *SMALL, "train.lr=1e20", "train.schedule=constant")
    assert done.returncode == 1
    assert "2 of 2 points failed: d=0.5 (Diverged" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Error executing" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["data=imagenet", "data.root=nowhere"], "nowhere"),
        (["data=mnist", "data.root=nowhere", "data.info.image_size=28"], "data.download=true"),
        (["runtime.tracking_uri=http://127.0.0.1:9"], "127.0.0.1:9"),
        (["train.start_from=other.safetensors"], "train.start_from=other.safetensors is not a readable"),
        (["curve.densities=[0.5,0.1,0.2]"], "curve.densities=[0.5, 0.1, 0.2] is unsorted"),
        (["criterion=layer_magnitude", "criterion.allocation.exempt=[fc9]"], "fc9"),
        (["criterion.layers=[fc1]"], "Unknown kind of layer 'fc1'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_work_ends_at_once(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = called(tmp_path, *SMALL, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1  # one sentence: neither a traceback, nor words of Hydra's


def test_an_unwritable_store_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = called(tmp_path, *SMALL, "runtime.store=file/store")
    assert done.returncode == 2
    assert "file/store" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_network_of_the_users_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "model").mkdir(parents=True)
    (mine / "own_network.py").write_text(
        "from torch import nn\n\n\n"
        "def small(classes: int, width: int) -> nn.Module:\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(144, width), nn.ReLU(), nn.Linear(width, classes))\n"
    )
    (mine / "model" / "mine.yaml").write_text("_target_: own_network.small\nclasses: ${data.info.classes}\nwidth: 16\n")
    fresh_store(tmp_path)
    done = called(tmp_path, "--config-dir", "mine", *SMALL, "model=mine")
    assert done.returncode == 0, done.stderr
    assert {run.data.params["model"] for run in runs(tmp_path)} == {"mine"}


def test_a_module_elsewhere_must_be_allowed_by_name(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("def network():\n    return 3\n")
    bare = ("~model.num_classes", "~model.channels", "~model.image_size", "model._target_=elsewhere.network")
    done = called(tmp_path, *SMALL, *bare)
    assert done.returncode == 2
    assert "runtime.allow=[elsewhere]" in done.stderr
    done = called(tmp_path, *SMALL, *bare, "runtime.allow=[elsewhere]")
    assert done.returncode == 2
    assert "returned a int, not a torch.nn.Module" in done.stderr


def test_a_folder_cannot_pass_the_standard_library_off_as_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "os.py").write_text("")
    (tmp_path / "mine" / "model" / "mine.yaml").write_text("_target_: os.system\ncommand: touch harm\n")
    done = called(tmp_path, "--config-dir", "mine", *SMALL, "model=mine")
    assert done.returncode == 2
    assert "model._target_=os.system is not allowed" in done.stderr
    assert not (tmp_path / "harm").exists()


def test_a_class_smuggled_through_an_allowed_package_is_refused(tmp_path: Path) -> None:
    done = called(tmp_path, *SMALL, "model._target_=pruneexp.provenance.subprocess.run", "~model.channels")
    assert done.returncode == 2
    assert "not allowed" in done.stderr


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    with started(tmp_path, *SMALL, "train.epochs=1000000", "runtime.checkpoint_seconds=0") as process:
        until(lambda: any(tmp_path.glob("store/work/*/*")), "the first checkpoint: training is on", process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "pruneexp: interrupted; the same command goes on where this one stopped\n"
    assert [run.info.status for run in runs(tmp_path, "curve")] == ["KILLED"]


def test_a_command_called_here_leaves_this_process_as_it_was(tmp_path: Path) -> None:
    def process() -> tuple[object, ...]:
        state = (Path.cwd(), list(sys.argv), list(sys.path), dict(os.environ), torch.get_num_threads())
        return *state, signal.getsignal(signal.SIGTERM), "own_network" in sys.modules

    before = process()
    (tmp_path / "own_network.py").write_text("from torch import nn\n\n\nclass Small(nn.Flatten):\n    pass\n")
    bare = ("~model.num_classes", "~model.channels", "~model.image_size", "model._target_=own_network.Small")
    done = called(tmp_path, *SMALL, *bare, "runtime.allow=[own_network]", "runtime.threads=3", "plan=true")
    assert done.returncode == 2
    assert "the model gives a tensor of shape (2, 144)" in done.stderr  # it was loaded, and built
    assert process() == before


@pytest.mark.parametrize(
    ("program", "words", "status", "sentence"),
    [
        ("pruneexp.status", (), 0, "no sweep lies in .pruneexp/sweeps"),
        ("pruneexp.dashboard", ("--tracking-uri", "ftp://nowhere"), 2, "pruneexp.dashboard: "),
    ],
)
def test_other_commands_run_as_processes_too(
    program: str, words: tuple[str, ...], status: int, sentence: str, tmp_path: Path
) -> None:
    done = typed(tmp_path, *words, program=program)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert sentence in done.stdout + done.stderr


def test_help_lists_every_group(tmp_path: Path) -> None:
    done = called(tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for group in ("model", "reg", "mode"):
        assert f"{group}: {choices(group)}\n" in done.stdout


def test_a_preset_of_the_users_keeps_its_records_where_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_KEY", "s3cret")
    secret = {"source": "http://ann:${oc.env:CLOUD_KEY}@lab/"}
    places = {"store": f"{tmp_path}/there/store", "tracking_uri": fresh_store(tmp_path / "there")}
    preset = {"runtime": {**places, "tags": secret}, "train": {"epochs": 0}, "retrain": {"epochs": 0}}
    (tmp_path / "sent/experiment").mkdir(parents=True)
    (tmp_path / "sent/experiment/mine.yaml").write_text("# @package _global_\n" + yaml.safe_dump(preset))
    done = called(tmp_path, "--config-dir", "sent", "experiment=mine", *SMALL)
    assert done.returncode == 0, done.stderr
    assert len(runs(tmp_path / "there")) == 2
    assert (tmp_path / "there/store").is_dir()
    assert not (tmp_path / "mlflow.db").exists()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [str(path) for path in files if b"s3cret" in path.read_bytes()] == []


def test_a_sweep_of_a_home_leaves_nothing_where_it_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    fresh_store(home)
    monkeypatch.setenv("HOME", str(home))
    shapes = {"fc1": (300, 144), "fc2": (100, 300), "fc3": (4, 100)}
    weights = {f"{layer}.weight": torch.ones(shape) for layer, shape in shapes.items()}
    biases = {f"{layer}.bias": torch.ones(shape[0]) for layer, shape in shapes.items()}
    save_file(weights | biases, home / "w.safetensors")
    words = ["-m", *SMALL, "train.epochs=0", "retrain.epochs=0", "train.start_from=~/w.safetensors", "seed=0",
             "runtime.store=~/store,~/other", "runtime.sweeps=~/sweeps", "runtime.tracking_uri=sqlite:///~/mlflow.db",
             "runtime.sweep=mine"]  # fmt: skip
    done = called(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert {"other", "store", "sweeps"} <= {path.name for path in home.iterdir()}
    assert len(runs(home)) == 2
    assert (home / "sweeps/mine/00001.json").is_file()
    assert not (tmp_path / ".pruneexp/sweeps").exists()
    assert not (tmp_path / "~").exists()
    assert called(tmp_path, "mine", "--sweeps=~/sweeps", program="pruneexp.status").returncode == 0
    (home / "grid.yaml").write_text("product: {seed: [0, 1]}\n")
    planned = called(tmp_path, "-m", "hydra.sweeper.file=~/grid.yaml", *SMALL, "plan=true")
    assert "4 asked" in planned.stdout
