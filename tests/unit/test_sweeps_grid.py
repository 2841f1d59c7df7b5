"""Files of sweeps: what they ask for, job by job, and what they may not say."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.errors import UserError
from sweeps.files import SHIPPED, read, words
from sweeps.grid import grid, overrides, text

KEYS = st.sampled_from(["reg", "seed", "mode", "train.epochs", "+own.key"])
SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from([0.1, 1e-5, 2.0, "l1", "a b", "it's", "1"])

#: Printable, and no number as 1e5 is one to a command line.
WORDS = st.text(st.characters(exclude_categories=["C", "Z", "N"]), max_size=8).filter(
    lambda word: word.lower() not in {"inf", "nan"}
)


def jobs(source: str) -> list[str]:
    return [" ".join(overrides(job)) for job in grid(yaml.safe_load(source)).jobs()]


@st.composite
def products(draw: st.DrawFn) -> dict[str, list[int]]:
    keys = draw(st.lists(KEYS, min_size=1, max_size=3, unique=True))
    return {key: draw(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)) for key in keys}


@given(products(), st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True), st.data())
def test_a_grid_is_product_times_zip_less_excluded_plus_included(
    product: dict[str, list[int]], row: list[int], data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(product)))
    banned = data.draw(st.lists(st.sampled_from(product[key]), min_size=1, unique=True))
    tree = {"with": {"fixed": 1}, "product": product, "zip": {"a": row, "b": row[::-1]}, "exclude": [{key: banned}]}
    tree["include"] = [{"a": 99}]
    expected = [
        {"fixed": 1, **dict(zip(product, point, strict=True)), "a": row[at], "b": row[-1 - at]}
        for *point, at in itertools.product(*product.values(), range(len(row)))
    ]
    expected = [job for job in expected if job[key] not in banned]
    assert grid(tree).jobs() == [*expected, {"fixed": 1, "a": 99}]


@given(st.recursive(SCALARS | WORDS, lambda inner: st.lists(inner, max_size=3), max_leaves=4))
def test_a_command_line_reads_back_what_was_written(value: Any) -> None:
    (parsed,) = OverridesParser.create().parse_overrides([f"+key={text(value)}"])
    assert plain(parsed.value()) == value


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.text if hasattr(value, "text") and not isinstance(value, str) else value


def test_two_zips_multiply_and_quality_lists_stay_whole() -> None:
    assert jobs("zip: [{reg: [l1, l2], seed: [0, 1]}, {curve.densities: [[0.5, 0.1], [0.3]]}]") == [
        "reg=l1 seed=0 curve.densities=[0.5,0.1]",
        "reg=l1 seed=0 curve.densities=[0.3]",
        "reg=l2 seed=1 curve.densities=[0.5,0.1]",
        "reg=l2 seed=1 curve.densities=[0.3]",
    ]


def test_a_key_that_a_row_lacks_is_in_no_word_of_its_jobs() -> None:
    rows = "zip: [[{mode: prune}, {mode: scratch_b, mode.cap: 2}], {seed: [0, 1]}], exclude: [{mode.cap: 2, seed: 1}]"
    assert jobs("{" + rows + "}") == ["mode=prune seed=0", "mode=prune seed=1", "mode=scratch_b mode.cap=2 seed=0"]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("[1]", "a sweep is a mapping of description, with"),
        ("prodct: {reg: [l1]}", "prodct: no such word"),
        ("product: {reg: l1}", r"product: reg: give a list of values, as in reg: \[l1\]"),
        ("product: {reg: [l1, l1]}", "product: reg holds l1 twice"),
        ("product: {'reg l': [l1]}", "product: reg l: a key is a group or a dotted name"),
        ("product: {hydra/launcher: [joblib]}", "hydra/launcher: belongs on the command line"),
        ("product: {runtime.job: [1]}", "runtime.job: belongs on the command line"),
        ("product: {seed: [2020-01-01]}", "2020-01-01: a value is a text"),
        ("zip: {reg: [l1, l2], seed: [0]}", "of equal length; reg has 2, seed has 1"),
        ("zip: [[{reg: l1}, reg]]", "zip: give a mapping of keys to values"),
        ("{product: {reg: [l1]}, zip: [[{seed: 0}, {reg: l2}]]}", "reg: stands in product and in zip"),
        ("{product: {reg: [l1]}, zip: {reg: [l2]}}", "reg: stands in product and in zip"),
        ("{product: {reg: [l1]}, with: {reg: l2}}", "reg: stands in with and in product"),
        ("{product: {reg: [l1]}, exclude: [{seed: 1}]}", "neither product nor zip has this key; they have reg"),
        ("{product: {reg: [l1]}, exclude: [{reg: l2}]}", "exclude: {reg: l2} matches no job"),
        ("{product: {reg: [l1]}, exclude: [{reg: l1}]}", "no job is left"),
        ("{product: {reg: [l1]}, include: [{reg: l1}]}", "the job reg=l1 is asked for twice"),
        ("{product: {reg: [l1]}, include: {reg: l2}}", "include: give a list"),
    ],
)
def test_what_a_sweep_may_not_say(source: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        grid(yaml.safe_load(source)).jobs()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [("product: {reg: [l1], reg: [l2]}", "reg: stands twice"), ("a: b: c", "is no YAML in line 1")],
)
def test_a_mistake_in_a_file_names_the_file(tmp_path: Path, source: str, sentence: str) -> None:
    (tmp_path / "mine.yaml").write_text(source)
    with pytest.raises(UserError, match=f"mine.yaml: {sentence}"):
        read(tmp_path / "mine.yaml")


def test_a_file_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(UserError, match=r"sweeps/nothing.yaml: No such file.*sweeps/smoke.yaml"):
        words(["sweeps/nothing.yaml"])


def test_a_file_becomes_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    start = ["-m", "hydra.sweeper.file=sweeps/smoke.yaml"]
    chosen = ["data=synthetic", "model=lenet_300_100"]
    assert words(["sweeps/smoke.yaml", "plan=true"]) == [*start, "runtime.sweep=smoke", *chosen, "plan=true"]
    assert words(["sweeps/smoke.yaml", "runtime.sweep=x"]) == [*start, *chosen, "runtime.sweep=x"]
    assert words(["sweeps/smoke.yaml", "data=mnist"]) == [*start, "runtime.sweep=smoke", chosen[1], "data=mnist"]
    with pytest.raises(UserError, match="run by hydra/sweeper=jobs"):
        words(["sweeps/smoke.yaml", "hydra/sweeper=optuna"])


def test_the_five_curves_of_the_paper() -> None:
    found = [(job["reg"], job["schedule"]) for job in read(SHIPPED / "han2015_tradeoff.yaml").jobs()]
    assert found == [("l1", "one_shot"), ("l2", "one_shot"), ("l2", "progressive")] * 3


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_sweep_says_its_command_and_what_to_expect(path: Path) -> None:
    first, second, *_ = path.read_text(encoding="utf-8").splitlines()
    assert first == f"# python -m sweeps sweeps/{path.name}"
    assert second.startswith("# Expected: ")
    assert read(path).jobs()
