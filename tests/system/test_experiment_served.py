"""Networks as logged models: the same outputs, no pickle, logged once; and the load of the machine on request."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import pyfunc, set_tracking_uri
from mlflow.tracking import MlflowClient
from safetensors.torch import load_file

from pruneexp import schema
from pruneexp.errors import UserError
from pruneexp.experiment import served
from pruneexp.models.adapt import adapt
from pruneexp.tracking import models, monitor
from tests.contracts.composing import small
from tests.contracts.jobs import job_of, ran, runs
from tests.contracts.records import fresh_store

ASKED = ("runtime.models=all", "curve.densities=[0.5,0.1]", "model=lenet5", "data.image_size=16")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    fresh_store(folder)
    for _ in range(2):
        ran(folder, *ASKED)
    return folder


def test_a_logged_network_gives_the_same_outputs_and_is_no_pickle(folder: Path) -> None:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    models = client.search_logged_models(["1", "2"])
    assert sorted(model.name.split()[0] for model in models) == ["dense", "final", "final"]  # each once
    learner = job_of(*small(folder, *ASKED)).setting.learner
    images = torch.rand(5, *learner.data.value.shape)
    set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    for model in models:
        weights = next(Path(folder, "store").rglob(f"{model.tags[schema.NETWORK_KEY]}*/*.safetensors"))
        network = learner.network("fresh")
        network.load_state_dict(load_file(weights))
        with torch.no_grad():
            expected = network.eval()(adapt(images, learner.input_shape)).numpy()
        loaded = pyfunc.load_model(f"models:/{model.model_id}")
        assert np.array_equal(loaded.predict(images.numpy()), expected)
        assert loaded.metadata.signature.inputs.inputs[0].shape == (-1, 1, 16, 16)
    files = {path.suffix for path in (folder / "mlruns").rglob("models/**/*") if path.is_file()}
    assert files == {"", ".json", ".safetensors"}


def test_a_network_belongs_to_its_point(folder: Path) -> None:
    for run in runs(folder):
        outputs = MlflowClient(f"sqlite:///{folder}/mlflow.db").get_run(run.info.run_id).outputs
        assert outputs is not None
        assert len(outputs.model_outputs) == 1 + (run.data.params["budget.value"] == "0.5")


def test_the_machine_is_watched_on_request(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_INTERVAL", 0.1)
    (curve,) = runs(folder, "curve")
    client, name = MlflowClient(f"sqlite:///{folder}/mlflow.db"), "system/cpu_utilization_percentage"
    assert name not in curve.data.metrics
    client.update_run(curve.info.run_id, status="RUNNING")  # of one that has ended MLflow samples nothing
    with monitor.monitored(f"sqlite:///{folder}/mlflow.db", curve.info.run_id):
        while name not in client.get_run(curve.info.run_id).data.metrics:  # pytest's timeout ends it
            time.sleep(0.1)


def test_a_job_has_the_machine_watched_where_it_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_INTERVAL", 0.05)
    fresh_store(tmp_path)
    ran(tmp_path, "runtime.system_metrics=true", "train.epochs=10")
    (curve,) = runs(tmp_path, "curve")
    assert 0 <= curve.data.metrics["system/cpu_utilization_percentage"] <= 100
    assert not any(name.startswith("system/") for run in runs(tmp_path) for name in run.data.metrics)


def test_a_network_from_a_stranger_is_refused(tmp_path: Path) -> None:
    served.write(tmp_path, {"_target_": "os.getcwd"}, (1, 2, 2), {})
    with pytest.raises(UserError, match=r"model\._target_=os\.getcwd is not allowed"):
        served.read(tmp_path)
    served.write(tmp_path, {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}, (1, 2, 2), {})
    with pytest.raises(UserError, match="belongs to another architecture: it has no weight"):
        served.read(tmp_path)
    assert json.loads((tmp_path / "network.json").read_text())["input_shape"] == [1, 2, 2]


def test_a_network_of_ones_own_is_loaded_where_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_served.py").write_text(
        "from torch import nn\n\n\nclass Small(nn.Sequential):\n"
        "    def __init__(self):\n        super().__init__(nn.Flatten(), nn.Linear(4, 3))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    weights = {"1.weight": torch.ones(3, 4), "1.bias": torch.zeros(3)}
    write = partial(served.write, model={"_target_": "own_served.Small"}, input_shape=(1, 2, 2), weights=weights)
    network = models.Network("mine", "0", served.__name__, (1, 2, 2), (3,), write)
    network.write(folder / "data")
    models._write_description(folder, network, "m-0")
    with pytest.raises(UserError, match=r"_target_=own_served\.Small is not allowed"):
        pyfunc.load_model(str(folder))
    loaded = pyfunc.load_model(str(folder), model_config={"allow": ["own_served"]})
    assert loaded.predict(np.ones((1, 1, 2, 2), dtype=np.float32)).tolist() == [[4, 4, 4]]


def test_without_psutil_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with (
        pytest.raises(UserError, match=r"pip install -e '\.\[monitor\]'"),
        monitor.monitored("sqlite:///nowhere", "run"),
    ):
        pass
