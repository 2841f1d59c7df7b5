"""Random numbers from (seed, purpose): every consumer has a stream of its own, so no draw depends on earlier ones.

A cache hit, a resumed run or one more draw elsewhere changes no stream. Knows nothing of the purposes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def derive(seed: int, *purpose: str | int) -> int:
    """The 63-bit seed of one purpose, such as ``("order", epoch)``: the same on every machine and in every version.

    Parts are hashed with their type and length, so ``("a", "b")`` and ``("ab",)``, or ``1`` and ``"1"``, differ.
    """
    digest = hashlib.sha256()
    for part in (seed, *purpose):
        text = str(part).encode()
        digest.update(f"{type(part).__name__}:{len(text)}:".encode() + text)
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator on ``device`` at the start of the stream ``(seed, *purpose)``."""
    return torch.Generator(device).manual_seed(derive(seed, *purpose))


def global_generators(device: torch.device | str) -> list[torch.Generator]:
    """Torch's global generators: the CPU's, then that of ``device`` if it is a GPU."""
    device = torch.device(device)
    if device.type != "cuda":
        return [torch.default_generator]
    torch.cuda.init()  # the list of generators is empty before
    index = torch.cuda.current_device() if device.index is None else device.index
    return [torch.default_generator, torch.cuda.default_generators[index]]


def seed_global(device: torch.device | str, seed: int, *purpose: str | int) -> None:
    """Start torch's global generators (CPU, and ``device`` if it is a GPU) on a stream; only inside ``forked``."""
    for each in global_generators(device):
        each.manual_seed(derive(seed, *purpose))


def global_states(device: torch.device | str) -> list[Tensor]:
    """Copies of the states of torch's global generators: the CPU's, then that of ``device`` if it is a GPU."""
    return [each.get_state() for each in global_generators(device)]


def set_global_states(device: torch.device | str, states: list[Tensor]) -> None:
    """Put torch's global generators into states that ``global_states`` gave."""
    for each, state in zip(global_generators(device), states, strict=True):
        each.set_state(state)


@contextmanager
def forked(device: torch.device | str = "cpu") -> Iterator[None]:
    """Restore the states of torch's global generators on exit, also after an exception."""
    states = global_states(device)
    try:
        yield
    finally:
        set_global_states(device, states)


@contextmanager
def stream(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Run code that can only draw from torch's global generators (module initialisation, ``nn.Dropout``) on a stream.

    The global generators are seeded from ``(seed, *purpose)`` on entry and restored on exit, also after an exception.
    """
    with forked(device):
        seed_global(device, seed, *purpose)
        yield
