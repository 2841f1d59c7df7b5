"""The result of an allocation, how many weights each layer keeps, and checks that allocations share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.allowance import Allowance
from pruneexp.schema import Budget

#: Whether what layers keep is known before training, or found on the trained network (Liu et al. 2019, Figure 2).
Targets = Literal["predefined", "discovered"]


def targets_of(allocation: object) -> Targets:
    """What an allocation says of itself as ``targets``; ``discovered`` of one that says nothing."""
    said: Targets = getattr(allocation, "targets", "discovered")
    return said


class InputGroups(NamedTuple):
    """Of ``size`` consecutive weights ``keep`` stay: along the inputs of one output, place after place of a kernel."""

    size: int
    keep: int


class KernelPlaces(NamedTuple):
    """How many of the weights at each place of a layer's kernels stay, place after place."""

    keep: tuple[int, ...]


@dataclass(frozen=True)
class Allotment:
    """Weights kept per layer; ``qualities`` holds each layer's q_l where thresholds in standard deviations decided.

    A layer with ``groups`` keeps the best of each of its groups instead of its best, without regard to ``min_keep``.
    """

    keep: Mapping[str, int]
    qualities: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, InputGroups | KernelPlaces] = field(default_factory=dict)


@runtime_checkable
class CheckedAllocation(Protocol):
    """An allocation that does not take all layers, budgets or units, which it is asked before anything is trained.

    ``grouped`` says that its allotments have groups.
    """

    @property
    def grouped(self) -> bool: ...

    def check(self, weights: Mapping[str, Tensor], budgets: Sequence[Budget], unit: str) -> None:
        """Look at the shapes of the weights in scope, and at the budgets of all rounds; ``unit`` as in ``Allowance``.

        Where a unit is no single weight, ``weights`` has a number for each unit, flat.

        Raises:
            UserError: says what does not fit, and what to set.
        """


@runtime_checkable
class GuidedAllocation(Protocol):
    """A class of allocations that follow a file, and are fitted to the sizes of the maps of a network."""

    @staticmethod
    def contents(settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of one, with what a file holds in the place of its name: what is hashed and recorded.

        Raises:
            UserError: a file cannot be read.
        """
        ...

    def fitted(self, maps: Mapping[str, int]) -> Any:
        """The same for a network whose convolutions, by name, give maps of so many pixels."""
        ...


def check_single(unit: str, reason: str) -> None:
    """Refuse units of several weights.

    Raises:
        UserError: begins with the ``reason``.
    """
    if unit != "weight":
        raise UserError(f"{reason}, and criterion.unit is a {unit}: leave criterion.unit out")


def share_of(allowance: Allowance) -> float:
    """What each layer keeps when all keep the same share, for allocations that set no thresholds.

    Raises:
        UserError: the budget is a quality parameter.
    """
    if allowance.budget.kind == "quality":
        raise UserError(
            f"Quality {allowance.budget.value:g} asked for, but only the layer_std allocation takes qualities; "
            "give densities in (0, 1], or choose criterion=layer_std."
        )
    return allowance.share


def layer_name(given: object, layers: Collection[str], where: str) -> str:
    """The layer whose name YAML or Hydra read as ``given``, a number, a truth value or null: "5" for 5, "1.10" for 1.1.

    Without such a layer, the value as text.

    Raises:
        UserError: YAML and Hydra read the names of several layers as this value.
    """
    if isinstance(given, str):
        return given
    meant = [name for name in layers if type(_read(name)) is type(given) and _read(name) == given]
    if len(meant) > 1:
        raise UserError(f"{where}: {given} can be {' or '.join(meant)}; in a file, a name in quotes is taken as it is")
    text = str(given).lower() if isinstance(given, bool) else "null" if given is None else str(given)
    return meant[0] if meant else text


def _read(name: str) -> object:
    """The value as which YAML and Hydra read a text."""
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False, "null": None}
    for kind in (int, float):
        try:
            return kind(name)
        except ValueError:
            continue
    return words.get(name.lower(), name)


def check_layers(named: Collection[str], layers: Collection[str], where: str) -> None:
    """Check that all names are layers in the scope of pruning.

    Raises:
        UserError: a name is no layer; the message lists the unknown and the known layers.
    """
    unknown = [name for name in named if name not in layers]
    if unknown:
        raise UserError(f"{where} names unknown layers {', '.join(unknown)}; layers are {', '.join(layers)}.")
