"""What jobs of unusual networks record and print."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from mlflow.artifacts import download_artifacts

from pruneexp import schema
from pruneexp.tracking import default_uri
from tests.contracts import brought
from tests.contracts.commands import called
from tests.contracts.composing import SMALL
from tests.contracts.dropping import Shared
from tests.contracts.jobs import ran, runs
from tests.contracts.records import fresh_store

OWN = "runtime.allow=[tests]"
SHARED = (OWN, "model._target_=tests.contracts.dropping.Shared")
FUNCTIONAL = (OWN, "model._target_=tests.contracts.dropping.Functional")


def test_a_shared_dropout_is_retrained_at_the_rate_of_each_call(tmp_path: Path) -> None:
    Shared.rates.clear()
    ran(tmp_path, *SHARED, "dropout=scaled", "train.epochs=1", "curve.densities=[0.2]")
    [run] = runs(tmp_path)
    file = download_artifacts(
        run_id=run.info.run_id, artifact_path=schema.LAYERS_FILE, tracking_uri=default_uri(tmp_path)
    )
    densities = {row["layer"]: row["density"] for row in json.loads(Path(file).read_text())}
    expected = [0.5 * math.sqrt(densities[layer]) for layer in ("fc1", "fc2")]
    assert expected[0] != expected[1]
    retrained = [rate for rate in Shared.rates if rate != 0.5]  # at which the dense network is trained
    assert len(retrained) > 2
    assert retrained == pytest.approx(expected * (len(retrained) // 2))


def test_functional_dropout_is_trained_as_it_is(tmp_path: Path) -> None:
    ran(tmp_path, *FUNCTIONAL, "+model.kind=F", "dropout=fixed", "curve.densities=[0.5]")
    assert [run.info.status for run in runs(tmp_path)] == ["FINISHED"]


def test_records_and_what_is_printed_say_what_is_not_pruned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = brought.overrides(brought.Mixed)
    ran(tmp_path, *own, "curve.densities=[0.5]", "criterion.exclude=['bare*']", "dropout=fixed")
    printed, said = capsys.readouterr().out, "not pruned: bare.0, 5.56 % of the weights"  # 64 of 1,152
    assert f"  warning   {said}\n" in printed
    assert f"\nwarning: {said}\n" in printed.partition("budget")[2]
    for run in (*runs(tmp_path), *runs(tmp_path, "curve")):
        assert run.data.tags[schema.OVERLOOKED] == said
    [run] = runs(tmp_path)
    assert run.data.params["exclude"] == "bare*"
    numbers = {name: round(run.data.metrics[name]) for name in ("weights_kept", "network_kept", "network_total")}
    beside = 12 + 36 + 12 + 24 + 24 + 4  # the scale, and biases of attention, the recurrent layer and the head
    assert numbers == {"weights_kept": 544 + 64, "network_kept": 544 + 64 + beside, "network_total": 1152 + beside}
    assert run.data.metrics["test_examples"] == 102  # a fifth of 512, as the data set splits them
    assert run.data.metrics["flop_total"] > run.data.metrics["flop_dense"]  # attention's own products


def test_layers_that_are_coupled_go_by_numbers_too(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    (tmp_path / "mine/model").mkdir(parents=True)
    target = "_target_: torch.nn.Sequential\n_args_:\n- {_target_: torch.nn.Flatten}\n"
    layers = (f"- {{_target_: torch.nn.Linear, in_features: {a}, out_features: {b}}}\n" for a, b in ((144, 8), (8, 4)))
    (tmp_path / "mine/model/plain.yaml").write_text(target + "- {_target_: torch.nn.ReLU}\n".join(layers))
    words = ["--config-dir", "mine", *SMALL, "model=plain", "study=sensitivity", "study.densities=[0.5]"]
    refused = called(tmp_path, *words, "study.coupled=[[1,4]]", program="sweeps")
    assert refused.returncode == 2
    assert "coupled names unknown layers 4; layers are 1, 3." in refused.stderr
    assert not list(tmp_path.rglob("*.safetensors"))  # said before anything is trained
    done = called(tmp_path, *words, "study.coupled=[[1,3]]", program="sweeps")
    assert done.returncode == 0, done.stderr
    assert " 1+3 " in done.stdout
