"""Modules that a user's network needs are part of what it is stored under; all other modules are not."""

from __future__ import annotations

import hashlib
import importlib
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from tests.contracts.composing import small
from tests.contracts.jobs import job_of
from tests.contracts.own_code import another_process, built, edit, keys, network, searched_folder, write

BLOCK = "from torch import nn\n\nRelu = nn.ReLU\n"
COMPILED = f"fast{EXTENSION_SUFFIXES[0]}"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return searched_folder(tmp_path, monkeypatch)


OWN_MODEL = {"model": {"_target_": "own_net.Net"}}
CASES: dict[str, tuple[dict[str, str], str]] = {
    "itself": ({"own_net.py": network("", "nn.ReLU()")}, "own_net.py"),
    "import": ({"own_net.py": network("import blocks", "blocks.Relu()"), "blocks.py": BLOCK}, "blocks.py"),
    "from": ({"own_net.py": network("from blocks import Relu", "Relu()"), "blocks.py": BLOCK}, "blocks.py"),
    "star": ({"own_net.py": network("from blocks import *", "Relu()"), "blocks.py": BLOCK}, "blocks.py"),
    "dotted": (
        {"own_net.py": network("import deep.er.blocks as b", "b.Relu()"), "deep/er/blocks.py": BLOCK},
        "deep/er/blocks.py",
    ),
    "package that runs first": (
        {
            "own_net.py": network("import deep.blocks as b", "b.Relu()"),
            "deep/__init__.py": "",
            "deep/blocks.py": BLOCK,
        },
        "deep/__init__.py",
    ),
    "re-exported": (
        {
            "own_net.py": network("from deep import Relu", "Relu()"),
            "deep/__init__.py": "from .inner import Relu\n",
            "deep/inner/__init__.py": "from ..other import Relu\n",
            "deep/other.py": BLOCK,
        },
        "deep/other.py",
    ),
    "module of a package": (
        {
            "own_net.py": network("from deep import blocks", "blocks.Relu()"),
            "deep/__init__.py": "",
            "deep/blocks.py": BLOCK,
        },
        "deep/blocks.py",
    ),
    "module by a star": (
        {
            "own_net.py": network("from deep import *", "blocks.Relu()"),
            "deep/__init__.py": "__all__ = ['blocks']\n",
            "deep/blocks.py": BLOCK,
        },
        "deep/blocks.py",
    ),
    "in a function": (
        {
            "own_net.py": network("def later():\n    from late import Relu\n    return Relu", "later()()"),
            "late.py": BLOCK,
        },
        "late.py",
    ),
    "by name": (
        {
            "own_net.py": network("import importlib\nblocks = importlib.import_module('blocks')", "blocks.Relu()"),
            "blocks.py": BLOCK,
        },
        "blocks.py",
    ),
    "in a circle": (
        {
            "own_net.py": network("import one", "nn.ReLU()"),
            "one.py": "import two\n",
            "two.py": "import one, three\n",
            "three.py": "",
        },
        "three.py",
    ),
    "inherited": (
        {
            "own_net.py": "from parents import Parent\n\n\nclass Net(Parent):\n    pass\n",
            "parents.py": network("", "nn.ReLU()").replace("Net", "Parent"),
        },
        "parents.py",
    ),
    "compiled": (
        {
            "own_net.py": network("def later():\n    import fast", "nn.ReLU()"),
            COMPILED: "not run here",
        },
        COMPILED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_edited_module_that_a_network_needs_makes_another_network(case: str, mine: Path) -> None:
    files, edited = CASES[case]
    write(mine, {**files, "stranger.py": "x = 1\n"})
    before = keys(mine, OWN_MODEL)
    edit(mine / "stranger.py")
    assert keys(mine, OWN_MODEL) == before
    edit(mine / edited)
    assert keys(mine, OWN_MODEL)["dense"] != before["dense"]


def sources(folder: Path, *overrides: str) -> dict[str, str]:
    _, _, job = built(folder, OWN_MODEL, *overrides)
    found: dict[str, str] = job.setting.learner.model.identity["_sources_"]
    return found


def test_what_is_installed_is_no_part_of_it(mine: Path) -> None:
    imports = "import json, torchvision, numpy.linalg, pruneexp.models.vgg, blocks\nfrom PIL import Image"
    write(mine, {"own_net.py": network(imports, "blocks.Relu()"), "blocks.py": BLOCK, "analysis.py": ""})
    assert sources(mine).keys() == {"own_net.Net", "blocks"}


def test_a_network_of_one_file_is_known_by_that_file(mine: Path) -> None:
    write(mine, {"own_net.py": network("", "nn.ReLU()")})
    assert sources(mine) == {"own_net.Net": hashlib.sha256((mine / "own_net.py").read_bytes()).hexdigest()}


def test_another_job_of_the_same_process_changes_nothing(mine: Path) -> None:
    """What is loaded, and by whom, does not count: jobs run in any order, alone or one after the other."""
    write(mine, {"own_net.py": network("def later():\n    import late", "nn.ReLU()"), "late.py": "", "stranger.py": ""})
    before = sources(mine)
    for name in ("late", "stranger"):
        importlib.import_module(name)
    config, choices = small(mine.parent)
    config.model = OWN_MODEL["model"]
    again = job_of(config, choices, ["own_net"])
    assert again.setting.learner.model.identity["_sources_"] == before


def test_a_process_is_known_by_the_code_that_it_runs(mine: Path) -> None:
    """Not by what its files are edited into while it goes on."""
    write(mine, {"own_net.py": network("import blocks", "blocks.Relu()"), "blocks.py": BLOCK})
    before = keys(mine, OWN_MODEL)["dense"]
    edit(mine / "blocks.py")
    config, choices = small(mine.parent)
    config.model = OWN_MODEL["model"]
    assert job_of(config, choices, ["own_net"]).routes[0].dense.key == before
    assert keys(mine, OWN_MODEL)["dense"] != before


# --- installed packages ---


@pytest.fixture
def installed(tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    write(folder, {"zoo/__init__.py": "", "zoo/deep/blocks.py": BLOCK, "keeper/__init__.py": "", "vet.py": ""})
    write(folder, {"keeper/work.py": "def feed():\n    import vet\n"})
    write(mine, {"own_net.py": network("import zoo, keeper", "nn.ReLU()")})
    monkeypatch.syspath_prepend(folder)
    return folder


def test_an_installed_package_counts_as_a_whole_once_it_is_allowed(mine: Path, installed: Path) -> None:
    assert sources(mine).keys() == {"own_net.Net"}
    before = sources(mine, "runtime.allow=[zoo]")
    assert before.keys() == {"own_net.Net", "zoo"}
    another_process(installed)
    edit(installed / "keeper/work.py")
    assert sources(mine, "runtime.allow=[zoo]") == before


def test_allowed_packages_that_need_each_other_count_together(mine: Path, installed: Path) -> None:
    assert sources(mine, "runtime.allow=[keeper,vet]").keys() == {"own_net.Net", "keeper", "vet"}
    assert sources(mine, "runtime.allow=[zoo,vet]").keys() == {"own_net.Net", "zoo"}


@pytest.mark.parametrize("edited", ["zoo/__init__.py", "zoo/deep/blocks.py"])
def test_an_edited_file_of_an_allowed_package_makes_another_network(edited: str, mine: Path, installed: Path) -> None:
    before = keys(mine, OWN_MODEL, "runtime.allow=[zoo]")
    edit(installed / edited)
    assert keys(mine, OWN_MODEL, "runtime.allow=[zoo]") == before  # in the process that has loaded it
    another_process(installed)
    assert keys(mine, OWN_MODEL, "runtime.allow=[zoo]")["dense"] != before["dense"]


def test_a_network_of_an_allowed_package(mine: Path, installed: Path) -> None:
    write(installed, {"zoo/net.py": network("", "nn.ReLU()")})
    _, _, job = built(mine, {"model": {"_target_": "zoo.net.Net"}}, "runtime.allow=[zoo]")
    assert job.setting.learner.model.identity["_sources_"].keys() == {"zoo.net.Net", "zoo"}
