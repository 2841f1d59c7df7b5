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


def main() -> int:
    """Print the seconds of each whole process, imports included; exit status 1 above a limit."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, count)
        store = "sqlite:///mlflow.db"
        tradeoff = "from analysis.__main__ import main; assert main(['tradeoff']) == 0"
        start = _seconds("import pandas", folder)
        load = _seconds(
            f"from analysis.records import points; assert len(points({store!r}).records) == {count}", folder
        )
        cold = _seconds(tradeoff, folder)
        again = _seconds(tradeoff, folder)
        log_again(folder / "mlflow.db")
        one_more = _seconds(tradeoff, folder)
        condition = "search_all_experiments=True, filter_string=\"tags.`pruneexp.kind` = 'point'\", max_results=50000"
        table = f"import mlflow; mlflow.set_tracking_uri({store!r})\n"
        table += f"assert len(mlflow.search_runs({condition})) == {count + 1}"
        naive = _seconds(table, folder)
    print(f"{count} points, seconds of the whole process:")
    print(f"  import of pandas alone              {start:6.1f}")
    print(f"  analysis: load, typed               {load:6.1f}")
    print(f"  tradeoff: first time                {cold:6.1f}   (at most {COLD_SECONDS:.0f})")
    print(f"  tradeoff: again                     {again:6.1f}   (at most {AGAIN_SECONDS:.0f}; 1/{cold / again:.1f})")
    print(f"  tradeoff: with one point more       {one_more:6.1f}   (1/{cold / one_more:.1f} of the first time)")
    print(f"  mlflow.search_runs, untyped         {naive:6.1f}   ({naive / again:.1f} x the command again)")
    return int(cold > COLD_SECONDS or again > AGAIN_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
