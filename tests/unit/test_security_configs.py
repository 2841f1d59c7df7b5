"""What a configuration file in a folder of the user's may say: everything, but for the code that a ``_target_`` names.

Presets are tried with `python -m pruneexp experiment=evil` up to where torch would be loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pruneexp.config import checks, skeleton
from pruneexp.config.complaints import complaint
from pruneexp.config.sweep import check_command
from pruneexp.errors import UserError
from sweeps.compose import read

RUN = "touch pwned"
KNEE = {"_target_": "sweeps.studies.knee.Knee"}
SYSTEM = {"_target_": "os.system", "command": RUN}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUD_KEY", "s3cret")
    skeleton.register()
    yield
    assert not Path("pwned").exists()


def write(choice: str, text: str) -> None:
    """A choice in the user's folder ``sent``."""
    path = Path("sent", f"{choice}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def refused(preset: object) -> str:
    """The one sentence that a preset of this content is refused with."""
    write("experiment/evil", "# @package _global_\n" + yaml.safe_dump(preset))
    with pytest.raises(Exception) as caught:  # noqa: PT011  Hydra's own among them
        check_command(["--config-dir", "sent", "experiment=evil"])
    return complaint(caught.value)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.exec",
        "builtins.eval",
        "subprocess.run",
        "torch.load",
        "torch.hub.load",
        "torch.serialization.load",
        "torch.utils.cpp_extension.load",
        "torchvision.datasets.MNIST",
        "hydra.utils.get_method",
        "pickle.loads",
        "importlib.import_module",
        "pruneexp",
        "pruneexp.provenance._git",
        "pruneexp.provenance.subprocess.run",
        "pruneexp.cache.files.shutil.rmtree",
        "pruneexp.cache.files.publish",
        "pruneexp.tracking.databases.create_database",
        "pruneexp.models.lenet._hidden",
        "torch.nn.Module.__init__.__globals__",
        "torch.nnx.evil",
    ],
)
def test_no_target_is_anything_else(target: str) -> None:
    with pytest.raises(UserError, match="is not allowed"):
        checks.check_target("model", target, checks.ALLOWED_TARGETS)


@pytest.mark.parametrize(
    "preset",
    [
        {"reg": {"train": SYSTEM}},
        {
            "model": {
                "_target_": "torch.nn.Sequential",
                "_args_": [{"_target_": "torch.nn.Linear"}, [{"deep": [SYSTEM]}]],
            }
        },
        {"model": {"_target_": "torch.nn.Sequential", "hook": {**SYSTEM, "_partial_": True}}},
        {"model": {"_target_": "${oc.select:nothing,os}.system", "command": RUN}},
        {"model": {"_target_": "pruneexp.provenance._git", "_args_": [".", "-c", f"alias.x=!{RUN}", "x"]}},
    ],
)
def test_no_target_hides(preset: dict[str, object]) -> None:
    assert "is not allowed" in refused(preset)


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"callbacks": {"evil": SYSTEM}}, "hydra.callbacks.evil._target_=os.system: of Hydra, hydra/launcher and"),
        ({"callbacks": {"evil": "${runtime.tags}"}}, "hydra.callbacks.evil._target_=os.system: of Hydra"),
        ({"job_logging": {"formatters": [SYSTEM]}}, "hydra.job_logging.formatters[0]._target_=os.system: of Hydra"),
        ({"sweeper": {"params": {"model": SYSTEM}}}, "hydra.sweeper.params.model._target_=os.system: of Hydra"),
        ({"sweeper": {"params": "${runtime.tags}"}}, "hydra.sweeper.params._target_=os.system: of Hydra"),
        ({"sweeper": {"_target_": "os.system"}}, "hydra.sweeper._target_=os.system is no plug-in of Hydra's"),
        ({"launcher": {"_target_": "torch.nn.Linear"}}, "hydra.launcher._target_=torch.nn.Linear is no plug-in"),
    ],
)
def test_nor_does_hydra_run_what_a_file_names(node: dict[str, object], told: str) -> None:
    tags = {"tags": SYSTEM} if "${runtime.tags}" in str(node) else {}
    assert told in refused({"hydra": node, "runtime": tags})


def test_nor_does_a_launcher_of_ones_own() -> None:
    write("hydra/launcher/evil", yaml.safe_dump({**SYSTEM, "also": SYSTEM}))
    said = refused({"defaults": [{"override /hydra/launcher": "evil"}]})
    assert said.startswith("hydra.launcher")


@pytest.mark.parametrize(
    "preset",
    [
        {"data": {"root": "/elsewhere/data"}},
        {"data": {"root": "${oc.env:CLOUD_KEY}/data"}},
        {"runtime": {"store": "../store", "sweeps": "~/sweeps", "tracking_uri": "http://lab:5000/"}},
        {"runtime": {"tracking_uri": "postgresql+psycopg://me:${oc.env:CLOUD_KEY}@db/mlflow"}},
        {"runtime": {"tracking_uri": "sqlite:////elsewhere/mlflow.db", "experiment": "${oc.env:CLOUD_KEY}"}},
        {"runtime": {"allow": ["mine"]}, "train": {"start_from": "/elsewhere/weights.safetensors"}},
        {"hydra": {"sweep": {"dir": "/elsewhere"}, "job": {"env_set": {"OMP_NUM_THREADS": "1"}}}},
        {"hydra": {"launcher": {"n_jobs": 2}}, "defaults": [{"override /hydra/launcher": "joblib"}]},
    ],
)
def test_a_file_in_a_folder_that_the_user_names_is_the_users(preset: dict[str, object]) -> None:
    write("experiment/mine", "# @package _global_\n" + yaml.safe_dump(preset))
    assert check_command(["--config-dir", "sent", "-m", "data=mnist", "experiment=mine", "seed=0,1"]) is None


@pytest.mark.parametrize("storage", ["postgresql+psycopg://me:${oc.env:CLOUD_KEY}@db/studies", "/elsewhere/x.journal"])
def test_so_is_a_study(storage: str) -> None:
    text = f"defaults: [layer_thresholds, _self_]\nstudy: {{storage: '{storage}'}}\n"
    write("study/mine", f"# @package _global_\n{text}")
    command = read(["--config-dir", "sent", "study=mine"])
    assert command.study.storage == storage.replace("${oc.env:CLOUD_KEY}", "s3cret")


def test_a_variable_that_is_not_set_is_said_in_a_sentence() -> None:
    assert "'NOT_SET' not found" in refused({"runtime": {"experiment": "${oc.env:NOT_SET}"}})


@pytest.mark.parametrize("words", [["--config-name", "evil"], ["--config-path", "/tmp"]])
def test_nothing_else_is_composed(words: list[str]) -> None:
    with pytest.raises(Exception, match=words[0]):
        check_command(words)


@pytest.mark.parametrize(
    ("study", "told"),
    [
        (SYSTEM, "study._target_=os.system is not allowed"),
        ({"_target_": "sweeps.driver.os.system"}, "study._target_=sweeps.driver.os.system is not allowed"),
        ({**KNEE, "seeds": [SYSTEM]}, "study.seeds[0]._target_=os.system is not allowed"),
    ],
)
def test_studies_obey_the_same_rules(study: dict[str, object], told: str) -> None:
    write("study/evil", yaml.safe_dump(study))
    with pytest.raises(UserError) as caught:
        read(["--config-dir", "sent", "study=evil"])
    assert told in str(caught.value)
