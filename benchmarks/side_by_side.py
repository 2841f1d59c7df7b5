"""A sweep of small jobs as it runs unasked against one job after the other, on an idle and on a busy machine.

The demo, or some seeds of it, runs in empty folders: by turns one job after the other and as it is by default; then
again while another process keeps one core busy. The least of each counts, as other work on the machine only adds. Run
as ``python -m benchmarks.side_by_side --seeds 6 --rounds 2``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Goals: how many times as fast as one after the other, and how many times its idle time beside a busy core.
FASTER, SLOWED = 1.35, 2.2

ONE_AFTER_THE_OTHER = ("hydra.launcher.n_jobs=1",)


def seconds(seeds: int, *words: str) -> float:
    listed = ",".join(map(str, range(seeds)))
    command = [sys.executable, "-m", "pruneexp", "-m", "experiment=demo", f"seed={listed}", *words]
    with tempfile.TemporaryDirectory(prefix="pruneexp-") as folder:
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - started


@contextmanager
def one_core_busy() -> Iterator[None]:
    """Another process computes all the time."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def measured(seeds: int, rounds: int) -> tuple[float, float]:
    """The least seconds of one job after the other, and of the sweep as it runs unasked, taken by turns."""
    both = [(seconds(seeds, *ONE_AFTER_THE_OTHER), seconds(seeds)) for _ in range(rounds)]
    return min(first for first, _ in both), min(second for _, second in both)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6, help="of the demo, which has four jobs for each (default: 6)")
    parser.add_argument("--rounds", type=int, default=2, help="the least of so many counts (default: 2)")
    asked = parser.parse_args()
    idle = measured(asked.seeds, asked.rounds)
    with one_core_busy():
        busy = measured(asked.seeds, asked.rounds)
    for name, (alone, unasked) in {"idle": idle, "one core busy": busy}.items():
        print(f"{name:14} one after the other {alone:6.1f} s, as it runs {unasked:6.1f} s: ratio {alone / unasked:.2f}")
    print(f"idle: {idle[0] / idle[1]:.2f} times as fast as one after the other (goal: {FASTER:g})")
    print(f"busy: {busy[1] / idle[1]:.2f} times its idle time (goal: at most {SLOWED:g})")
    return 0 if idle[0] / idle[1] >= FASTER and busy[1] / idle[1] <= SLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
