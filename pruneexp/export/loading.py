"""The lines of Python that load an exported network, as text: they name its class and its arguments, and no record."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from pruneexp.errors import UserError

#: What Hydra reads in a node, beside the arguments.
_OF_HYDRA = ("_target_", "_args_", "_convert_", "_recursive_")


def loading_lines(
    node: Mapping[str, Any],
    weights: str,
    *,
    own: Sequence[str] = (),
    lazy: tuple[int, ...] | None = None,
    architecture: str | None = None,
) -> list[str]:
    """The lines that make the network of a ``node`` and load the weights of the file ``weights``, an expression.

    ``architecture`` is that of the file which says what is left of a network without channels.

    ``own`` are modules of the user's; ``lazy`` is the shape of an input from which lazy layers take their sizes, None
    where there are none.

    Raises:
        UserError: a target of the node cannot be imported.
    """
    modules: dict[str, None] = {}
    made = _call(without_pretrained(node), modules)
    remarks = {name: "  # yours: its folder belongs on PYTHONPATH" for name in modules if name.split(".")[0] in own}
    if lazy:
        modules["torch"] = None
    return [
        *(f"import {name}{remarks.get(name, '')}" for name in modules),
        *(["from pruneexp.pruning.removal import read_architecture, shrink_"] if architecture else []),
        "from safetensors.torch import load_file",
        f"network = {made}",
        *([f"network(torch.zeros(2, {', '.join(map(str, lazy))}))"] if lazy else []),
        *([f"shrink_(network, read_architecture({architecture}))"] if architecture else []),
        f"network.load_state_dict(load_file({weights}))",
        "network.eval()",
    ]


def without_pretrained(node: Mapping[str, Any]) -> dict[str, Any]:
    """The node of a network that is given its weights, and so need not fetch any."""
    return {**node, **({"pretrained": False} if node.get("pretrained") else {})}


def has_lazy_layers(network: nn.Module) -> bool:
    """Whether a network that has not run yet leaves sizes to its first inputs."""
    return any(is_lazy(parameter) for parameter in network.parameters())


def _call(node: Mapping[str, Any], modules: dict[str, None]) -> str:
    """A node as the call that it stands for; its module joins ``modules``."""
    target = str(node["_target_"])
    modules[_module(target)] = None
    positional = [_text(value, modules) for value in node.get("_args_", ())]
    named = [f"{key}={_text(value, modules)}" for key, value in node.items() if key not in _OF_HYDRA]
    return f"{target}({', '.join([*positional, *named])})"


def _text(value: Any, modules: dict[str, None]) -> str:
    if isinstance(value, Mapping):
        if "_target_" in value:
            return _call(value, modules)
        return "{" + ", ".join(f"{key!r}: {_text(each, modules)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(each, modules) for each in value) + "]"
    return repr(value)


def _module(target: str) -> str:
    """The module that a target lies in: the longest beginning that can be imported."""
    name = target.rpartition(".")[0]
    while name:
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError:
            name = name.rpartition(".")[0]
            continue
        assert isinstance(found, ModuleType)
        return name
    raise UserError(f"the module of {target} cannot be imported")
