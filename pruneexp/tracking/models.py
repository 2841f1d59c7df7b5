"""Networks as MLflow's logged models: a folder with ``MLmodel``, weights as safetensors, and no pickle in it.

Knows MLflow's format and where models belong; not what is in a network's files, nor how one is built from them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pruneexp import schema
from pruneexp.tracking.runs import Runs

_DATA = "data"
#: MLflow refuses these in a model's name.
_REFUSED = str.maketrans(dict.fromkeys("/:.%\"'", "_"))


@dataclass(frozen=True)
class Network:
    """A network to log once under its ``key``.

    ``loader`` is the module whose ``_load_pyfunc`` reads the folder that ``write`` fills. ``inputs`` is the shape of an
    input, of the type ``number`` (``float32``, ``int64``), and ``outputs`` that of what the network gives for it.
    """

    name: str
    key: str
    loader: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    write: Callable[[Path], None]
    number: str = "float32"


def log_network(runs: Runs, point_key: str, network: Network) -> str | None:
    """Log a network as an output of the run of a point; None where there is no such point, or the model is there."""
    of = {f"tags.{schema.KIND}": "point", f"tags.{schema.POINT_KEY}": point_key, "attributes.status": "FINISHED"}
    point = next(runs.find(of), None)
    known = runs.client.search_logged_models([runs.experiment_id], f"tags.`{schema.NETWORK_KEY}` = '{network.key}'")
    if point is None or any(str(model.status) == "READY" for model in known):
        return None
    from mlflow.entities import LoggedModelOutput

    model = runs.client.create_logged_model(
        runs.experiment_id,
        network.name.translate(_REFUSED),
        source_run_id=point.info.run_id,
        tags={schema.NETWORK_KEY: network.key},
        model_type="pruneexp",
    )
    with tempfile.TemporaryDirectory(prefix="pruneexp-model-") as folder:
        (Path(folder) / _DATA).mkdir()
        network.write(Path(folder) / _DATA)
        _write_description(Path(folder), network, model.model_id)
        runs.client.log_model_artifacts(model.model_id, folder)
    runs.client.finalize_logged_model(model.model_id, "READY")
    runs.client.log_outputs(point.info.run_id, [LoggedModelOutput(model.model_id, 0)])
    return str(model.model_id)


def _write_description(folder: Path, network: Network, model_id: str) -> None:
    """``MLmodel`` with the signature: inputs as the data set has them, outputs."""
    import numpy as np
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(network.number), (-1, *network.inputs))]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, *network.outputs))]),
    )
    model = Model(signature=signature, model_id=model_id)
    # MLflow drops what a caller's model_config says of keys that are not named here.
    pyfunc.add_to_model(model, loader_module=network.loader, data=_DATA, model_config={"allow": []})
    model.save(str(folder / "MLmodel"))
