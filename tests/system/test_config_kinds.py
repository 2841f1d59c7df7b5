"""Every key of the shipped files is what it is declared to be: another value renames a record, or it does not.

A number renames it by its value, a content by what it names, a place never. Which of them a key is follows from its
name and from the code that takes its value, so each is tried once, however many files have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from safetensors.torch import save_file

from pruneexp.config import skeleton
from pruneexp.config.checks import plain
from pruneexp.config.groups import kind_of, numbers
from pruneexp.errors import UserError
from pruneexp.schema import PointIdentity
from sweeps.compose import read as read_study
from tests.contracts.composing import composed
from tests.contracts.identities import points_of

CONF = skeleton.conf_folder()
#: Values that have a meaning somewhere, by the type of the value that they take the place of.
VALUES: dict[type, Sequence[Any]] = {
    bool: (True, False),
    int: (1, 2, 3, 20),
    float: (0.25, 0.75, 2.0),
    str: (
        "adam", "sgd", "cosine", "constant", "bfloat16", "local", "single", "cuda", "all", "smallest", "random",
        "halving", "x", 3,
    ),
    list: ([0.5, 0.3, 0.2], [0.25, 0.75], ["linear"], [2, 8]),
    dict: ({"fc1": 0.5},),
    type(None): (2, 0.4, "x", [0.5, 0.3, 0.2], {"mine": {"_target_": "pruneexp.pruning.criteria.magnitude.Magnitude"}}),
}  # fmt: skip


def leaves(node: Any, path: str = "", code: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every value with its key and the ``_target_`` that takes it; lists, and what is empty, are values."""
    if not isinstance(node, dict) or not node:
        yield path, node, code
        return
    for key, value in node.items():
        yield from leaves(value, f"{path}.{key}" if path else str(key), node.get("_target_", code))


def parsed(path: Path) -> dict[str, Any]:
    node: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return node


def written(path: Path) -> Iterator[tuple[str, Any, str]]:
    """The leaves of a file, as they stand in a composed configuration; those of Hydra itself are left out."""
    node = parsed(path)
    if path.read_text(encoding="utf-8").startswith("# @package _global_"):
        node = {key: value for key, value in node.items() if key not in ("defaults", "hydra")}
        return leaves(node) if node else iter(())
    return leaves(node, path.relative_to(CONF).parts[0])


#: Files with keys of a job or of a study, by the override that chooses them.
CHOICES = {
    f"{name.split('/')[0]}={name.partition('/')[2]}": path
    for path in sorted(CONF.glob("*/**/*.yaml"))
    if not (name := path.relative_to(CONF).with_suffix("").as_posix()).startswith("hydra/")
}


def distinct() -> dict[str, list[str]]:
    """The keys of each choice of a job, without those that an earlier choice has for the same code and type."""
    seen: set[tuple[str, type, str]] = set()
    found: dict[str, list[str]] = {}
    for choice, path in CHOICES.items():
        for key, value, code in written(path) if not choice.startswith("study=") else ():
            if (leaf := (key, type(value), code)) not in seen:
                seen.add(leaf)
                found.setdefault(choice, []).append(key)
    return found


@cache
def nodes(path: str) -> list[dict[str, Any] | None]:
    """What the shipped choices of a group have at a path: parts, each with its ``_target_`` and arguments, or none."""
    group, *inner = path.split(".")
    files = sorted((CONF / group).glob("*.yaml"))
    found = [reduce(lambda node, name: node.get(name, {}), inner, parsed(file)) for file in files]
    return [node or UNSAID.get(path) for node in found]


#: The part at a path that a choice which does not name one has.
UNSAID = {"data.info.task": {"_target_": "pruneexp.tasks.classification.Classification"}}


@cache
def points(choice: str) -> tuple[PointIdentity, ...]:
    return points_of(*composed(*choice.split()))


def with_value(choice: str, key: str, value: Any) -> tuple[PointIdentity, ...]:
    """The points of a job in which one key has this value."""
    config, choices = composed(*choice.split())
    OmegaConf.update(config, key, value, merge=False, force_add=True)
    return points_of(config, choices)


