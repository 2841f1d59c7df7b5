"""Every shipped criterion in every shipped mode, on a network of each family: all finish but for right refusals.

Criteria and modes are those of ``conf``, so that a new one is tried without an edit here, and has to finish wherever
``REFUSALS`` does not say why it cannot.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pruneexp.config.skeleton import conf_folder
from tests.contracts.commands import called
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store

CRITERIA: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((conf_folder() / "criterion").glob("*.yaml"))
}
MODES = sorted(path.stem for path in (conf_folder() / "mode").glob("*.yaml"))
#: The criterion of each row, and its penalty where that is of its method; each criterion has a row without one, too.
ROWS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in CRITERIA},
    "slimming_penalised": ("slimming", "reg=slimming"),
    "sparse_structure_penalised": ("sparse_structure", "reg=sparse_structure"),
}
IMAGES = ("data=synthetic", "data.image_size=8", "data.channels=4", "data.samples=60")
TEXT = ("data=text", "data.root={folder}/text.txt", "data.window=16")
#: A network of each family with few weights, by its overrides; ``{folder}`` has a file with a little text.
FAMILIES = {
    "vgg_small": ("model=vgg_small", "model.widths=[[8],[8]]", *IMAGES),
    "resnet20": ("model=resnet20", "model.depth=14", "model.widths=[4,8,8]", *IMAGES),
    "preresnet164": ("model=preresnet164", "model.depth=20", "model.widths=[4,4,4]", *IMAGES),
    "densenet40": ("model=densenet40", "model.depth=10", "model.growth=4", *IMAGES),
    "lstm": ("model=lstm", "model.embedding=8", "model.hidden=8", *TEXT),
    "transformer": ("model=transformer", "model.width=16", "model.heads=2", *TEXT),
}
TEXTS = ("lstm", "transformer")
STAGES = {"vgg_small": 2, "resnet20": 3, "preresnet164": 3, "densenet40": 3}  # whose maps are of one size each
WITH_BLOCK_SCALES = ("resnet20", "preresnet164")
OF_CONVOLUTIONS = tuple(row for row, (name, *_) in ROWS.items() if CRITERIA[name]["layers"] == ["conv"])
#: The refusals that are right: rows, families, and what is said. All that is not here has to finish.
REFUSALS = (
    (OF_CONVOLUTIONS, TEXTS, r"has no prunable layer of kind conv;"),
    (("head_magnitude",), tuple(FAMILIES.keys() - {"transformer"}),
     r"has no heads of attention that can go: no product of activations has several heads"),
    (("residual_magnitude", "sparse_blocks"), ("vgg_small", "densenet40"),
     r"has no residual branches that can go: nothing is added to what it was made of"),
    (("residual_magnitude", "sparse_blocks"), ("lstm",),
     r"has no residual branches that can go: .*no identity beside it"),
    (("sparse_blocks",), ("transformer",), r"scores residual blocks by their scales, and LanguageTransformer has none"),
    (("thinet", "lasso"), ("lstm",), r"weight_hh_l0 reads channels, and its weights cannot be fitted"),
)  # fmt: skip
SMALL = ("train.epochs=1", "retrain.epochs=1", "train.batch_size=8", "device=cpu", "runtime.progress=false",
         "runtime.dashboard=false")  # fmt: skip


def budget(criterion: str) -> str:
    """A half of what the criterion counts."""
    if criterion == "layer_std":
        return "curve.qualities=[0.5]"
    return f"curve.{'units' if 'unit' in CRITERIA[criterion] else 'densities'}=[0.5]"


def needs(criterion: str, family: str) -> tuple[str, ...]:
    """What a criterion cannot do without, where the network can have it."""
    if criterion == "channel_predefined":
        return ("+criterion.allocation.keep={*: 0.5}",)
    if criterion.startswith("guided"):
        return (f"criterion.allocation.pattern={{folder}}/{STAGES.get(family, 1)}.json",)
    if criterion == "sparse_blocks" and family in WITH_BLOCK_SCALES:
        return ("model.block_scales=true",)
    return ()


def refusal(row: str, family: str) -> str | None:
    """What is said where this row is rightly refused, as a pattern."""
    (*found,) = (said for rows, families, said in REFUSALS if row in rows and family in families)
    return found[0] if found else None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one store, in which a network that several criteria prune is trained once; patterns, and a text."""
    folder = tmp_path_factory.mktemp("combinations")
    (folder / "text.txt").write_text("a little text, over and over. " * 60, encoding="utf-8")
    stage = {"channels": 0.5, "kernels": {"1x1": [[0.5]], "3x3": [[0.5] * 3] * 3}}
    for stages in {1, *STAGES.values()}:
        budgets = {key: {"stages": [stage] * stages} for key in ("units=0.5", "density=0.5")}
        (folder / f"{stages}.json").write_text(json.dumps({"budgets": budgets}), encoding="utf-8")
    fresh_store(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("row", ROWS)
def test_every_combination_finishes_but_for_the_refusals_that_are_right(row: str, family: str, place: Path) -> None:
    criterion, *penalty = ROWS[row]
    experiment = f"{row}-{family}"
    words = [word.format(folder=place) for word in FAMILIES[family]]
    words += [word.replace("{folder}", str(place)) for word in needs(criterion, family)]
    done = called(place, "-m", f"mode={','.join(MODES)}", f"criterion={criterion}", *penalty, *words, budget(criterion),
                  *SMALL, f"runtime.experiment={experiment}")  # fmt: skip
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    if (why := refusal(row, family)) is not None:  # as a whole, before anything is trained
        assert done.returncode == 2, said
        assert re.search(f"^pruneexp: .*{why}", done.stderr, re.MULTILINE), said
        return
    assert done.returncode == 0, said
    points = {run.data.params["mode"]: run.info.status for run in runs(place, experiment=experiment)}
    assert points == dict.fromkeys(MODES, "FINISHED"), said
