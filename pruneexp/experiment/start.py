"""The weights that dense training starts from: a file is read without running what is in it, and fitted to a network.

Knows what people wrap weights in, and how wrappers of networks rename them; knows no network.
"""

from __future__ import annotations

import argparse
import json
import re
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from pruneexp.errors import UserError, first_line, guess
from pruneexp.schema import PointIdentity, unflatten

#: What an export is, as JSON, and its files that training can start from; in one folder.
ABOUT, WEIGHTS, PICKLED = "export.json", "weights.safetensors", "weights.pt"
#: Where checkpoints keep the weights beside other things; of several the first is taken, so averages come last.
WRAPPINGS = (
    *("state_dict", "model_state_dict", "model", "network", "net", "module", "weights", "params"),
    *("ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "ema"),
)
#: What wrappers of networks put before the names of parameters: DataParallel, Lightning, torch.compile, averages.
PREFIXES = ("module.", "model.", "_orig_mod.", "network.", "net.")

#: What stands beside weights in the files of training scripts and holds numbers and texts alone: options, scores.
_SCALAR: Any = np.float64(0).__reduce__()[0]
_PLAIN: tuple[Any, ...] = (
    argparse.Namespace,
    np.dtype,
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "?")),
)

_CODE = re.compile(r"(?:GLOBAL|class) ([\w.]+)|with (TorchScript) archives")
_NAMED = 5  # parameters that a sentence names


def read_weights(path: str) -> dict[str, Tensor]:
    """The tensors in ``train.start_from``, by the names that they have in the file.

    Files that end with ``.safetensors`` hold nothing else; all others are read as torch writes them, tensors and plain
    values alone.

    Raises:
        UserError: the file cannot be read, holds objects that code would have to make, or holds no weights by name.
    """
    file = Path(path).expanduser()
    if file.suffix == ".safetensors":
        try:
            return load_file(file)
        except Exception as error:
            raise UserError(
                f"train.start_from={path} is not a readable .safetensors file: {first_line(error)}"
            ) from error
    try:
        with torch.serialization.safe_globals([*_PLAIN]), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of TorchScript, which is refused
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unreadable(path, error) from error
    return _unwrapped(path, content)


def name_of(path: str) -> str:
    """What records call the file ``train.start_from``: of an export its point in words, else the name of the file.

    ``resnet18 scratch_e d=0.5`` are the network, the mode and the budget; ``resnet18 unpruned`` is one whose budget
    prunes nothing.
    """
    file = Path(path).expanduser()
    if file.name not in (WEIGHTS, PICKLED):
        return file.name
    try:
        of = unflatten(PointIdentity, json.loads(file.with_name(ABOUT).read_text(encoding="utf-8"))["identity"])
    except (OSError, ValueError, KeyError, TypeError):
        return file.name
    return f"{of.model} unpruned" if of.budget.prunes_nothing else f"{of.model} {of.mode} {of.budget.text}"


def fitted(
    own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: str, fresh: Sequence[str]
) -> dict[str, Tensor]:
    """The state of a network with the ``tensors`` of a file in it, all under the names that are its ``own``.

    The file may hold a part of the network, such as the backbone of a detector, under the names of that part.
    Parameters whose name, or the beginning of it, stands in ``fresh`` stay as they are in ``own``; so do counts of the
    batches that normalisations have seen, which old files lack.

    Raises:
        UserError: names and shapes do not fit, or one of ``fresh`` names nothing; names what differs and what to do.
    """
    given = _renamed(tensors, own.keys())
    part = _part(given, own.keys())
    given = {part + name if part + name in own else name: tensor for name, tensor in given.items()}
    for each in fresh:
        if not any(_covers(each, name) for name in (*own, *given)):
            modules = list(dict.fromkeys(name.rpartition(".")[0] or name for name in own))
            nearest = guess(each, modules) or f"; its last layer is {modules[-1]}"
            raise UserError(f"train.start_from_except: {each} names no parameter of the model{nearest}")
    staying = {
        name: tensor
        for name, tensor in own.items()
        if _any_covers(fresh, name) or (name not in given and name.endswith("num_batches_tracked"))
    }
    given = {name: tensor for name, tensor in given.items() if not _any_covers(fresh, name)}
    if odd := _differences(own, given, staying):
        raise _misfit(own, given, odd, path, fresh, part)
    return {**given, **staying}