def candidates(key: str, value: Any) -> list[tuple[str, Any]]:
    """What may stand at a key in the place of its value; in that of a part's code, another part."""
    path, _, name = key.rpartition(".")
    if name == "_target_":
        return [(path, node) for node in nodes(path) if node is None or node["_target_"] != value]
    return [(key, other) for other in VALUES[type(value)] if other != value]


def flipped(choice: str, key: str, value: Any) -> tuple[PointIdentity, ...]:
    """The points of a job with the first other value of a key that means something."""
    for where, other in candidates(key, value):
        try:
            return with_value(choice, where, other)
        except (UserError, OmegaConfBaseException, TypeError):
            continue
    raise AssertionError(f"{choice}: no other value of {key} means anything")


#: Keys that count only beside another one.
BESIDE = {"retrain.distillation.temperature": "retrain.distillation.weight=0.5"}


def check(choice: str, key: str, value: Any, folder: Path) -> None:
    """A key of a job is what it is declared to be."""
    choice = f"{choice} {BESIDE.get(key, '')}".strip()
    before = points(choice)
    if kind_of(key) == "content":
        one, same, other = (folder / name for name in ("one", "same", "other"))
        for path, content in ((one, "a"), (same, "a"), (other, "b")):
            save_file({"w": torch.full((2,), float(ord(content)))}, path)
        found = (with_value(choice, key, str(path)) for path in (one, same, other))
        first, second, third = ([replace(of, started_from=None) for of in each] for each in found)  # a label: the name
        assert first == second, key
        assert {of.dense_key for of in first}.isdisjoint(of.dense_key for of in third), key
    elif kind_of(key) == "default":  # the penalty of its name takes its strength from it
        taken = f"{choice} reg={key.split('.')[1]}"
        assert {of.point_key for of in flipped(taken, key, value)}.isdisjoint(of.point_key for of in points(taken)), key
    elif kind_of(key) == "place":
        assert flipped(choice, key, value) == before, key
    else:
        after = flipped(choice, key, value)
        assert {of.point_key for of in after} != {of.point_key for of in before}, key
        if key in ("curve.densities", "curve.qualities") and before[0].path is None:
            assert {of.curve_key for of in after} == {of.curve_key for of in before}, key


@pytest.mark.parametrize(("choice", "keys"), distinct().items())
def test_a_key_of_a_choice_is_what_it_is_declared_to_be(choice: str, keys: list[str], tmp_path: Path) -> None:
    values = plain(composed(choice)[0])
    for key in keys:
        check(choice, key, reduce(lambda node, name: node[name], key.split("."), values), tmp_path)


def test_so_is_every_key_of_the_skeleton(tmp_path: Path) -> None:
    whole = OmegaConf.to_container(OmegaConf.structured(skeleton.Config), enum_to_str=True)
    typed = {key: value for key, value, _ in leaves(whole) if value != MISSING}
    assert {kind_of(key) for key in typed} == {"number", "content", "default", "place"}
    for key, value in typed.items():
        check("model=lenet5", key, value, tmp_path)


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice.startswith("study=")])
def test_so_is_every_key_of_a_study(choice: str) -> None:
    node = {"study": plain(read_study([choice]).study)}
    before = numbers("study", node["study"])
    assert {kind_of(f"study.{key}") for key in node["study"]} <= {"number", "place"}
    assert "_target_" in before


def test_a_key_of_a_third_partys_choice_is_a_number() -> None:
    before = points("model=lenet5")
    for key in ("model.width", "data.blur", "criterion.strength"):
        assert kind_of(key) == "number"
        after = with_value("model=lenet5", key, 3)
        assert {of.curve_key for of in after}.isdisjoint(of.curve_key for of in before)


def test_a_number_that_nothing_reads_renames_records_and_no_stage() -> None:
    (before, *_), (after, *_) = points("reg=none"), with_value("reg=none", "reg.strength", 0.5)
    assert before.curve_key != after.curve_key
    assert (before.dense_key, before.mask_key, before.final_key) == (after.dense_key, after.mask_key, after.final_key)
