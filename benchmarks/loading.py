"""Load 10,000 logged trade-off points and publish the trade-off from them: at most 20 s, and 3 s from the local copy.

    python -m benchmarks.loading [POINTS]

Compares the project's reader with ``mlflow.search_runs``, the user's alternative, on the same store in the same run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.population import build, log_again

COLD_SECONDS, AGAIN_SECONDS = 20.0, 3.0


def _seconds(code: str, folder: Path) -> float:
    started = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _times(folder: Path) -> tuple[float, float, float]:
    """Of the command: the first time, again, and with one point more."""
    tradeoff = "from analysis.__main__ import main; assert main(['tradeoff']) == 0"
    first, again = _seconds(tradeoff, folder), _seconds(tradeoff, folder)
    log_again(folder / "mlflow.db")
    return first, again, _seconds(tradeoff, folder)


def main() -> int:
    """Print the seconds of each whole process, imports included; exit status 1 above a limit."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    slow = False
    for files in (True, False):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            build(folder, count, files=files)
            cold, again, one_more = _times(folder)
            condition = "search_all_experiments=True, filter_string=\"tags.`pruneexp.kind` = 'point'\""
            table = "import mlflow; mlflow.set_tracking_uri('sqlite:///mlflow.db')\n"
            table += f"assert len(mlflow.search_runs({condition}, max_results=50000)) == {count + 1}"
            naive = _seconds(table, folder)
        print(f"{count} points, {'with' if files else 'without'} files of points, seconds of the whole process:")
        print(f"  tradeoff: first time                {cold:6.1f}   (at most {COLD_SECONDS:.0f})")
        print(f"  tradeoff: again                     {again:6.1f}   (at most {AGAIN_SECONDS:.0f})")
        print(f"  tradeoff: with one point more       {one_more:6.1f}   (1/{cold / one_more:.1f} of the first time)")
        print(f"  mlflow.search_runs, untyped         {naive:6.1f}   ({naive / again:.1f} x the command again)")
        slow = slow or cold > COLD_SECONDS or again > AGAIN_SECONDS
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
