"""Compose, prune, search, record and publish: experiments on pruned networks.

Importing the package imports nothing heavy: torch, mlflow and hydra are loaded by the modules that need them.
"""

import os

__version__ = "0.1.0"

# Read once, when torch is loaded: its threads sleep while they wait for each other, instead of keeping the cores busy
# that other processes could use. On two cores with much else to do a step of LeNet-5 took half the time so.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")
