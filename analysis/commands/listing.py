"""``python -m analysis list``: what is logged, and what can be made of it."""

from __future__ import annotations

import argparse

from analysis.commands import options
from analysis.publishing.catalogue import publications

SUMMARY = "what is logged, and what can be made of it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(given: argparse.Namespace) -> int:
    from analysis.publishing import inventory, materials

    supply = options.supply(given, materials.SOURCES, given.experiment)
    possible = inventory.possible(supply, publications(given.plugins).values())
    print(*inventory.logged(supply), "can be made:", *possible, sep="\n")
    return 0
