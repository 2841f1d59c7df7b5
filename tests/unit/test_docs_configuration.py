"""The page of all keys: it names each one there is, with the default of the skeleton, and none that is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import MISSING, OmegaConf

from pruneexp.config import skeleton
from pruneexp.config.keys import comments, help_lines, meanings

PAGE = Path(__file__).parents[2] / "docs/configuration.md"
GROUPS = ("model", "data", "reg", "dropout", "criterion", "schedule", "mode")
ROW = re.compile(r"^\| (?P<keys>`[^|]*`) \| (?P<default>[^|]*) \| (?P<meaning>[^|]*) \|$", re.MULTILINE)


def leaves(node: object, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, dict) or not node:
        yield path, node
        return
    for key, value in node.items():
        if key != "_target_":
            yield from leaves(value, f"{path}.{key}" if path else key)


def typed() -> dict[str, Any]:
    """Every key of the skeleton but the groups, with its default."""
    whole = OmegaConf.to_container(OmegaConf.structured(skeleton.Config))
    return {key: value for key, value in leaves(whole, "") if value != MISSING}


def chosen() -> set[str]:
    """Every key of every choice of every group."""
    found = set()
    for group in GROUPS:
        for path in (skeleton.conf_folder() / group).glob("*.yaml"):
            node = yaml.safe_load(path.read_text(encoding="utf-8"))
            found |= {key for key, _ in leaves(node, group) if key != group}
    return found


def documented() -> dict[str, str]:
    """Each key of the page's tables and its default there; those of Hydra are not ours to list."""
    rows = ROW.finditer(PAGE.read_text(encoding="utf-8"))
    found = {key: row["default"] for row in rows for key in re.findall(r"`([a-z][\w.]*)`", row["keys"])}
    return {key: default for key, default in found.items() if not key.startswith("hydra.")}


def test_every_key_has_its_row_and_every_row_its_key() -> None:
    assert {"train.milestones", "runtime.checkpoint_seconds", "seed"} <= typed().keys()
    assert {"data.val_images", "criterion.min_keep", "mode.cap"} <= chosen()
    assert documented().keys() == typed().keys() | chosen()


@pytest.mark.parametrize("key", typed())
def test_a_row_tells_the_default_of_the_skeleton(key: str) -> None:
    default = typed()[key]
    text = default.name if isinstance(default, Enum) else default
    assert documented()[key] == (text if isinstance(text, str) else yaml.safe_dump(text).splitlines()[0])


def test_help_reads_the_first_words_of_each_row() -> None:
    assert meanings()["train.lr"] == "first learning rate, above 0"
    assert meanings()["train.clip"] == "largest norm of the whole gradient, penalty included"
    assert typed().keys() | chosen() <= meanings().keys()
    assert [key for key, text in meanings().items() if not 12 <= len(text) <= 100] == []


@pytest.mark.parametrize("path", sorted((skeleton.conf_folder() / "study").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_study_says_what_each_of_its_keys_means(path: Path) -> None:
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
    keys = {f"study.{key}" for key in node.get("study", node) if key not in ("_target_", "defaults")}
    assert keys - comments(path, "study").keys() == set()


def test_a_line_of_help_is_no_wider_than_asked() -> None:
    lines = list(help_lines({"seed": 0, "a.long.key": ["x"] * 30}, {"seed": "word " * 40}, 80))
    assert lines[0].startswith("seed=0" + " " * 32 + "word word")
    assert lines[-1] == f"'a.long.key=[{','.join('x' * 30)}]'"
    assert max(map(len, lines[:-1])) <= 80
