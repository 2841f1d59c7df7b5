"""The dashboard of an experiment of 10,000 points: the time to make its pages and to open each in a real browser.

    python -m benchmarks.views [POINTS]

Needs Debian's ``chromium`` and ``chromium-driver``. Saves a picture of each page in ``build/screenshots/many``. The
only goal is that every page opens, with its runs and without an error: MLflow itself takes the time.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium.webdriver import Chrome

from benchmarks.population import build
from tests.contracts.browsing import browser, charts, mlflow_opened, text, waited
from tests.contracts.tracking_server import tracking_server

KEPT = Path("build/screenshots/many")
_ROOT = Path(__file__).parents[1]
_TABLES = ("seeds", "health", "failures", "runs")
_LINK = re.compile(r"^ +\S+(/#/experiments/\d+/runs(?:\?viewStateShareKey=pruneexp-([\w-]+)\S*)?)$", re.MULTILINE)


def main() -> int:
    """Print the seconds of each step; exit status 1 if a page does not open."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, count)
        print(f"{count} points, seconds:")
        said = _timed("pruneexp.dashboard, nothing summarised yet", folder, "pruneexp.dashboard")
        _timed("pruneexp.dashboard, again", folder, "pruneexp.dashboard")
        with tracking_server(folder) as server:
            here = ("tradeoff", "--tracking-uri", server.address)
            _timed("analysis tradeoff from the server", folder, "analysis", *here)
            _timed("analysis tradeoff from the server, again", folder, "analysis", *here)
            with browser(1500, 1060) as page:
                mlflow_opened(page, server.address)
                found = {view or "runs": server.address + path for path, view in _LINK.findall(said)}
                opened = [_opened(page, view, address) for view, address in found.items()]
    return int(not all(opened))


def _timed(what: str, folder: Path, module: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=folder, env=environment, check=True,
                          stdout=subprocess.PIPE, text=True)  # fmt: skip
    print(f"  {what:<46}{time.perf_counter() - began:8.1f}", flush=True)
    return done.stdout


def _opened(page: Chrome, view: str, address: str) -> bool:
    page.get("about:blank")
    began = time.perf_counter()
    page.get(address)
    try:
        runs = waited(lambda: re.findall(r"\b([1-9]\d*) matching run", text(page)), f"runs of {view}")
        drawn = 0 if view in _TABLES else waited(lambda: charts(page), f"charts of {view}")
    except AssertionError as error:
        print(f"  {view:<46}  FAILED: {error}")
        return False
    finally:
        KEPT.mkdir(parents=True, exist_ok=True)
        page.save_screenshot(str(KEPT / f"{view}.png"))
    print(f"  {view:<46}{time.perf_counter() - began:8.1f}   {runs[0]} runs, {drawn} charts", flush=True)
    return "Error loading" not in text(page)


if __name__ == "__main__":
    raise SystemExit(main())
