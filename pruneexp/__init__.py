"""Compose, prune, search, record and publish: experiments on pruned networks.

Importing the package imports nothing heavy: torch, mlflow and hydra are loaded by the modules that need them.
"""

__version__ = "0.1.0"
