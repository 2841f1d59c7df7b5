"""The process that works on a trial, told from every other one, on this machine or elsewhere. Knows no study."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

Signature = Mapping[str, Any]

#: The attribute of a trial that holds the signature of the process that works on it.
WORKER = "pruneexp.worker"


def mine() -> Signature:
    """The signature of this process: JSON-able, as it is kept in storages."""
    return signature(os.getpid()) or {}


def signature(pid: int) -> Signature | None:
    """Place, process id and start time of a living process of this machine, so that a reused id is not mistaken."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in "ZX":  # dead, and its parent has not looked yet
        return None
    return {"place": place(), "pid": pid, "started": fields[19]}


def is_here(signed: object) -> TypeGuard[Signature]:
    """Whether a signature is of this place, so that its process can be looked up."""
    return isinstance(signed, Mapping) and signed.get("place") == place()


def is_alive(signed: Signature) -> bool:
    """Whether the process of a signature of this place still runs."""
    return signature(int(signed["pid"])) == signed


def place() -> str:
    """Where process ids mean the same: containers may share the name of a host and yet not see each other's."""
    with contextlib.suppress(OSError):
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()
