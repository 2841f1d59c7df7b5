"""What is written into the folder of an export: weights, masks, graphs, how to load them, and what they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

import pruneexp
from pruneexp.cache import tensors
from pruneexp.cost.storage import CONV_INDEX_BITS, INDEX_BITS
from pruneexp.errors import UserError, redact
from pruneexp.experiment.start import ABOUT, PICKLED, WEIGHTS
from pruneexp.export import folder, relative_index
from pruneexp.export.formats import Agreement, FormatError, Run, agreement, failing, write_onnx, write_program
from pruneexp.export.loading import loading_lines
from pruneexp.export.lookup import RecordedPoint
from pruneexp.export.network import PrunedNetwork, Smaller
from pruneexp.pruning.keeping import MASKS_FILE
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal import write_architecture
from pruneexp.schema import flatten

#: The formats that are written where they are asked for, and their files.
GRAPHS = {"onnx": folder.GRAPH, "torch-export": folder.PROGRAM}


@dataclass
class Written:
    """What came of the graphs: how each agrees with the network, and why others failed.

    ``relative_bytes`` are those of all tensors with relative indices, the header of the file left out.
    """

    agreements: dict[str, Agreement] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    relative_bytes: int = 0


def write(draft: Path, point: RecordedPoint, pruned: PrunedNetwork, formats: Sequence[str]) -> Written:
    """Fill a folder with the network; ``formats`` are further ones: ``pt``, ``relative-index``, ``onnx``, ...

    A graph that cannot be written is left out, and said in what is returned.

    Raises:
        OSError: the disk refuses.
    """
    state = tensors.packed(pruned.state)
    tensors.write(draft / WEIGHTS, state)
    if pruned.smaller is not None:
        write_architecture(draft / folder.ARCHITECTURE, pruned.smaller.architecture)
    tensors.write(draft / MASKS_FILE, pruned.masks.to_tensors())
    if "pt" in formats:
        torch.save(state, draft / PICKLED)
    done = Written()
    if "relative-index" in formats:
        done.relative_bytes = write_relative(draft / folder.RELATIVE, pruned.network, pruned.masks)
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
    (draft / ABOUT).write_text(about, encoding="utf-8")
    return done


def write_relative(path: Path, network: nn.Module, masks: MaskSet) -> int:
    """Write the weights of a network with relative indices; the bytes of all its tensors there.

    Raises:
        UserError: it has numbers of a type that numpy lacks.
    """
    layers, first, same = prunable(network), dict[int, str](), dict[str, str]()
    for name, tensor in network.state_dict(keep_vars=True).items():
        if tensor.dtype == torch.bfloat16:
            raise UserError(f"--relative-index: {name} is of bfloat16, which numpy lacks")
        if first.setdefault(id(tensor), name) != name:
            same[name] = first[id(tensor)]
    state = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    cut = {layers[name].parameter: masks[name].cpu().numpy() for name in masks if not masks[name].all()}
    kinds = {layer.parameter: layer.kind for layer in layers.values()}
    bits = {name: CONV_INDEX_BITS if kinds[name] == "conv" else INDEX_BITS for name in cut}
    return relative_index.write(path, state, cut, bits, same)


def lines_of(pruned: PrunedNetwork, file: Callable[[str], str]) -> list[str]:
    """The lines of Python that load the network; ``file`` gives the expression for a file of the folder."""
    spec, learner = pruned.session.spec, pruned.session.job.setting.learner
    lazy = learner.input_shape if pruned.lazy else None
    small = None if pruned.smaller is None else file(folder.ARCHITECTURE)
    node, weights = spec.values["model"], file(WEIGHTS)
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
