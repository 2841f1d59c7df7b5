"""Drop rates of whole jobs, of networks that drop in unusual ways."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from mlflow.artifacts import download_artifacts

from pruneexp import schema
from pruneexp.errors import UserError
from pruneexp.tracking import default_uri
from tests.contracts.dropping import Shared
from tests.contracts.jobs import built, ran, runs
from tests.contracts.studies import recording

OWN = "runtime.allow=[tests]"
SHARED = (OWN, "model._target_=tests.contracts.dropping.Shared")
FUNCTIONAL = (OWN, "model._target_=tests.contracts.dropping.Functional")


def test_a_shared_dropout_is_retrained_at_the_rate_of_each_call(tmp_path: Path) -> None:
    Shared.rates.clear()
    ran(recording(tmp_path), *SHARED, "dropout=scaled", "train.epochs=1", "curve.densities=[0.2]")
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


@pytest.mark.parametrize("kind", ["F", "alpha", "1d", "torch", "sdpa", "mha", "lstm"])
@pytest.mark.parametrize("policy", ["none", "scaled"])
def test_functional_dropout_is_refused_when_the_job_is_built(kind: str, policy: str) -> None:
    state = torch.get_rng_state()
    with pytest.raises(UserError, match=rf"^dropout={policy} cannot reach the functional dropout in Functional") as e:
        built(*FUNCTIONAL, f"+model.kind={kind}", f"dropout={policy}")
    assert str(e.value).endswith("; use dropout=fixed or an nn.Dropout")
    assert torch.equal(torch.get_rng_state(), state)


def test_functional_dropout_is_trained_as_it_is(tmp_path: Path) -> None:
    ran(recording(tmp_path), *FUNCTIONAL, "+model.kind=F", "dropout=fixed", "curve.densities=[0.5]")
    assert [run.info.status for run in runs(tmp_path)] == ["FINISHED"]
