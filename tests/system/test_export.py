"""``python -m pruneexp.export``: the files are the network of the record, whichever way the point is named."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest
import torch
from mlflow.tracking import MlflowClient
from safetensors.torch import load_file

from pruneexp import schema
from pruneexp.cache.store import Store
from pruneexp.export import __main__ as command
from pruneexp.export import writing
from pruneexp.export.folder import RELATIVE
from pruneexp.export.relative_index import read
from tests.contracts.commands import about, called, exported
from tests.contracts.composing import SMALL, small
from tests.contracts.jobs import job_of, runs
from tests.contracts.own_code import write
from tests.contracts.records import fresh_store

OWN = {
    "own_exported.py": """
        from torch import nn

        class Net(nn.Module):
            def __init__(self, classes, whole=True):
                super().__init__()
                self.input_shape, self.whole = (3, 14, 14), whole
                self.conv, self.head = nn.Conv2d(3, 4, 3), nn.LazyLinear(classes)

            def forward(self, images):
                x = self.conv(images).relu().flatten(1)
                return self.head(x) if self.whole or len(images) < 100 else -self.head(x)
    """,
    "model/own.yaml": "{_target_: own_exported.Net, classes: '${data.info.classes}', whole: true}",
}
OF_OWN = ("--config-dir", "mine", *SMALL, "model=own", "criterion=gradual", "curve.densities=[0.3]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    fresh_store(folder)
    write(folder / "mine", OWN)
    for words in (SMALL, (*SMALL, "seed=1", "reg=l2", "reg.strength=1e-3"), OF_OWN, (*OF_OWN, "model.whole=false")):
        done = called(folder, *words)
        assert done.returncode == 0, done.stderr
    return folder


def test_the_files_are_the_network_of_the_record(folder: Path) -> None:
    status, said, complained = exported(folder, "model=lenet_300_100", "--to", "a/b", "density=0.1", "--pt", "seed=0")
    assert (status, complained) == (0, "")
    to = folder / "a" / "b"
    assert sorted(path.name for path in to.iterdir()) == [
        "export.json", "load.py", "masks.safetensors", "weights.pt", "weights.safetensors",
    ]  # fmt: skip
    of, store = about(to)["identity"], Store(folder / ".pruneexp" / "store")
    for key, file in ((of["final_key"], "weights"), (of["mask_key"], "masks")):
        stored, written = store.load(key), load_file(to / f"{file}.safetensors")
        assert stored is not None
        assert stored.tensors.keys() == written.keys()
        assert all(torch.equal(stored.tensors[name], written[name]) for name in written)
    pickled = torch.load(to / "weights.pt", weights_only=True)
    assert all(torch.equal(pickled[name], tensor) for name, tensor in load_file(to / "weights.safetensors").items())
    scores = about(to)["scores"]
    (run,) = (run for run in runs(folder) if run.data.tags[schema.POINT_KEY] == of["point_key"])
    assert scores["recorded"] == pytest.approx(scores["exported"], rel=1e-6)
    assert scores["recorded"]["test.top1"] == run.data.metrics["test.after.top1"]
    assert f"test.top1 {run.data.metrics['test.after.top1']:.6g}" in said


def test_relative_indices_are_the_network_and_the_bytes_of_the_record(folder: Path) -> None:
    status, said, _ = exported(
        folder, "model=lenet_300_100", "density=0.1", "seed=0", "--to", "small", "--relative-index"
    )
    found, weights = read(folder / "small" / RELATIVE), load_file(folder / "small" / "weights.safetensors")
    assert list(found) == list(job_of(*small(folder)).setting.learner.network("fresh").state_dict())
    assert all(found[name].tobytes() == tensor.numpy().tobytes() for name, tensor in weights.items())
    (run,) = (run for run in runs(folder) if run.data.tags[schema.POINT_KEY] == about(folder / "small")["point_key"])
    counted, size = int(run.data.metrics["network_bytes_sparse"]), (folder / "small" / RELATIVE).stat().st_size
    assert (status, f"  relative indices: {counted:,} of " in said, f": a file of {size:,}" in said) == (0, True, True)
    header = 8 + int.from_bytes((folder / "small" / RELATIVE).read_bytes()[:8], "little")
    assert size == counted + header


def test_its_five_lines_load_it(folder: Path) -> None:
    status, said, _ = exported(folder, "model=lenet_300_100", "density=0.1", "seed=0", "--to", "loaded")
    printed = said.partition("\n\n")[2]
    assert (status, printed.count("\n")) == (0, 5)
    (folder / "printed.py").write_text(printed.replace("'loaded/", f"'{folder}/loaded/"))
    images = torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    network = job_of(*small(folder)).setting.learner.network("fresh").eval()
    network.load_state_dict(load_file(folder / "loaded" / "weights.safetensors"))
    for text in (folder / "loaded" / "load.py", folder / "printed.py"):
        loaded = runpy.run_path(str(text))["network"]
        assert not loaded.training
        assert torch.equal(loaded(images), network(images))


def test_a_point_goes_by_its_run_by_its_key_and_by_conditions(folder: Path) -> None:
    wanted = {"mode": "prune", "budget.value": "0.5", "seed": "1"}
    (run,) = (run for run in runs(folder) if wanted.items() <= run.data.params.items())
    key = run.data.tags["pruneexp.point_key"]
    for words in (
        [run.info.run_id],
        [key],
        [key[:8]],
        ["reg_strength=0.001", "density=5e-1"],
        ["seed=1", "reg=l2", "density=.5"],
    ):
        status, _, complained = exported(folder, *words, "--to", "named")
        assert (status, complained) == (0, "")
        assert about(folder / "named")["point_key"] == key
        assert about(folder / "named")["run_id"] == run.info.run_id


def test_what_names_none_or_several_is_told_what_there_is(folder: Path) -> None:
    curve = next(run for run in runs(folder, "curve") if run.data.params["seed"] == "1")
    for words, sentence in (
        (["seed=1"], "2 recorded points have seed=1; they differ in\n  density  0.1 | 0.5\n  or by key: "),
        ([curve.info.run_id], f"2 recorded points have {curve.info.run_id}; they differ in\n  density  0.1 | 0.5\n"),
        (["seed=1", "density=0.4"], "no recorded point has seed=1 density=0.4; the nearest have\n"),
        (["seeed=1"], "seeed=1: points have no 'seeed' (did you mean seed?); they have density, "),
        (["lenet"], "lenet: a point is named by the id of its run, "),
        (["0" * 32], f"no run and no recorded point has an id or a key that begins with {'0' * 32}\n"),
        ([curve.info.run_id, "--experiment", "none"], "has no experiment 'none'; it has elsewhere, pruneexp "),
        (["seed=1", "density=0.1", "--store", "none"], "There is no result store in none: "),
        (["seed=1", "density=0.1", "--config-dir", "none"], "--config-dir none: there is no such folder"),
        (["model=own"], "they differ in\n  dense_settings  "),
    ):
        status, said, complained = exported(folder, *words, "--to", "refused")
        assert (status, said) == (2, "")
        assert complained.startswith("pruneexp.export: ")
        assert sentence in complained
        assert complained.count("\n") <= 10
    near = exported(folder, "seed=1", "density=0.4", "--to", "refused")[2].splitlines()[1:]
    assert [line.split("  ")[2] for line in near][:2] == ["density=0.5", "density=0.1"]
    assert not (folder / "refused").exists()


def test_of_several_points_the_best_on_val_may_be_asked_for(folder: Path) -> None:
    scores = {run.data.params["budget.value"]: run.data.metrics["val.after.top1"]
              for run in runs(folder) if run.data.params["seed"] == "1" and run.data.params["reg"] == "l2"}  # fmt: skip
    assert len(set(scores.values())) == 2
    assert "or --best takes the one with the best score on val" in exported(folder, "seed=1", "--to", "best")[2]
    status, _, complained = exported(folder, "seed=1", "reg=l2", "--best", "--to", "best")
    assert (status, complained) == (0, "")
    wanted = {"seed": "1", "reg": "l2", "budget.value": max(scores, key=scores.__getitem__)}
    assert about(folder / "best")["run_id"] in {
        run.info.run_id for run in runs(folder) if wanted.items() <= run.data.params.items()
    }


def test_what_was_collected_is_computed_again_with_the_same_bits(folder: Path, tmp_path: Path) -> None:
    assert exported(folder, "seed=1", "density=0.1", "--to", "stored")[0] == 0
    (tmp_path / "store").mkdir()
    words = ("seed=1", "density=0.1", "--store", str(tmp_path / "store"), "--to", str(tmp_path / "again"))
    status, _, complained = exported(folder, *words)
    assert status == 0
    assert "lacks the network: it is computed again by the configuration of the record (dense, mask, " in complained
    assert complained.count("\n") == 1
    for file in ("weights.safetensors", "masks.safetensors"):
        assert (tmp_path / "again" / file).read_bytes() == (folder / "stored" / file).read_bytes()


def test_only_a_free_folder_or_one_of_the_same_point_is_written(folder: Path) -> None:
    assert exported(folder, "seed=1", "density=0.1", "--to", "place", "--pt")[0] == 0
    (folder / "place" / "notes.txt").write_text("mine")
    assert "holds the export of another point" in exported(folder, "seed=1", "density=0.5", "--to", "place")[2]
    assert "holds other files" in exported(folder, "seed=1", "density=0.5", "--to", "mine")[2]
    assert "there is a file of this name" in exported(folder, "seed=1", "density=0.5", "--to", "mlflow.db")[2]
    assert (folder / "place" / "weights.pt").exists()
    assert exported(folder, "seed=1", "density=0.1", "--to", "place")[0] == 0
    assert (folder / "place" / "notes.txt").read_text() == "mine"
    assert not (folder / "place" / "weights.pt").exists()


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (OSError(28, "No space left"), 2)])
def test_a_folder_is_never_there_by_half(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int
) -> None:
    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setattr(writing, "lines_of", interrupted)
    assert exported(folder, "seed=1", "density=0.1", "--to", "half")[0] == status
    assert [path.name for path in folder.iterdir() if "half" in path.name] == []


def test_a_difference_from_the_record_is_said(folder: Path, tmp_path: Path) -> None:
    for name in ("mlflow.db", ".pruneexp"):
        (shutil.copytree if (folder / name).is_dir() else shutil.copy)(folder / name, tmp_path / name)
    (run,) = (run for run in runs(folder) if {"seed": "1", "budget.value": "0.1"}.items() <= run.data.params.items())
    MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").log_metric(run.info.run_id, "val.after.top1", 12.5, step=1)
    status, _, complained = exported(tmp_path, run.info.run_id, "--to", "other")
    assert status == 0
    assert "and 12.5 in the record" in complained
    assert complained.count("\n") == 1
    assert len(about(tmp_path / "other")["differences"]) == 1


# --- a network of the user's own, which takes larger images in colour, and graphs ---


@pytest.fixture(scope="module")
def own(folder: Path) -> dict[bool, str]:
    """The run of the network whose graph is one for all batches, and of the other."""
    found = {
        run.info.run_id: run.data.tags["mlflow.parentRunId"] for run in runs(folder) if "own" in str(run.data.params)
    }
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    texts = {run: Path(client.download_artifacts(curve, "config.yaml")).read_text() for run, curve in found.items()}
    return {"whole: true" in text: run for run, text in texts.items()}


def test_a_network_of_ones_own_needs_its_folder(folder: Path, own: dict[bool, str]) -> None:
    status, _, complained = exported(folder, own[True], "--to", "own")
    assert status == 2
    assert "model._target_=own_exported.Net is not allowed" in complained


def test_graphs_take_the_images_of_the_data_in_any_number(folder: Path, own: dict[bool, str]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra [export] is not installed")
    pytest.importorskip("onnxscript", reason="the extra [export] is not installed")
    words = (own[True], "--config-dir", "mine", "--to", "graphs", "--onnx", "--torch-export")
    status, said, complained = exported(folder, *words)
    assert (status, complained) == (0, "")
    assert "onnx: same top-1 in " in said
    told = about(folder / "graphs")
    assert told["inputs"]["network"] == ["N", 3, 14, 14]
    assert told["inputs"]["graphs"] == ["N", 1, 12, 12]
    assert told["graphs"]["onnx"]["largest_difference"] < 1e-4
    learner = job_of(*small(folder)).setting.learner
    session = onnxruntime.InferenceSession(folder / "graphs" / "network.onnx", providers=["CPUExecutionProvider"])
    program = torch.export.load(folder / "graphs" / "network.pt2").module()
    right = 0
    for images, labels in learner.data.value.val.batches(7, torch.device("cpu")):
        logits = torch.as_tensor(session.run(None, {"inputs": images.numpy()})[0])
        torch.testing.assert_close(logits, program(images), rtol=1e-4, atol=1e-5)
        right += int((logits.argmax(1) == labels).sum())
    assert 100 * right / len(learner.data.value.val) == pytest.approx(told["scores"]["recorded"]["val.top1"])
    masks, weights = (load_file(folder / "graphs" / f"{name}.safetensors") for name in ("masks", "weights"))
    assert all(bool((weights[f"{name}.weight"][~mask] == 0).all()) for name, mask in masks.items())
    kept = sum(int(mask.sum()) for mask in masks.values())
    assert kept == told["weights"]["kept"] < 0.35 * told["weights"]["total"]


def test_a_graph_that_cannot_be_traced_leaves_the_other_files(folder: Path, own: dict[bool, str]) -> None:
    words = (own[False], "--config-dir", "mine", "--to", "untraced", "--torch-export")
    status, said, complained = exported(folder, *words)
    assert status == 1
    assert "import own_exported  # yours: its folder belongs on PYTHONPATH" in said
    assert "network(torch.zeros(2, 3, 14, 14))" in said
    assert complained.startswith("pruneexp.export: torch-export: the graph of the network could not be written: ")
    assert complained.count("\n") == 1
    assert sorted(path.name for path in (folder / "untraced").iterdir()) == [
        "export.json", "load.py", "masks.safetensors", "weights.safetensors",
    ]  # fmt: skip


def test_without_the_extra_its_installation_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pruneexp.export.formats._NEEDED", ("onnx_of_nobody",))
    status, _, complained = exported(folder, "seed=1", "density=0.1", "--to", "extra", "--onnx")
    assert status == 2
    assert "--onnx needs onnx_of_nobody: pip install -e '.[export]'" in complained
    assert command.__doc__ is not None
