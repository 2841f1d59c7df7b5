"""The command ``report``: what is on its page, that it needs nothing beside it, and the run that it is put on."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from analysis.__main__ import main
from analysis.records import points
from pruneexp import schema
from pruneexp.tracking import Parent, Tracker
from tests.contracts.points import logged, point, tracking_file
from tests.contracts.records import artefact, fresh_store, log_point, runs
from tests.contracts.scans import logged_scans, scan, scan_file

THIRD_PARTY = Path(__file__).parents[1] / "third_party"
ENVIRONMENT = {"pruneexp": "1.2.3", "python": "3.11.7", "machine": {"host": "secret-host", "threads": 1}}
CONFIG = "reg:\n  strength: {}\nruntime:\n  store: /secret/place\nseed: 0\n"


class Page(HTMLParser):
    """A page as its tags with their attributes, its text, and the tags that were left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values(self, attribute: str, *tags: str) -> list[str]:
        return [str(found[attribute]) for tag, found in self.tags if attribute in found and (tag in tags or not tags)]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with points of two seeds, one of them twice, and a scan in its mlflow.db, and the page of them all."""
    folder = tmp_path_factory.mktemp("report")
    made = [point(reg=reg, seed=seed, density=density, after=97.0 - 0.1 / density)
            for reg in ("l1", "l2") for seed in (0, 1) for density in (0.5, 0.1)]  # fmt: skip
    tracking_file(folder / "mlflow.db", logged(*made, made[0]))
    scan_file(folder / "mlflow.db", logged_scans(scan()))
    with contextlib.chdir(folder):
        assert main(["report", "--out", "whole"]) == 0
    return folder


@pytest.fixture
def folder(records: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, to stand in; a test that makes a page gives it a folder of its own."""
    monkeypatch.chdir(records)
    return records


def _page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_a_page_has_every_figure_and_table_and_says_how_they_were_made(records: Path) -> None:
    page = _page(records / "whole")
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    wanted = [
        "results",
        "tradeoff-mnist5k-lenet5",
        "claims",
        "headline",
        "sensitivity-mnist5k-lenet5",
        "lacking",
        "runs",
    ]
    assert [name for name in ids if name in wanted] == wanted
    assert {address.removeprefix("#") for address in page.values("href", "a")} <= set(ids)
    assert "Made of 8 runs (1–8 of the list) by python -m analysis tradeoff" in page.text
    assert "Made of 1 run (9 of the list) by python -m analysis sensitivity" in page.text
    assert "prune_vs_scratch: no budget is logged in two modes" in page.text
    assert "1 of 9 points were logged again later and are left out" in page.text
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db opens MLflow" in page.text
    assert f"{9:032x}" in page.text
    assert f"{1:032x}" not in page.text  # the run that was logged again


def test_a_page_asks_for_nothing_and_can_be_read_without_pictures(records: Path) -> None:
    page = _page(records / "whole")
    assert {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed", "base"} == set()
    assert page.values("src", "script") == []
    pictures = page.values("src", "img") + page.values("srcset", "source")
    assert len(pictures) == 6  # three figures, for wide and for narrow pages
    assert all(picture.startswith("data:image/svg+xml;base64,") for picture in pictures)
    text = (records / "whole/report.html").read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text
    assert all(len(words) > 40 for words in page.values("alt", "img"))
    assert page.values("lang", "html") == ["en"]
    assert page.values("scope", "th").count("col") > 10
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))


def test_made_twice_every_byte_is_the_same(folder: Path) -> None:
    assert main(["report", "--out", "again"]) == 0
    assert (folder / "whole/report.html").read_bytes() == (folder / "again/report.html").read_bytes()


def test_options_and_conditions_are_those_of_the_commands_shown(folder: Path) -> None:
    words = ("--where", "reg=l2", "--split", "val", "--log-x", "--experiment", "pruneexp")
    assert main(["report", *words, "--out", "chosen"]) == 0
    page = _page(folder / "chosen")
    asked = "--experiment pruneexp --where reg=l2"
    assert f"Made of 4 runs (1–4 of the list) by python -m analysis headline {asked}" in page.text
    assert f"by python -m analysis tradeoff --split val --log-x {asked}" in page.text
    assert f"Made by python -m analysis report --split val --log-x {asked}." in page.text


def test_figures_and_tables_of_a_user_are_on_it(folder: Path) -> None:
    for kind in ("figures", "tables"):
        shutil.copytree(THIRD_PARTY / kind, folder / "own" / kind, ignore=shutil.ignore_patterns("__pycache__"))
    assert main(["report", "--plugins", "own", "--out", "with_own"]) == 0
    page = _page(folder / "with_own")
    assert {"kept-mnist5k-lenet5", "kept_bytes"} <= set(page.values("id"))
    assert "python -m analysis kept_bytes --plugins own" in page.text


