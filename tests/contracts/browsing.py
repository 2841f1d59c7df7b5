"""A real browser that looks at a server on this machine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

Found = TypeVar("Found")

#: The page loads 20 MB of scripts, and the machine may have other work.
PATIENCE = 240.0

#: Debian's names; nothing is downloaded where they are missing.
_BROWSER, _DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


@contextmanager
def browser(width: int, height: int) -> Iterator[Chrome]:
    """Headless Chromium with a profile of its own."""
    assert _BROWSER.is_file(), f"no {_BROWSER}: apt-get install chromium chromium-driver"
    assert _DRIVER.is_file(), f"no {_DRIVER}: apt-get install chromium chromium-driver"
    options = ChromeOptions()
    options.binary_location = str(_BROWSER)
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        driver = Chrome(options=options, service=Service(str(_DRIVER)))
        driver.set_page_load_timeout(PATIENCE)
        try:
            yield driver
        finally:
            driver.quit()


def mlflow_opened(driver: Chrome, address: str) -> None:
    """The first page, without MLflow's assistant, which opens itself over a third of it."""
    driver.get(address)
    for key, value in (("fab.autoOpenedOnFirstLoad_v1", "true"), ("panelOpen_v1", "false")):
        driver.execute_script("localStorage.setItem(arguments[0], arguments[1])", f"mlflow.assistant.{key}", value)


def text(driver: Chrome) -> str:
    """What can be read on the page."""
    return str(driver.execute_script("return document.body.innerText"))


def charts(driver: Chrome) -> int:
    """How many charts are drawn; of parallel coordinates the one that is no plot of Plotly's."""
    return len(driver.find_elements(By.CSS_SELECTOR, ".js-plotly-plot, .parcoords"))


def waited(look: Callable[[], Found], wanted: str) -> Found:
    """The first true thing that ``look`` finds."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"waited {PATIENCE:.0f} s in vain: {wanted}")
