"""Compose, prune, search, record and publish: experiments on pruned networks.

Importing the package imports nothing heavy: torch, mlflow and hydra are loaded by the modules that need them.
``pruneexp.keep`` keeps masks in a training loop of one's own; torch is loaded when it is asked for.
"""

import importlib
import os
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Read once, when torch is loaded: its threads sleep while they wait for each other, instead of keeping the cores busy
# that other processes could use. On two cores with much else to do a step of LeNet-5 took half the time so.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

if TYPE_CHECKING:
    from pruneexp.pruning.keeping import keep as keep
else:

    def __getattr__(name: str) -> object:
        if name == "keep":
            return importlib.import_module("pruneexp.pruning.keeping").keep
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
