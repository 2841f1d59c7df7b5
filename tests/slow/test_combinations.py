"""Every shipped criterion in every shipped mode, on a network of each family: a record, or a sentence that refuses it.

Criteria and modes are those of ``conf``, so that a new one is tried without an edit here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pruneexp.config.skeleton import conf_folder
from pruneexp.schema import FAILURE
from tests.contracts.commands import called
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store

CRITERIA, MODES = (
    sorted(path.stem for path in (conf_folder() / group).glob("*.yaml")) for group in ("criterion", "mode")
)
IMAGES = ("data=synthetic", "data.image_size=8", "data.channels=4", "data.samples=60")
TEXT = ("data=text", "data.root={text}", "data.window=16")
#: A network of each family with few weights, by its overrides; ``{text}`` is a file with a little text.
FAMILIES = {
    "vgg_small": ("model=vgg_small", "model.widths=[[8],[8]]", *IMAGES),
    "resnet20": ("model=resnet20", "model.depth=8", *IMAGES),
    "lstm": ("model=lstm", "model.embedding=8", "model.hidden=8", *TEXT),
    "transformer": ("model=transformer", "model.width=16", "model.heads=2", *TEXT),
}
#: What criteria need beside a density of a half, where that is not what they take.
BUDGETS = {
    "layer_std": ("curve.qualities=[0.5]",),
    "channel_predefined": ("+criterion.allocation.keep={*: 0.5}", "curve.units=[0.5]"),
}
SMALL = ("train.epochs=1", "retrain.epochs=1", "train.batch_size=8", "device=cpu", "runtime.progress=false",
         "runtime.dashboard=false")  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one store, in which a network that several criteria prune is trained once."""
    folder = tmp_path_factory.mktemp("combinations")
    (folder / "text.txt").write_text("a little text, over and over. " * 60, encoding="utf-8")
    fresh_store(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_combination_ends_in_a_record_or_a_sentence(criterion: str, family: str, place: Path) -> None:
    experiment = f"{criterion}-{family}"
    words = [word.format(text=place / "text.txt") for word in FAMILIES[family]]
    budget = BUDGETS.get(criterion, ("curve.densities=[0.5]",))
    done = called(place, "-m", f"mode={','.join(MODES)}", f"criterion={criterion}", *words, *budget, *SMALL,
                  f"runtime.experiment={experiment}")  # fmt: skip
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    if done.returncode == 2:  # refused as a whole, before anything is trained
        assert [line for line in done.stderr.splitlines() if line.startswith("pruneexp: ")] != [], said
        return
    points = {run.data.params["mode"]: run for run in runs(place, experiment=experiment)}
    assert points.keys() == set(MODES), said
    for mode, run in points.items():
        assert run.info.status == "FINISHED" or run.data.tags[FAILURE], (mode, said)
    assert done.returncode == int(any(run.info.status != "FINISHED" for run in points.values()))