def test_what_names_say_is_no_html(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "<script>alert(1)</script>"
    tracking_file(tmp_path / "mlflow.db", logged(point(model=name), experiment=name))
    monkeypatch.chdir(tmp_path)
    assert main(["report", "--experiment", name]) == 0
    page = _page(tmp_path / "reports")
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert f"Pruning {name} on MNIST (5,000 digits)" in page.text


def test_nothing_logged_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracking_file(folder / "more.db", logged(point(), experiment="one"))
    assert main(["report", "--tracking-uri", "more.db"]) == 2
    assert capsys.readouterr().err.startswith("analysis: more.db has no experiment 'pruneexp'")
    assert main(["report", "--where", "reg=none"]) == 2
    assert capsys.readouterr().err.startswith("analysis: no point has reg=none")


# --- on a run ---


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """A curve for each of two seeds, of one sweep, and a curve of a third seed that is of none; to stand in."""
    tracker = Tracker(fresh_store(tmp_path), "pruneexp")
    for seed, tags in ((0, {"sweep": "mine"}), (1, {"sweep": "mine"}), (2, {})):
        _curve(tracker, seed, tags)
    monkeypatch.chdir(tmp_path)
    return tracker


def _curve(tracker: Tracker, seed: int, tags: dict[str, str]) -> None:
    made = point(seed=seed)
    params: dict[str, Any] = {"model": "lenet5", "seed": seed}
    config = CONFIG.format(1e-4 * (seed + 1))
    curve = Parent("curve", made.identity.curve_key, f"curve {seed}", params, tags, config, ENVIRONMENT)
    log_point(tracker, tracker.begin(curve), made, tags)


def test_settings_and_versions_are_told_and_places_are_not(recorded: Tracker, tmp_path: Path) -> None:
    assert main(["report"]) == 0
    page = _page(tmp_path / "reports")
    assert "reg.strength 0.0001 (1); 0.0002 (1); 0.0003 (1)" in re.sub(r"\s*\n\s*", " ", _spaced(tmp_path))
    assert "What 3 curves have in common (number of keys: 1)" in page.text
    assert "1.2.3" in page.text
    assert "secret" not in page.text


def _spaced(folder: Path) -> str:
    """The text of the page, with a space after each cell of a table."""
    return Page((folder / "reports/report.html").read_text(encoding="utf-8").replace("</th>", " </th>")).text


def test_a_page_is_put_on_the_one_run_of_the_sweep(
    recorded: Tracker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["report", "--attach", "--where", "sweep=mine"]) == 0
    (run,) = runs(recorded, f"tags.`{schema.KIND}` = 'sweep'")
    assert (run.info.run_name, run.info.status, run.data.tags["sweep"]) == ("mine", "FINISHED", "mine")
    assert artefact(run, "report.html") == (tmp_path / "reports/report.html").read_text(encoding="utf-8")
    assert f"runs/{run.info.run_id}/artifacts/report.html?workflowType=machine_learning" in capsys.readouterr().out
    assert len(points(recorded.uri).records) == 3  # it is no record


def test_a_page_on_what_is_of_no_sweep_is_put_on_its_curve(recorded: Tracker) -> None:
    assert main(["report", "--attach", "--where", "seed=2"]) == 0
    (run,) = runs(recorded, "tags.curve = 'curve 2' and tags.`pruneexp.kind` = 'curve'")
    assert artefact(run, "report.html").startswith("<!DOCTYPE html>")
    assert runs(recorded, f"tags.`{schema.KIND}` = 'sweep'") == []


def test_a_page_on_a_search_is_put_on_its_study(recorded: Tracker) -> None:
    trial = point(reg="l1")
    trial = replace(trial, identity=replace(trial.identity, study="search", trial=0))
    study = recorded.begin(Parent("study", "key", "search", {"study": "search"}, {}, CONFIG, ENVIRONMENT))
    log_point(recorded, study, trial)
    assert main(["report", "--attach", "--where", "study=search"]) == 0
    assert artefact(MlflowClient(recorded.uri).get_run(study), "report.html").startswith("<!DOCTYPE html>")


def test_several_sweeps_are_named_and_nothing_is_made(
    recorded: Tracker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--attach"]) == 2
    assert capsys.readouterr().err == (
        "analysis: --attach puts the page on the run of one sweep, or of one curve, study or scan, and these records "
        "are of curve curve 2 (1 point); sweep mine (2 points): choose one with --where (sweep=NAME), or "
        "--experiment.\n"
    )
    assert not (tmp_path / "reports").exists()
    assert runs(recorded, f"tags.`{schema.KIND}` = 'sweep'") == []


def test_provenance_stays_with_the_files(folder: Path) -> None:
    assert main(["claims", "--out", "claims"]) == 0
    made = json.loads((folder / "claims/claims.provenance.json").read_text())
    used = f"Made of {len(made['runs'])} runs"
    assert used in _page(folder / "whole").text
