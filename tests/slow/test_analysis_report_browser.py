"""A report in a real browser: as a file, on a phone and a desktop, light and dark; and within MLflow, once attached.

Screenshots are kept in ``build/screenshots``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from analysis.__main__ import main
from pruneexp.tracking import Parent, Tracker
from tests.contracts.browsing import browser, mlflow_opened, waited
from tests.contracts.points import point
from tests.contracts.records import ENVIRONMENT, log_point, log_scan
from tests.contracts.scans import scan
from tests.contracts.tracking_server import tracking_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WIDTHS = (390, 1280)
#: The least contrast of text that the Web Content Accessibility Guidelines 2.2 allow (1.4.3).
CONTRAST = 4.5
_CONTRAST = """
const light = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((each) => each / 255)
    .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const paper = light(getComputedStyle(document.body).backgroundColor);
return [...document.querySelectorAll("p, td, th, a, summary, figcaption, h1, h2, h3, caption")].map((found) => {
  const ink = light(getComputedStyle(found).color);
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
});
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The file of a report on a server's records, and the address at which it is to be seen within MLflow."""
    folder = tmp_path_factory.mktemp("report")
    with tracking_server(folder) as started, pytest.MonkeyPatch.context() as patch:
        _fill(started.address)
        patch.chdir(folder)
        said: list[str] = []
        patch.setattr("builtins.print", lambda *words, **_: said.append(" ".join(map(str, words))))
        assert main(["report", "--tracking-uri", started.address, "--attach"]) == 0
        address = next(line.partition(": ")[2] for line in said if line.startswith("on sweep mine: "))
        yield folder / "reports/report.html", address


def _fill(address: str) -> None:
    """Two seeds of two penalties, as a sweep records them, and a scan."""
    tracker = Tracker(address, "pruneexp")
    for reg, seed in (("l1", 0), ("l1", 1), ("l2", 0), ("l2", 1)):
        params, tags = {"model": "lenet5", "reg": reg, "seed": seed}, {"sweep": "mine"}
        points = [point(reg=reg, seed=seed, density=density, after=97 - 0.1 / density) for density in (0.5, 0.2, 0.1)]
        config = f"reg: {reg}\nseed: {seed}\ntrain:\n  lr: 0.1\n"
        curve = Parent("curve", points[0].identity.curve_key, "", params, tags, config, ENVIRONMENT)
        under = tracker.begin(curve)
        for one in points:
            log_point(tracker, under, one, tags)
    log_scan(tracker, scan(), "seed: 0\n", ENVIRONMENT)


@pytest.fixture(scope="module")
def window() -> Iterator[Chrome]:
    with browser(1500, 1100) as driver:
        yield driver


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_file_is_readable_at_any_width_and_in_any_light(
    window: Chrome, made: tuple[Path, str], width: int, scheme: str
) -> None:
    _shown_as(window, width, scheme)
    window.get(made[0].as_uri())
    waited(lambda: window.find_elements(By.TAG_NAME, "h1"), "the title")
    window.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    _keep(window, f"report-{width}-{scheme}")
    assert window.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert window.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    assert len(_pictures(window)) == 2
    assert min(_pictures(window)) > 0
    asked = "return performance.getEntriesByType('resource').map((one) => one.name)"
    assert [name for name in window.execute_script(asked) if not name.startswith("data:")] == []
    contrasts = window.execute_script(_CONTRAST)
    assert len(contrasts) > 50
    assert min(contrasts) >= CONTRAST


def test_a_link_to_a_run_unfolds_the_list(window: Chrome, made: tuple[Path, str]) -> None:
    _shown_as(window, 1280, "light")
    window.get(made[0].as_uri())
    assert not window.find_element(By.ID, "run-1").is_displayed()
    window.find_element(By.CSS_SELECTOR, ".made a[href='#run-1']").click()
    waited(lambda: window.find_element(By.ID, "run-1").is_displayed(), "the list of runs")


def test_mlflow_shows_it_where_it_was_attached(window: Chrome, made: tuple[Path, str]) -> None:
    _shown_as(window, 1500, "light")
    mlflow_opened(window, made[1].partition("/#")[0])
    window.get("about:blank")
    window.get(made[1])
    (frame,) = waited(lambda: window.find_elements(By.CSS_SELECTOR, "iframe#html, iframe"), "MLflow's frame")[:1]
    window.switch_to.frame(frame)
    waited(lambda: window.find_elements(By.TAG_NAME, "h1"), "the title")
    assert "Pruning" in window.find_element(By.TAG_NAME, "h1").text
    assert len(_pictures(window)) == 2
    assert min(_pictures(window)) > 0
    assert window.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    window.find_element(By.CSS_SELECTOR, "nav a[href='#runs']").click()
    top = "return document.getElementById('runs').getBoundingClientRect().top < window.innerHeight"
    waited(lambda: window.execute_script(top), "the list of runs")
    window.switch_to.default_content()
    _keep(window, "report-mlflow")


def _pictures(window: Chrome) -> list[int]:
    """The width of each picture in pixels of its own, 0 where it did not load."""
    return list(window.execute_script("return [...document.images].map((one) => one.naturalWidth)"))


def _shown_as(window: Chrome, width: int, scheme: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    metrics = {"width": width, "height": 1100, "deviceScaleFactor": 1, "mobile": width == min(WIDTHS)}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def _keep(window: Chrome, name: str) -> None:
    folder = Path(__file__).parents[2] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    window.save_screenshot(str(folder / f"{name}.png"))
