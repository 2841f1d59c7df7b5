"""The installed MLflow still reads what the views are made of; where this fails, plain links go on working.

Held against the scripts of its user interface, which are built and minified: names of properties survive that.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import mlflow
import pytest

from pruneexp import tracking
from pruneexp.tracking.board import TAG_PREFIX, BoardView, filled

SCRIPTS = Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js"
TEMPLATES = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in Path(tracking.__file__).parent.glob("views/*.json")
    if path.stem != "page"
}
VIEWS = [filled(name, template, ["level/fc1", "sensitivity/fc1", "other"]) for name, template in TEMPLATES.items()]


@pytest.fixture(scope="module")
def script() -> str:
    """The script that knows the page of runs: it holds the prefix of the tags."""
    found = [text for path in SCRIPTS.glob("main*.js") if TAG_PREFIX in (text := path.read_text("utf-8"))]
    assert found, f"no script below {SCRIPTS} knows {TAG_PREFIX}: MLflow {mlflow.__version__} keeps views elsewhere"
    return found[0]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_state_has_exactly_the_keys_that_the_page_takes(script: str, view: BoardView) -> None:
    of_charts = re.search(r'=\[("selectedColumns",[^\]]*)\]', script)
    parts = (path.read_text("utf-8") for path in SCRIPTS.glob("*.chunk.js"))
    of_search = next(filter(None, (re.search(r'=\[("searchFilter",[^\]]*)\]', part) for part in parts)), None)
    assert of_charts, "the list of the keys of the page's state is no longer there"
    assert of_search, "the list of the keys of the page's search is no longer there"
    known = set(re.findall(r'"(\w+)"', of_charts.group(1) + of_search.group(1)))
    assert set(view.state) <= known
    assert known - set(view.state) <= {"chartsSearchFilter"}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_charts_have_the_properties_of_their_kind(script: str, view: BoardView) -> None:
    kinds = re.search(r"class \w+\{constructor\(e,t,n\)\{this\.uuid=void 0,this\.type=.{0,15000}", script)
    assert kinds, "the classes of charts are no longer there"
    known = set(re.findall(r"this\.(\w+)=", kinds.group()))
    charts = view.state["compareRunCharts"]
    assert charts
    for chart in charts:
        assert f'{chart["type"]}="{chart["type"]}"' in script
        assert set(chart) <= known


@pytest.mark.parametrize(
    "word",
    ["viewStateShareKey", "SHOW_ALL", '"deflate;"', "aggregateFunction", "groupByKeys", "runColor", "cardHeight"],
)
def test_the_words_of_addresses_and_values_are_known(script: str, word: str) -> None:
    assert word in script or any(word in path.read_text("utf-8") for path in SCRIPTS.glob("*.chunk.js"))
