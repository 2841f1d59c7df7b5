"""The fixed skeleton of an experiment's configuration, with types.

Groups that users swap (model, data, reg, ...) are free-form nodes with a ``_target_``; the rest is typed here, so that
a misspelt key or a value of the wrong type fails while composing. Ranges are checked in ``checks``; what each key means
stands in ``docs/configuration.md``, where ``--help`` reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import MISSING

from pruneexp import places
from pruneexp.config.words import quoted
from pruneexp.errors import UserError

#: Folders searched for the shipped configurations: inside an installed package, then beside it in a checkout.
CONF_FOLDERS = (Path(__file__).parents[1] / "conf", Path(__file__).parents[2] / "conf")


class Optimizer(Enum):
    sgd = "sgd"
    adam = "adam"
    adamw = "adamw"


class LearningRate(Enum):
    constant = "constant"
    step = "step"
    cosine = "cosine"


class Precision(Enum):
    float32 = "float32"
    bfloat16 = "bfloat16"


class Device(Enum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Models(Enum):
    none = "none"
    final = "final"
    all = "all"


class Scope(Enum):
    whole = "whole"
    local = "local"


@dataclass
class TrainConfig:
    """How a network is trained: dense, from scratch, or rewound."""

    epochs: int = 20
    batch_size: int = 64
    optimizer: Optimizer = Optimizer.sgd
    lr: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    schedule: LearningRate = LearningRate.cosine
    milestones: list[float] = field(default_factory=list)
    gamma: float = 0.1
    warmup: float = 0.0
    clip: float | None = None
    label_smoothing: float = 0.0
    augment: bool = False
    precision: Precision = Precision.float32
    start_from: str | None = None
    start_from_except: list[str] = field(default_factory=list)
    trainer: Any = "auto"


@dataclass
class DistillationConfig:
    """What retraining learns from the dense network's answers (Hinton et al. 2015); a weight of 0 is none of it."""

    weight: float = 0.0
    temperature: float = 4.0


@dataclass
class RetrainConfig:
    """How survivors are retrained; what is not said here is as in training.

    ``lr_factor`` of Han et al. 2015: 0.1 for the LeNets, 0.01 for AlexNet; ``scope: local`` is their section 3.3.
    """

    epochs: int = 10
    lr_factor: float = 0.1
    schedule: LearningRate = LearningRate.constant
    milestones: list[float] = field(default_factory=list)
    scope: Scope = Scope.whole
    distillation: DistillationConfig = field(default_factory=DistillationConfig)


@dataclass
class PenaltyConfig:
    """How strong a shipped penalty is, and by what it multiplies the learning rate."""

    strength: float = 0.0
    lr_factor: float = 1.0


@dataclass
class PenaltiesConfig:
    """The shipped penalties, as a recipe may set them: the choices of ``reg`` take their values from here."""

    l1: PenaltyConfig = field(default_factory=lambda: PenaltyConfig(strength=1.0e-4))
    l2: PenaltyConfig = field(default_factory=lambda: PenaltyConfig(strength=5.0e-4))
    weight_decay: PenaltyConfig = field(default_factory=lambda: PenaltyConfig(strength=5.0e-4))


@dataclass
class CurveConfig:
    """The budgets of one job, mildest first or last, all of one kind (``schema.MEASURES``): densities, if none is said.

    ``qualities`` are parameters of ``layer_std``; ``flops``, ``parameters`` and ``bytes`` are shares of the network's.
    ``costs`` are costs of one's own (``cost.cost``), by the name that each has in records.
    """

    densities: list[float] | None = None
    qualities: list[float] | None = None
    units: list[float] | None = None
    flops: list[float] | None = None
    parameters: list[float] | None = None
    bytes: list[float] | None = None
    costs: Any = None
    recalibrate_batchnorm: bool = False


@dataclass
class RuntimeConfig:
    """Places, progress, limits: never part of a result's identity.

    ``threads`` is the one that can change the last bits: sums on a CPU depend on how they are split. ``cores`` are for
    trainings side by side.
    """

    tracking_uri: str | None = None
    experiment: str = "pruneexp"
    tags: Any = None
    dashboard: bool = True
    models: Models = Models.none
    system_metrics: bool = False
    store: str = str(places.STORE)
    allow: list[str] = field(default_factory=list)
    checkpoint_seconds: float = 60.0
    epoch_scores: bool = True
    threads: int | None = None
    cores: int | None = None
    gpu_jobs: int = 1
    progress: bool = True
    traceback: bool = False
    spool: bool = False
    sweep: str | None = None
    job: int | None = None
    sweeps: str = str(places.SWEEPS)
    log: bool = False


@dataclass
class Config:
    """One job: one curve."""

    model: Any = MISSING
    data: Any = MISSING
    train: TrainConfig = field(default_factory=TrainConfig)
    retrain: RetrainConfig = field(default_factory=RetrainConfig)
    penalties: PenaltiesConfig = field(default_factory=PenaltiesConfig)
    reg: Any = MISSING
    dropout: Any = MISSING
    criterion: Any = MISSING
    schedule: Any = MISSING
    mode: Any = MISSING
    curve: CurveConfig = field(default_factory=CurveConfig)
    seed: int = 0
    device: Device = Device.auto
    plan: bool = False
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)


def register(node: type[Config] = Config) -> None:
    """Make the skeleton, or one with more in it, known to Hydra by the name that ``conf/config.yaml`` starts from.

    ``hydra/launcher=joblib`` is our launcher of this machine by the name that the published one has. A file in ``conf``
    would not do: Hydra warns of a file that is named like what a plug-in has registered.
    """
    store = ConfigStore.instance()
    store.store(name="skeleton", node=node)
    Plugins.instance()  # registers ours, and the published one where it is installed; what is stored later wins
    joblib = store.load("hydra/launcher/local.yaml").node
    joblib.n_jobs = -1
    store.store(group="hydra/launcher", name="joblib", node=joblib, provider="pruneexp")


def search_path(folders: Sequence[Path | str]) -> list[str]:
    """The override by which Hydra finds choices in these folders too: one for all, for Hydra reads only the first."""
    listed = ",".join(quoted(f"file://{folder}") for folder in folders)
    return [f"hydra.searchpath=[{listed}]"] if listed else []


def conf_folder() -> Path:
    """The folder of the shipped configurations.

    Raises:
        UserError: the installation lacks it.
    """
    for folder in CONF_FOLDERS:
        if (folder / "config.yaml").is_file():
            return folder
    raise UserError(f"The configurations are missing: looked for config.yaml in {' and '.join(map(str, CONF_FOLDERS))}")
