"""What is written into the folder of an export: weights, masks, graphs, how to load them, and what they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

import pruneexp
from pruneexp.cache import tensors
from pruneexp.errors import redact
from pruneexp.export import folder
from pruneexp.export.formats import Agreement, FormatError, Run, agreement, failing, write_onnx, write_program
from pruneexp.export.loading import loading_lines
from pruneexp.export.lookup import RecordedPoint
from pruneexp.export.network import PrunedNetwork, Smaller
from pruneexp.pruning.keeping import MASKS_FILE
from pruneexp.pruning.removal import write_architecture
from pruneexp.schema import flatten

#: The formats that are written where they are asked for, and their files.
GRAPHS = {"onnx": folder.GRAPH, "torch-export": folder.PROGRAM}


@dataclass
class Written:
    """What came of the graphs: how each agrees with the network, and why others failed."""

    agreements: dict[str, Agreement] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def write(draft: Path, point: RecordedPoint, pruned: PrunedNetwork, formats: Sequence[str]) -> Written:
    """Fill a folder with the network; ``formats`` are further ones: ``pt``, ``onnx``, ``torch-export``.

    A graph that cannot be written is left out, and said in what is returned.

    Raises:
        OSError: the disk refuses.
    """
    state = tensors.packed(pruned.state)
    tensors.write(draft / folder.WEIGHTS, state)
    if pruned.smaller is not None:
        write_architecture(draft / folder.ARCHITECTURE, pruned.smaller.architecture)
    tensors.write(draft / MASKS_FILE, pruned.masks.to_tensors())
    if "pt" in formats:
        torch.save(state, draft / folder.PICKLED)
    done = Written()
    for name, file in GRAPHS.items():
        if name in formats:
            try:
                done.agreements[name] = _graph(name, pruned, draft / file)
            except FormatError as error:
                done.failures.append(str(error))
                for left in (file, f"{file}.data"):
                    (draft / left).unlink(missing_ok=True)
    lines = ["from pathlib import Path", *lines_of(pruned, lambda name: f'Path(__file__).with_name("{name}")')]
    (draft / folder.LOADER).write_text("\n".join([f'"""{_title(point)}."""', "", *lines, ""]), encoding="utf-8")
    about = json.dumps(_about(point, pruned, done), indent=1, default=str)
    (draft / folder.ABOUT).write_text(about, encoding="utf-8")
    return done


def lines_of(pruned: PrunedNetwork, file: Callable[[str], str]) -> list[str]:
    """The lines of Python that load the network; ``file`` gives the expression for a file of the folder."""
    spec, learner = pruned.session.spec, pruned.session.job.setting.learner
    lazy = learner.input_shape if pruned.lazy else None
    small = None if pruned.smaller is None else file(folder.ARCHITECTURE)
    node, weights = spec.values["model"], file(folder.WEIGHTS)
    *made, last = loading_lines(node, weights, own=spec.own, lazy=lazy, architecture=small)
    number = str(pruned.example(1).dtype).removeprefix("torch.")
    return [*made, f"{last}  # takes {number} (N, {', '.join(map(str, learner.input_shape))})"]


def _graph(name: str, pruned: PrunedNetwork, path: Path) -> Agreement:
    data, network = pruned.session.job.setting.learner.data.value, pruned.of_data()
    write_it = write_onnx if name == "onnx" else write_program
    run: Run = write_it(network, pruned.example(2), path)
    with failing(name, "run on val"):
        held = agreement(network, run, data.val.batches(256, torch.device("cpu")), classes=data.classes is not None)
    if held.mistake:
        raise FormatError(f"{name}: what was written is not the network: {held.mistake}")
    return held


def _title(point: RecordedPoint) -> str:
    of = point.identity
    return f"{of.model} on {of.data}, {of.reg}, {of.criterion}, {of.mode}, {of.budget.text}, seed {of.seed}".replace(
        '"', ""
    )


def _about(point: RecordedPoint, pruned: PrunedNetwork, done: Written) -> dict[str, Any]:
    learner = pruned.session.job.setting.learner
    data, masks, example = learner.data.value, pruned.masks, pruned.example(1)
    outputs, label = learner.task.value.output(data, learner.input_shape)
    normalisation = getattr(data.val, "normalisation", None)
    return {
        "point_key": point.identity.point_key,
        "run_id": point.run.run_id,
        "experiment": point.tracker.experiment,
        "tracking_uri": redact(point.tracker.uri),
        "identity": flatten(point.identity),
        "weights": {"kept": masks.kept, "total": masks.total, "density": masks.density},
        **_removed(pruned.smaller),
        "scores": {"recorded": dict(pruned.recorded), "exported": dict(pruned.scores)},
        "differences": pruned.differences,
        "inputs": {
            "type": str(example.dtype).removeprefix("torch."),
            "network": ["N", *learner.input_shape],
            "graphs": ["N", *data.shape],
            "normalisation": None if normalisation is None else asdict(normalisation),
        },
        "outputs": {"shape": ["N", *outputs], "are": label},
        "model": dict(pruned.session.spec.values["model"]),
        "graphs": {name: asdict(held) for name, held in done.agreements.items()},
        "failed": done.failures,
        "versions": {"pruneexp": pruneexp.__version__, "torch": torch.__version__},
    }


def _removed(smaller: Smaller | None) -> dict[str, Any]:
    if smaller is None:
        return {}
    (parameters, fewer), (flop, less) = smaller.parameters, smaller.flop
    return {"removed": {"parameters": fewer, "parameters_dense": parameters, "flop": less, "flop_dense": flop}}
