"""A second run of a finished sweep against its first run: whole processes, from the command to its exit.

The preset ``smoke`` runs once in an empty folder, then several times in the same folder, which then has every stage and
every record. Run as ``python -m benchmarks.finished_sweep``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 3
LIMIT_SECONDS = 15.0


def seconds(folder: Path) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "pruneexp", "experiment=smoke"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="pruneexp-") as name:
        folder = Path(name)
        first = seconds(folder)
        again = statistics.median(seconds(folder) for _ in range(REPEATS))
    print(f"computed    {first:6.1f} s")
    print(f"run again   {again:6.1f} s  (median of {REPEATS}; goal: under {LIMIT_SECONDS:g} s)")
    print(f"ratio       {first / again:6.1f}")
    return 0 if again < LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
