"""Residual branches taken out of a network: constants stand in place of their modules, in code that stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pruneexp.pruning.branches import Branch
from pruneexp.tracing.mode import evaluating

#: Numbers that differ by less, relative to the largest, are the same: sums in another order.
_SAME = 1e-5
#: The shape of the constant of each module that is gone, by name; None where it gives zeros.
Shapes = Mapping[str, Sequence[int] | None]


class StandIn(nn.Module):
    """Gives the same for every input, in the shape of that; in place of attention, with None for its weights."""

    def __init__(self, shape: Sequence[int] | None, *, attention: bool) -> None:
        super().__init__()
        self.constant = None if shape is None else nn.Parameter(torch.zeros(*shape))
        self.attention = attention

    def forward(self, inputs: Tensor, *others: Tensor, **options: object) -> Tensor | tuple[Tensor, None]:
        outputs = torch.zeros_like(inputs)
        if self.constant is not None:
            outputs = outputs + self.constant
        return (outputs, None) if self.attention else outputs


def stand_in_(network: nn.Module, shapes: Shapes) -> None:
    """Put stand-ins in place of modules, with constants that are zero yet."""
    for name, shape in shapes.items():
        above, _, own = name.rpartition(".")
        attention = isinstance(network.get_submodule(name), nn.MultiheadAttention)
        setattr(network.get_submodule(above), own, StandIn(shape, attention=attention))


def without_branches(
    masked: nn.Module, branches: Sequence[Branch], example: Tensor
) -> tuple[nn.Module, tuple[Branch, ...], Shapes]:
    """A copy without these branches, which add constants, those of them that are gone, and what stands in their place.

    A branch stays where the code between its modules needs what they give: ``example``, a batch (N, ...) of inputs, and
    another made of it, run through each copy that is tried.
    """
    with evaluating(masked), torch.no_grad():
        inputs = (example, example.roll(1, -1))
        given, wanted = _outputs(masked, inputs, [branch.parameters for branch in branches])
        constants = {branch: _constants(masked, branch, given) for branch in branches}
        gone = _fitting(branches, lambda few: _same(_replaced(masked, constants, few), inputs, wanted))
    values = {name: value for branch in gone for name, value in constants[branch].items()}
    shapes = {name: None if value is None else tuple(value.shape) for name, value in values.items()}
    return _replaced(masked, constants, gone), gone, shapes


def _fitting(branches: Sequence[Branch], fit: Callable[[Sequence[Branch]], bool]) -> tuple[Branch, ...]:
    """All branches, or those that fit by themselves."""
    if fit(branches):
        return tuple(branches)
    return tuple(branch for branch in branches if fit([branch]))


def _outputs(
    network: nn.Module, inputs: Sequence[Tensor], parts: Sequence[Collection[str]]
) -> tuple[dict[str, list[Tensor]], list[Tensor]]:
    """What modules give whose parameters are in one of the ``parts``, in the order of their calls, and the outputs."""
    given: dict[str, list[Tensor]] = {}

    def noting(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(module: nn.Module, taken: Any, outputs: Any) -> None:
            first = outputs[0] if isinstance(outputs, tuple) else outputs
            if isinstance(first, Tensor):
                given.setdefault(name, []).append(first.clone())  # code may go on in place

        return note

    hooks = []
    for name, module in network.named_modules():
        own = _parameters(name, module)
        if own and any(own.issubset(part) for part in parts):
            hooks.append(module.register_forward_hook(noting(name)))
    try:
        return given, [network(each) for each in inputs]
    finally:
        for hook in hooks:
            hook.remove()


def _parameters(name: str, module: nn.Module) -> set[str]:
    return {f"{name}.{own}" if name else own for own, _ in module.named_parameters()}


def _constants(network: nn.Module, branch: Branch, given: Mapping[str, list[Tensor]]) -> dict[str, Tensor | None]:
    """The largest modules of a branch that give constants, or have none within; the last gives what all add up to."""

    def within(name: str, module: nn.Module) -> list[str]:
        own = _parameters(name, module)
        inner = [(f"{name}.{child}" if name else child, each) for child, each in module.named_children()]
        inner = [(child, each) for child, each in inner if _parameters(child, each) & branch.parameters]
        if name in given and own <= branch.parameters and (not inner or _constant(given[name]) is not None):
            return [name]
        return [found for child, each in inner for found in within(child, each)]

    names = sorted(within("", network), key=list(given).index)
    found: dict[str, Tensor | None] = dict.fromkeys(names)
    last = _constant(given[names[-1]]) if names else None
    return found if last is None or not bool(last.any()) else {**found, names[-1]: last}


def _constant(values: Sequence[Tensor]) -> Tensor | None:
    """What is the same for all inputs and along all dimensions but one, which alone stays; None where nothing is."""
    found, near = values[0], _SAME * values[0].abs().max()
    for dim in range(found.ndim):
        first = found.narrow(dim, 0, 1)
        found = first if bool(((found - first).abs() <= near).all()) else found
    same = all(bool(((value - found).abs() <= near).all()) for value in values)
    return found.clone() if same and sum(size > 1 for size in found.shape) < 2 else None


def _replaced(
    masked: nn.Module, constants: Mapping[Branch, Mapping[str, Tensor | None]], branches: Sequence[Branch]
) -> nn.Module:
    small = copy.deepcopy(masked)
    for branch in branches:
        for name, value in constants[branch].items():
            stand_in_(small, {name: None if value is None else value.shape})
            if value is not None:
                small.get_parameter(f"{name}.constant").data = value
    return small


def _same(network: nn.Module, inputs: Sequence[Tensor], wanted: Sequence[Tensor]) -> bool:
    try:
        found = [network(each) for each in inputs]
    except Exception:  # noqa: BLE001  code without its modules may do anything
        return False
    pairs = zip(wanted, found, strict=True)
    return all(
        one.shape == other.shape and bool((one - other).abs().max() <= _SAME * max(1.0, float(one.abs().max())))
        for one, other in pairs
    )
