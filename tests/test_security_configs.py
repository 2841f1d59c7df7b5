"""Attacks by a configuration file: none of them may run code, read secrets, or reach beyond the working folder.

Each is a preset as a stranger might send it, tried with `python -m pruneexp experiment=evil` up to where torch would be
loaded; whoever means the same can say it on the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pruneexp.config import checks, origin, skeleton
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
    monkeypatch.setenv("PRUNEEXP_LABEL", "mine")
    skeleton.register()
    yield
    assert not Path("pwned").exists()
    OmegaConf.clear_resolvers()  # restores OmegaConf's own


def refused(preset: object, *words: str) -> str:
    """The one sentence that a preset of this content is refused with."""
    folder = Path("sent/experiment")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evil.yaml").write_text("# @package _global_\n" + yaml.safe_dump(preset))
    with pytest.raises(Exception) as caught:  # noqa: PT011  Hydra's own among them
        check_command(["--config-dir", "sent", "experiment=evil", *words])
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
    "preset",
    [
        {"data": {"_target_": "pruneexp.data.cifar.cifar10", "_args_": ["/abroad"], "download": True}},
        {"reg": {"train": {"_target_": "pruneexp.data.cifar.cifar10", "root": "/abroad", "download": True}}},
    ],
)
def test_no_data_set_is_fetched_into_another_folder(preset: dict[str, object]) -> None:
    assert "is not allowed" in refused(preset)


@pytest.mark.parametrize(
    ("preset", "key"),
    [
        ({"runtime": {"allow": "${oc.select:hydra.output_subdir,[pruneexp]}"}}, "runtime.allow"),
        ({"runtime": {"allow": ["${oc.select:runtime.tags.s${seed},os}"]}}, "runtime.allow"),
        ({"runtime": {"tracking_uri": "${oc.select:runtime.tags.s${seed},http://abroad}"}}, "runtime.tracking_uri"),
        ({"data": {"root": "${oc.select:runtime.tags.s${seed},/abroad}"}}, "data.root"),
    ],
)
def test_what_is_checked_is_what_is_used(preset: dict[str, object], key: str) -> None:
    assert refused(preset).startswith(f"{key} depends on other values")


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"callbacks": {"evil": SYSTEM}}, "hydra.callbacks.evil"),
        ({"launcher": {"n_jobs": SYSTEM}}, "ConfigKeyError"),
        ({"sweeper": {"_target_": "os.system", "command": RUN}}, "ConfigKeyError"),
        ({"job": {"env_set": {"LD_PRELOAD": "/tmp/evil.so"}}}, "hydra.job.env_set.LD_PRELOAD"),
        ({"job": {"env_copy": ["CLOUD_KEY"]}}, "hydra.job.env_set.CLOUD_KEY"),
        ({"job": {"chdir": True}}, "hydra.job.chdir"),
        ({"job_logging": {"handlers": {"x": {"()": "subprocess.Popen", "args": RUN}}}}, "hydra.job_logging"),
        ({"hydra_logging": {"handlers": {"x": {"class": "os.system"}}}}, "hydra.hydra_logging"),
        ({"overrides": {"hydra": ["hydra.run.dir=/"]}}, "hydra.overrides.hydra"),
        ({"sweeper": {"params": {"runtime.allow": "[os]"}}, "mode": "MULTIRUN"}, "runtime.allow"),
        ({"sweeper": {"params": {"hydra.run.dir": "/"}}, "mode": "MULTIRUN"}, "hydra.run.dir"),
        ({"searchpath": ["file:///tmp"]}, "searchpath"),
    ],
)
def test_hydra_itself_is_not_for_files_to_set(node: dict[str, object], told: str) -> None:
    sentence = refused({"hydra": node})
    assert told in sentence
    assert "s3cret" not in sentence
    assert "\n" not in sentence


def test_nor_does_a_file_choose_another_launcher() -> None:
    folder = Path("sent/hydra/launcher")
    folder.mkdir(parents=True)
    (folder / "evil.yaml").write_text(yaml.safe_dump({**SYSTEM, "also": SYSTEM}))
    assert "hydra.launcher" in refused({"defaults": [{"override /hydra/launcher": "evil"}]})


def test_hydras_folders_are_ours() -> None:
    elsewhere = {"run": {"dir": "/"}, "sweep": {"dir": "../x", "subdir": "../../x"}, "output_subdir": "../.ssh"}
    folder = Path("sent/experiment")
    folder.mkdir(parents=True)
    (folder / "evil.yaml").write_text("# @package _global_\n" + yaml.safe_dump({"hydra": elsewhere}))
    words = [f"hydra.searchpath=['file://{Path('sent').absolute()}']", "experiment=evil"]
    with initialize_config_dir(str(skeleton.conf_folder()), version_base="1.3"):
        hydra = compose("config", overrides=words, return_hydra_config=True).hydra
    assert (hydra.run.dir, hydra.sweep.dir, hydra.sweep.subdir, hydra.output_subdir) == (
        ".",
        ".pruneexp/jobs",
        ".",
        None,
    )


@pytest.mark.parametrize(
    ("preset", "told"),
    [
        ({"runtime": {"allow": ["os"]}, "model": SYSTEM}, "runtime.allow=['os'] stands in a configuration file"),
        ({"hydra": {"overrides": {"task": ["runtime.allow=[os]"]}}, "runtime": {"allow": ["os"]}}, "runtime.allow"),
        ({"runtime": {"store": "/tmp/elsewhere"}}, "runtime.store=/tmp/elsewhere in a configuration file leaves"),
        ({"runtime": {"store": "inside/../../elsewhere"}}, "runtime.store=inside/../../elsewhere in a configuration"),
        ({"runtime": {"store": "~/.ssh"}}, "runtime.store=~/.ssh in a configuration file leaves"),
        ({"runtime": {"tracking_uri": "http://evil.example/"}}, "runtime.tracking_uri in a configuration file names"),
        ({"runtime": {"tracking_uri": "sqlite:////tmp/elsewhere.db"}}, "runtime.tracking_uri=sqlite:////tmp/elsewhere"),
        ({"train": {"start_from": "/etc/passwd"}}, "train.start_from=/etc/passwd in a configuration file leaves"),
        (
            {"runtime": {"tracking_uri": "sqlite:///%2Ftmp%2Felsewhere.db"}},
            "runtime.tracking_uri in a configuration file",
        ),
        ({"data": {"root": "../others"}}, "data.root=../others in a configuration file leaves"),
        ({"runtime": {"store": "link/elsewhere"}}, "runtime.store=link/elsewhere in a configuration file leaves"),
        ({"runtime": {"sweeps": "sent/up/../../x"}}, "runtime.sweeps=sent/up/../../x in a configuration file leaves"),
        ({"data": {"root": "sent/up"}}, "data.root=sent/up in a configuration file leaves"),
        ({"train": {"start_from": "link/hosts"}}, "train.start_from=link/hosts in a configuration file leaves"),
        ({"runtime": {"tracking_uri": "sqlite:///link/x.db"}}, "runtime.tracking_uri=sqlite:///link/x.db in a"),
        (
            {"hydra": {"sweeper": {"file": "sent/all.yaml"}}},
            "hydra.sweeper.file=sent/all.yaml stands in a configuration",
        ),
        (
            {"hydra": {"sweeper": {"file": "sent/all.yaml"}, "mode": "MULTIRUN"}},
            "hydra.sweeper.file=sent/all.yaml stands",
        ),
    ],
)
def test_files_do_not_reach_beyond_the_folder(preset: dict[str, object], told: str) -> None:
    Path("sent").mkdir()
    Path("link").symlink_to("/etc")
    Path("sent/up").symlink_to("..//../..")
    assert told in refused(preset, "data=mnist")


def test_links_at_places_of_ours_are_the_users(tmp_path_factory: pytest.TempPathFactory) -> None:
    disk = tmp_path_factory.mktemp("disk")
    for name in ("data", ".pruneexp"):
        Path(name).symlink_to(disk / name)
        (disk / name).mkdir()
    Path("data/imagenet").symlink_to(tmp_path_factory.mktemp("imagenet"))
    shipped = [
        yaml.safe_load(path.read_text()).get("root") for path in (skeleton.conf_folder() / "data").glob("*.yaml")
    ]
    defaults = skeleton.RuntimeConfig()
    for place in (*filter(None, shipped), defaults.store, defaults.sweeps, "data/mine", ".pruneexp/studies/x.journal"):
        assert origin.inside(Path(place)), place
    assert not origin.inside(Path("data/../mine"))
    assert not origin.inside(disk)


@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:CLOUD_KEY}",
        "x-${oc.env:CLOUD_KEY,none}",
        "${oc.${runtime.store}:CLOUD_KEY}",
        "${oc.decode:'${oc.env:CLOUD_KEY}'}",
        "${oc.select:nothing,${oc.env:CLOUD_KEY}}",
    ],
)
def test_the_environment_stays_out_of_the_records(text: str) -> None:
    sentence = refused({"runtime": {"experiment": text, "store": "env"}})
    assert "${oc.env:CLOUD_KEY}: of the environment, a configuration file may read PRUNEEXP_... only" in sentence
    assert "s3cret" not in sentence


def test_the_person_may_say_it_all() -> None:
    words = (
        "data=mnist",
        "runtime.store=/tmp/mine",
        "data.root=/tmp/mine",
        "runtime.allow=[mine]",
        "runtime.tracking_uri='http://ann:${oc.env:CLOUD_KEY}@lab:5000'",
        "runtime.experiment=${oc.env:PRUNEEXP_LABEL}",
        "hydra.sweep.dir=/tmp/mine",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
    )
    assert check_command(["-m", "experiment=smoke", *words]) is None


@pytest.mark.parametrize("words", [["--config-name", "evil"], ["--config-path", "/tmp"]])
def test_nothing_else_is_composed(words: list[str]) -> None:
    with pytest.raises(Exception, match=words[0]):
        check_command(words)


@pytest.mark.parametrize(
    ("study", "told"),
    [
        (SYSTEM, "study._target_=os.system is not allowed"),
        ({"_target_": "sweeps.driver.os.system"}, "study._target_=sweeps.driver.os.system is not allowed"),
        ({**KNEE, "storage": "http://evil.example/"}, "study.storage in a configuration file names"),
        (
            {**KNEE, "storage": "sqlite:///file:/tmp/elsewhere.db?uri=true"},
            "study.storage in a configuration file names",
        ),
        ({**KNEE, "storage": "sqlite:///..%2Felsewhere.db"}, "study.storage in a configuration file names"),
        ({**KNEE, "storage": "/tmp/elsewhere.journal"}, "study.storage=/tmp/elsewhere.journal in a configuration file"),
    ],
)
def test_studies_obey_the_same_rules(study: dict[str, object], told: str) -> None:
    folder = Path("sent/study")
    folder.mkdir(parents=True)
    (folder / "evil.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(UserError) as caught:
        read(["--config-dir", "sent", "study=evil"])
    assert told in str(caught.value)
