"""The views in a real browser: every one opens, and shows its charts and as many runs as it should.

Screenshots are kept in ``build/screenshots``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from pruneexp import dashboard, schema
from pruneexp.tracking import Parent, Tracker
from tests.contracts.browsing import browser, charts, mlflow_opened, text, waited
from tests.contracts.jobs import ran
from tests.contracts.points import point
from tests.contracts.records import log_failure, log_point, log_scan
from tests.contracts.scans import scan
from tests.contracts.tracking_server import tracking_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

#: View: how many charts it shows (a table none), and how many runs it counts; MLflow counts parents of nested runs too.
VIEWS = {
    "tradeoff": (4, 5),
    "seeds": (0, 11),
    "prune-vs-scratch": (4, 2),
    "sensitivity": (3, 2),
    "study": (3, 5),
    "health": (0, 9),
    "failures": (0, 2),
}
REASON = "NaN in epoch 3"

#: What must be read besides: headings of charts, columns of tables, and a value.
WORDS = {
    "tradeoff": ("Val over density (change, points)", "Val over log2 compression (points)"),
    "study": ("Level of each layer",),
    "seeds": ("val.change_after.top1_std", "test.change_after.top1_std", "reg"),
    "health": ("cache_hits", "seconds", "points_failed", "search"),
    "failures": (REASON,),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Address of the server, what the command said of it, and the id of the run of a curve that a real job made."""
    folder = tmp_path_factory.mktemp("browser")
    with tracking_server(folder) as started:
        address = started.address
        _fill(address, folder)
        with pytest.MonkeyPatch.context() as patch:
            said: list[str] = []
            patch.setattr("builtins.print", lambda *words, **_: said.append(" ".join(map(str, words))))
            assert dashboard.main(["--tracking-uri", address, "--experiment", "pruneexp"]) == 0
        client = MlflowClient(address)
        experiment = client.get_experiment_by_name("pruneexp")
        assert experiment is not None
        query = f"tags.`{schema.KIND}` = 'curve' and params.data = 'synthetic'"
        (curve,) = client.search_runs([experiment.experiment_id], query)
        yield address, "\n".join(said), str(curve.info.run_id)


@pytest.fixture(scope="module")
def page(server: tuple[str, str, str]) -> Iterator[Chrome]:
    with browser(1500, 2600) as driver:  # MLflow draws no chart that is not on the screen
        mlflow_opened(driver, server[0])
        yield driver


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_its_charts_and_its_runs(page: Chrome, server: tuple[str, str, str], view: str) -> None:
    drawn, counted = VIEWS[view]
    link = re.search(rf"{server[0]}/#/experiments/\d+/runs\?viewStateShareKey=pruneexp-{view}\S*", server[1])
    assert link is not None, server[1]
    page.get("about:blank")
    page.get(link.group())
    wanted = (f"{counted} matching run", *WORDS.get(view, ()))
    try:
        waited(lambda: all(word in text(page) for word in wanted) and charts(page) == drawn, f"{drawn} {wanted}")
    finally:
        _keep(page, view)
    assert f"\n{counted} matching run" in f"\n{text(page)}"
    assert "viewing a shared view" in text(page)
    assert "Error loading shared view" not in text(page)


def test_a_curve_is_described_by_its_table(page: Chrome, server: tuple[str, str, str]) -> None:
    address, said, run = server
    number = re.search(r"experiments/(\d+)/runs", said)
    assert number is not None
    page.get("about:blank")
    page.get(f"{address}/#/experiments/{number.group(1)}/runs/{run}")
    waited(lambda: "Show more" in text(page), "the description")
    page.find_element(By.XPATH, "//*[text()='Show more']").click()
    waited(lambda: "val after" in text(page), "the table")
    _keep(page, "curve")
    assert "val change" in text(page)


def _fill(address: str, folder: Path) -> None:
    """A real job, and beside it points, a scan, a search and a failure made by hand."""
    ran(folder, f"runtime.tracking_uri={address}", "runtime.dashboard=true", "curve.densities=[0.5,0.2,0.1]")
    tracker = Tracker(address, "pruneexp")
    for seed in (0, 1):
        for reg, mode in (("l1", "prune"), ("l2", "prune"), ("l2", "scratch_e")):
            _curve(tracker, seed, reg, mode)
    _curve(tracker, 0, "l2", "prune", schedule="iterative")
    for seed in (0, 1):
        log_scan(tracker, scan(seed=seed), "", {})
    study = tracker.begin(Parent("study", "key", "search", {"study": "search"}, {}, "", {}))
    for number in range(4):
        made = point(density=0.1 * (number + 1), after=92 + number)
        trial = _of_study(made, number)
        log_point(tracker, study, trial, numbers={f"level/fc{layer}": 0.1 * number + layer for layer in (1, 2)})
    tracker.update(study, "FINISHED")
    log_failure(tracker, study, {"point_key": "broken", "mode": "prune"}, REASON)


def _curve(tracker: Tracker, seed: int, reg: str, mode: str, schedule: str = "one_shot") -> None:
    loss = 1.0 + seed / 2 + (reg == "l1") + 2 * (mode == "scratch_e")
    made = [
        point(seed=seed, reg=reg, mode=mode, schedule=schedule, density=density, after=97.0 - loss * factor)
        for density, factor in ((0.5, 0.2), (0.1, 1.0))
    ]
    shared = {"model": "lenet5", "reg": reg, "schedule": schedule, "mode": mode, "seed": seed}
    curve = tracker.begin(Parent("curve", made[0].identity.curve_key, "", shared, {}, "", {}))
    for one in made:
        log_point(tracker, curve, one)
    tracker.describe(curve)
    tracker.update(curve, "FINISHED")


def _of_study(made: schema.TradeoffPoint, number: int) -> schema.TradeoffPoint:
    identity = replace(made.identity, study="search", trial=number, point_key=f"trial {number}")
    return replace(made, identity=identity)


def _keep(page: Chrome, name: str) -> None:
    folder = Path(__file__).parents[2] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.save_screenshot(str(folder / f"{name}.png"))
