"""Verdicts of ``analysis claims`` on a demo that was computed a little differently each time.

    python -m benchmarks.verdicts [--seeds 6] [--only NAME] [--folder FOLDER] [KEY=VALUE ...]

The last bits of a training differ between processors, and its scores with them. The demo runs as it is on one thread,
and then with each initial weight off by one part in ten million, on two threads, and with the plainest kernels of torch
and MKL, which round in another order. Goal: no verdict turns into its opposite, and any other turns only where one of
both tables said that it is near the line. Exit status 1 where that fails.

For each claim it prints the difference in every variant, and by how many of its standard errors it moved from the
first: the measure by which ``inference.SURE`` is chosen. Further overrides go to every sweep, and ``--folder`` keeps
what was computed, so that the same command goes on where it stopped. About 3 minutes for each variant on one core.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from analysis import records
from analysis.records import frames
from analysis.statistics import scoring, selection
from analysis.statistics.claimed import Tried
from analysis.tables import claims

OPPOSITE = ({"better", "worse"}, {"no worse", "worse"})
#: What the claims are about, and nothing more of the demo.
ARMS = (("reg=l1", "schedule=one_shot"), ("reg=l2", "schedule=one_shot,progressive"))
PERTURBED = Path(__file__).parent / "perturbed"


class Variant(NamedTuple):
    """One way of computing the same; ``options`` stand before the overrides."""

    name: str
    overrides: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    threads: int = 1
    environment: Mapping[str, str] = MappingProxyType({})


VARIANTS = (
    Variant("as_it_is"),
    Variant(
        "weights",
        ("model._target_=moved_networks.MovedLeNet300100", "+model.draw=1"),
        options=("--config-dir", str(PERTURBED)),
    ),
    Variant("threads", threads=2),
    Variant("kernels", environment={"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}),
)


def tried(variant: Variant, folder: Path, seeds: int, overrides: Sequence[str]) -> dict[tuple[str, str], Tried]:
    """The claims on the demo of one variant, which is computed first, by their texts and settings."""
    store, uri = folder / variant.name, f"sqlite:///{folder / variant.name}.db"
    for arm in ARMS:
        command = [sys.executable, "-m", "pruneexp", *variant.options, "experiment=demo", *arm]
        command += [f"seed={','.join(map(str, range(seeds)))}", f"runtime.threads={variant.threads}"]
        command += [f"runtime.store={store}", f"runtime.tracking_uri={uri}", f"runtime.experiment={variant.name}"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **variant.environment}
        subprocess.run([*command, *variant.overrides, *overrides], check=True, env=environment, stdout=sys.stderr)
    read = records.points(uri, [variant.name], None)
    made = claims.data(selection.latest(frames.frame(read.records)))
    return {(one.claim, one.settings): one for one in made.tried}


def judged(first: Tried, other: Tried) -> bool:
    """Print what became of a claim; return whether that keeps the promise."""
    one, two = first.difference, other.difference
    turned, near = one.verdict != two.verdict, one.near or two.near
    kept = {one.verdict, two.verdict} not in OPPOSITE and (not turned or near)
    error = (one.std or 0.0) / math.sqrt(one.n)
    moved = abs(two.mean - one.mean) / error if error else 0.0
    said = f"{scoring.with_interval(two)}, {two.said(claims.VERDICTS)}"
    print(f"    {said}; moved by {moved:.2f} standard errors{'' if kept else ': THE VERDICT TURNED'}")
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--only", action="append", choices=[one.name for one in VARIANTS[1:]])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_args()
    chosen = [one for one in VARIANTS if given.only is None or one.name in (VARIANTS[0].name, *given.only)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        found = {one.name: tried(one, folder, given.seeds, given.overrides) for one in chosen}
    kept = True
    for place in found[VARIANTS[0].name]:
        print(": ".join(filter(None, place)))
        for name, made in found.items():
            print(f"  {name}")
            if place not in made:
                print("    not tried: no density counts")
                continue
            kept = judged(found[VARIANTS[0].name][place], made[place]) and kept
    print("every verdict held" if kept else "a verdict turned")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
