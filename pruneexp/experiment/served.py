"""Networks handed out as files, and read back: weights as safetensors, the rest as JSON; nothing is unpickled.

``mlflow.pyfunc.load_model`` imports this module by its name; nothing else of a job is needed to load one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pruneexp.config.checks import ALLOWED_TARGETS
from pruneexp.errors import UserError
from pruneexp.experiment.instances import instantiated
from pruneexp.experiment.network import materialise
from pruneexp.experiment.session import Session
from pruneexp.models.adapt import adapt
from pruneexp.schema import PointIdentity
from pruneexp.stages.work import load
from pruneexp.tracking import Network, Tracker

_WEIGHTS, _ABOUT = "weights.safetensors", "network.json"


@dataclass(frozen=True)
class LoadedNetwork:
    """A network in evaluation mode; ``predict`` takes a batch of inputs as its data set has them, and gives outputs.

    Images, normalised (B, c, h, w), may be of another size than the network takes.
    """

    network: nn.Module
    input_shape: tuple[int, ...]

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        batch = torch.as_tensor(inputs)
        with torch.inference_mode():
            outputs: Tensor = self.network(adapt(batch, self.input_shape) if batch.ndim == 4 else batch)
        return outputs.numpy()


def write(
    folder: Path,
    model: Mapping[str, Any],
    input_shape: Sequence[int],
    weights: Mapping[str, Tensor],
    number: str = "float32",
) -> None:
    """Write a network: ``model`` is its node of the configuration, ``number`` the type of its inputs."""
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / _WEIGHTS)
    about = {"model": dict(model), "input_shape": list(input_shape), "number": number}
    (folder / _ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")


def read(folder: Path, allow: Sequence[str] = ()) -> LoadedNetwork:
    """Build a network that was written; ``allow`` names packages of yours that it may come from.

    Raises:
        UserError: it comes from elsewhere, or weights and network do not fit each other.
    """
    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    node = {**about["model"], **({"pretrained": False} if "pretrained" in about["model"] else {})}
    network = instantiated("model", node, (*ALLOWED_TARGETS, *allow))
    if not isinstance(network, nn.Module):
        raise UserError(f"{folder / _ABOUT}: a {type(network).__name__} is not a torch.nn.Module")
    shape = tuple(map(int, about["input_shape"]))
    materialise(network, shape, getattr(torch, about.get("number", "float32")))
    load(network, load_file(folder / _WEIGHTS), str(folder / _WEIGHTS))
    return LoadedNetwork(network.eval(), shape)


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> LoadedNetwork:
    """What MLflow calls; ``model_config={"allow": [...]}`` of ``mlflow.pyfunc.load_model`` is as in ``read``."""
    return read(Path(path), (model_config or {}).get("allow", ()))


def log_networks(session: Session, identities: Sequence[PointIdentity]) -> None:
    """Log the networks that ``runtime.models`` asks for, from the store; those that are missing there were not made.

    They are no part of the record: where they cannot be logged it is said, and the same command logs them later.
    """
    wanted = session.spec.runtime.models.name
    tracker = session.recording.tracker()
    if wanted == "none" or tracker is None:
        return
    try:
        _log(session, identities, wanted, tracker)
    except UserError as error:
        session.display.note(f"everything is recorded, but not every network is logged: {error}")


def _log(session: Session, identities: Sequence[PointIdentity], wanted: str, tracker: Tracker) -> None:
    for of in identities:
        keys = {"dense": of.dense_key, "final": of.final_key}
        for part in ("final",) if wanted == "final" else ("dense", "final"):
            found = session.store.load(keys[part])
            if found is not None:
                tracker.log_network(of.point_key, _network(session, of, part, keys[part], found.tensors))


def _network(session: Session, of: PointIdentity, part: str, key: str, weights: Mapping[str, Tensor]) -> Network:
    learner, data = session.job.setting.learner, session.job.setting.learner.data.value
    budget = f" {of.budget.kind} {of.budget.value:g}" if part == "final" else ""
    name = f"{part} {of.model} {of.data} {of.reg} {of.mode}{budget} seed {of.seed}"
    outputs, _ = learner.task.value.output(data, learner.input_shape)
    number = str(learner.example(1, "number")[0].dtype).removeprefix("torch.")
    shape, model = learner.input_shape, session.spec.values["model"]
    save = partial(write, model=model, input_shape=shape, weights=weights, number=number)
    return Network(name, key, __name__, data.shape, outputs, save, number)