def _unreadable(path: str, error: Exception) -> UserError:
    said = str(error)
    if found := _CODE.search(said):
        return UserError(
            f"train.start_from={path} holds more than tensors ({found[1] or found[2]}), which would have to run code: "
            "nothing of it was run; save the weights alone, with torch.save(network.state_dict(), FILE) or as "
            ".safetensors"
        )
    why = getattr(error, "strerror", None) or "it is damaged, or not written by torch.save"
    return UserError(f"train.start_from={path} is not a readable file of weights: {why}")


def _unwrapped(path: str, content: Any) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        for key in WRAPPINGS:
            if isinstance(content.get(key), Mapping):
                return _unwrapped(path, content[key])
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
    keys = f" under {', '.join(map(str, list(content)[:_NAMED]))}" if isinstance(content, Mapping) and content else ""
    raise UserError(
        f"train.start_from={path} holds no weights by name, but a {type(content).__name__}{keys}: allowed is a "
        f"state_dict, or one under a key such as {', '.join(WRAPPINGS[:3])}"
    )


def _renamed(tensors: Mapping[str, Tensor], own: Collection[str]) -> Mapping[str, Tensor]:
    """The same without the prefixes of wrappers, as many as make the names of most parameters the network's own."""
    best = tensors
    for prefix in PREFIXES:
        below = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if below:
            candidate = _renamed(below, own)
            best = max(best, candidate, key=lambda named: len(named.keys() & set(own)))
    return best


def _part(given: Collection[str], own: Collection[str]) -> str:
    """What comes before the names of a file in a network that it is a part of; empty where that holds for few names."""
    counts = Counter(key.removesuffix(name) for name in given for key in own if key.endswith(f".{name}"))
    part, most = counts.most_common(1)[0] if counts else ("", 0)
    return part if most > max(len(given) / 2, len({*given} & {*own})) else ""


def _differences(own: Mapping[str, Tensor], given: Mapping[str, Tensor], staying: Collection[str]) -> dict[str, str]:
    """What differs between file and network, in words, by the name of the parameter."""
    odd: dict[str, str] = {}
    for name, tensor in own.items():
        if name in staying:
            continue
        if name not in given:
            odd[name] = f"it has no {name}"
        elif given[name].shape != tensor.shape:
            there, here = tuple(given[name].shape), tuple(tensor.shape)
            odd[name] = f"{name} has shape {there} there and {here} in this network"
    return odd | {name: f"this network has no {name}" for name in given if name not in own}


def _misfit(
    own: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    odd: Mapping[str, str],
    path: str,
    fresh: Sequence[str],
    part: str,
) -> UserError:
    if part and not any(name.startswith(part) for name in odd):
        rest = [_beside(part, name) if name in own else name.partition(".")[0] for name in odd]
        names = ",".join(dict.fromkeys([*fresh, *rest]))
        return UserError(
            f"train.start_from={path} has the weights of {part[:-1]} alone; train.start_from_except=[{names}] has the "
            "rest start fresh"
        )
    more = f", and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
    told = "; ".join(list(odd.values())[:_NAMED]) + more
    if head := _head(own, given, odd):
        names = ",".join(dict.fromkeys([*fresh, *head]))
        cure = f"train.start_from_except=[{names}] has that part start fresh"
        return UserError(f"train.start_from={path} fits this network but for its head: {told}; {cure}")
    return UserError(f"train.start_from={path} belongs to another architecture: {told}")


def _head(own: Mapping[str, Tensor], given: Mapping[str, Tensor], odd: Collection[str]) -> list[str]:
    """What to leave out, where file and network differ in the last layer alone, or in others that stand beside it."""
    last = list(own)[-1].rpartition(".")[0]
    layers = {name.rpartition(".")[0] for name in odd if name in own}
    others = {name.partition(".")[0] for name in odd if name not in own}
    known = {name.partition(".")[0] for name in own if name.rpartition(".")[0] != last}
    if not own.keys() & given.keys() or layers - {last} or others & known:
        return []
    return sorted(layers | others)


def _beside(part: str, name: str) -> str:
    """The largest module with this parameter that does not hold the ``part`` as well."""
    pieces = name.split(".")
    shared = sum(part.startswith(".".join(pieces[:count]) + ".") for count in range(1, len(pieces)))
    return ".".join(pieces[: shared + 1])


def _covers(pattern: str, name: str) -> bool:
    return name == pattern or name.startswith(f"{pattern}.")


def _any_covers(patterns: Sequence[str], name: str) -> bool:
    return any(_covers(pattern, name) for pattern in patterns)
