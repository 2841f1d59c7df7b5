"""The shape of the tree: who may import whom, what loads torch, what a module looks like from outside.

The import rules themselves stand in pyproject.toml; here they are shown to hold and to bite.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import yaml

ROOT = Path(__file__).parents[2]
PACKAGES = ("pruneexp", "sweeps", "analysis", "hydra_plugins")
LINT_IMPORTS = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_logo=True, no_cache=True))"
LINES = 300

#: Names under which anything can hide.
VAGUE = {"utils", "util", "helpers", "helper", "misc", "base", "common", "manager"}

#: Package hosts and folders of one machine; written so that this file does not contain what it looks for.
ELSEWHERE = re.compile(
    r"[p]ypi\.org|[p]ythonhosted|registry\.[n]pmjs|deb\.[d]ebian|archive\.[u]buntu|--find-[l]inks"
    r"|/(?:[w]ork|[f]arm|[r]oot)/\w|/[h]ome/\w|/[U]sers/\w|/opt/[w]heels|/tmp/[b]ash_jobs"
)


def tracked() -> list[Path]:
    """Every file that is, or is about to be, in the repository."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted(path for name in set(names) if name and (path := ROOT / name).is_file())


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def sources() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command, environment = [sys.executable, *arguments], os.environ | {"PYTHONPATH": "", "COLUMNS": "200"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def imported_by(*arguments: str) -> set[str]:
    """Top-level packages that a Python process imports, read from the interpreter's own import log."""
    process = python("-X", "importtime", *arguments)
    assert process.returncode == 0, process.stderr[-2000:]
    logged = [line for line in process.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in logged}


# --- files ---


def test_no_source_file_is_long() -> None:
    lengths = {shown(path): len(path.read_text().splitlines()) for path in sources()}
    assert {name: length for name, length in lengths.items() if length > LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    modules = [path for path in sources() if path.relative_to(ROOT).parts[0] in {*PACKAGES, "benchmarks"}]
    assert modules
    assert [shown(path) for path in modules if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_every_name_says_something() -> None:
    named = [path for path in sources() if VAGUE & {path.stem, *path.relative_to(ROOT).parts[:-1]}]
    assert [shown(path) for path in named] == []


def test_nothing_points_to_one_machine_or_registry() -> None:
    found = []
    for path in tracked():
        text = path.read_bytes().decode(errors="replace")
        found += [f"{shown(path)}: {match.group()}" for match in ELSEWHERE.finditer(text)]
    assert found == []


# --- imports ---


#: For each rule in pyproject.toml a module and a line that breaks it.
FORBIDDEN = {
    "Imports go down only": ("pruneexp/cache/store.py", "import pruneexp.stages.dense"),
    "What measures and trains knows neither data nor models": (
        "pruneexp/training/fit.py",
        "import pruneexp.data.dataset",
    ),
    "Of pruning, training knows layers, and edits and what enforces them": (
        "pruneexp/training/fit.py",
        "import pruneexp.pruning.select",
    ),
    "Only the experiment records": ("pruneexp/stages/dense.py", "import pruneexp.tracking"),
    "Experiments know neither searches nor publications": (
        "pruneexp/schema/codec.py",
        "import analysis.paper",
    ),
    "Searches and publications do not know each other": ("sweeps/space.py", "import analysis.paper"),
    "Only searches know Optuna": ("analysis/paper.py", "import optuna"),
    "Studies do not know each other": ("sweeps/studies/knee.py", "import sweeps.studies.sensitivity"),
    "Of pruneexp, analysis knows the records only": ("analysis/paper.py", "import pruneexp.stages"),
    "Publications stand on statistics, and statistics on records": (
        "analysis/records/runs.py",
        "import analysis.statistics.curves",
    ),
    "Hydra ends where the experiment begins": ("pruneexp/stages/dense.py", "import omegaconf"),
    "One writer and one reader of MLflow": ("pruneexp/stages/dense.py", "import mlflow"),
    "Only figures draw": ("analysis/paper.py", "import matplotlib.pyplot"),
    "Plug-ins do not know their siblings": ("pruneexp/modes/prune.py", "import pruneexp.modes.rewind"),
    "No cycles": ("pruneexp/cache/identity.py", "import pruneexp.cache.store"),
}


def broken_with(tmp_path: Path, planted: list[tuple[str, str]]) -> set[str]:
    """Names of the rules that a copy of the packages breaks after lines were added to some of its modules."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, line in planted:
        with (tmp_path / module).open("a") as source:
            source.write(f"\n{line}\n")
    return set(re.findall(r"^(.+) BROKEN\b", python("-c", LINT_IMPORTS, cwd=tmp_path).stdout, re.MULTILINE))


def test_import_rules_bite(tmp_path: Path) -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert FORBIDDEN.keys() == {rule["name"] for rule in rules}
    assert broken_with(tmp_path, list(FORBIDDEN.values())) == FORBIDDEN.keys()


def test_a_new_room_must_find_its_layer_and_breaks_no_other_rule(tmp_path: Path) -> None:
    assert broken_with(tmp_path, [("pruneexp/new_room.py", '"""Nowhere yet."""')]) == {"Imports go down only"}


def targets() -> dict[str, set[str]]:
    """Modules of ours that the YAML files of one group (a folder of conf/) name as ``_target_``."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "conf").rglob("*.yaml")):
        group = path.relative_to(ROOT / "conf").parts[0]
        for node in nodes(yaml.safe_load(path.read_text())):
            name = str(node.get("_target_", "")).rpartition(".")[0]
            if name.startswith("pruneexp."):
                found.setdefault(group, set()).add(name)
    return found


def nodes(tree: object) -> list[dict[str, object]]:
    """Every mapping in a parsed YAML file."""
    if isinstance(tree, dict):
        return [tree, *(node for value in tree.values() for node in nodes(value))]
    return [node for value in tree for node in nodes(value)] if isinstance(tree, list) else []


def test_choices_of_a_group_do_not_know_each_other() -> None:
    graph = grimp.build_graph("pruneexp", cache_dir=None)
    groups = targets()
    assert {"model", "data"} <= set(groups)
    known = [
        f"{importer} -> {imported}"
        for modules in groups.values()
        for importer in sorted(modules)
        for imported in sorted(modules - {importer})
        if graph.chain_exists(importer, imported)
    ]
    assert known == []


# --- what is loaded ---


def test_analysis_runs_without_torch() -> None:
    names = [shown(path) for path in sources() if shown(path).startswith("analysis/")]
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names]
    everything = "import " + ", ".join(name for name in modules if not name.endswith("__main__"))
    loaded = imported_by("-c", everything)
    assert "pandas" in loaded
    assert "torch" not in loaded


def test_help_loads_neither_torch_nor_mlflow() -> None:
    loaded = imported_by("-m", "pruneexp", "--help")
    assert "hydra" in loaded
    assert not loaded & {"torch", "torchvision", "mlflow", "pandas", "matplotlib"}


def test_costs_need_no_torch() -> None:
    assert "torch" not in imported_by("-c", "import pruneexp.cost.rows, pruneexp.cost.rules")


def test_vocabulary_loads_nothing_heavy() -> None:
    loaded = imported_by("-c", "import pruneexp, pruneexp.schema, pruneexp.errors")
    assert not loaded & {"torch", "numpy", "pandas", "mlflow", "hydra", "omegaconf"}


def test_summaries_load_nothing_heavy() -> None:
    modules = (path.stem for path in (ROOT / "pruneexp" / "summary").glob("[a-z]*.py"))
    loaded = imported_by("-c", "import " + ", ".join(f"pruneexp.summary.{name}" for name in modules))
    assert "colorsys" in loaded
    assert not loaded & {"torch", "pandas", "pyarrow", "mlflow", "matplotlib", "optuna"}
