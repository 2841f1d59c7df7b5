"""Checks of a composed configuration that need no torch: ranges, budget lists, allowed targets."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from pruneexp.config.groups import NEEDED, TABLE
from pruneexp.config.keys import setting
from pruneexp.config.skeleton import Config
from pruneexp.errors import UserError
from pruneexp.schema import CURVE, MEASURES, SWEEP, Budget, BudgetKind

#: What a curve asks for when neither curve.densities nor curve.qualities is given.
DEFAULT_DENSITIES = (0.5, 0.3, 0.2, 0.1, 0.05)

OpenEnd = Literal["neither", "low", "high", "both"]

#: Packages whose classes and functions a configuration may name in ``_target_``; ``runtime.allow`` adds to them.
#: Of this project those with parts that are chosen: others hold functions that run programs or move files.
ALLOWED_TARGETS = tuple(package for group in TABLE for package in group.packages)

#: The choice of ``train.trainer`` that is made from network, device and recipe, and where the others lie.
AUTOMATIC = "auto"
_TRAINERS = Path(__file__).parents[1] / "training" / "trainers"

#: What Hydra may be told to run: its plug-ins. Which of them there are, it knows itself.
_PLUGINS = re.compile(r"(hydra\._internal\.core_plugins|hydra_plugins)\.\w+(\.\w+)+")


def plain(node: Any) -> Any:
    """Resolve a node into dicts, lists and scalars; enumerations become their names."""
    if not OmegaConf.is_config(node):
        return node
    return OmegaConf.to_container(node, resolve=True, throw_on_missing=True, enum_to_str=True)


def budgets(config: DictConfig) -> tuple[Budget, ...]:
    """The budgets asked for, mildest first.

    Raises:
        UserError: several kinds are given, or a list is empty, out of range, unsorted or holds a value twice.
    """
    lists = {kind: plain(config.curve[measure.plural]) for kind, measure in MEASURES.items()}
    given = {kind: values for kind, values in lists.items() if values is not None} or {"density": DEFAULT_DENSITIES}
    if len(given) > 1:
        keys = [f"curve.{MEASURES[kind].plural}" for kind in given]
        raise UserError(
            f"{' and '.join(keys)} are both given, and a curve has one kind of budgets: {keys[0]}=null takes "
            f"{' and '.join(keys[1:])}"
        )
    [(kind, values)] = given.items()
    found = [Budget(kind, value) for value in levels(f"curve.{MEASURES[kind].plural}", values, kind)]
    return tuple(sorted(found, key=lambda budget: budget.severity))


def levels(name: str, values: Sequence[float], kind: BudgetKind) -> list[float]:
    """A list of budgets of one kind, ascending.

    Raises:
        UserError: it is empty or unsorted, or holds a value twice or one that is out of range.
    """
    if not values:
        raise UserError(f"{name} is empty: give at least one value, such as '{name}=[0.5]'")
    if not all(math.isfinite(value) for value in values):
        raise UserError(f"{name}={list(values)} holds a value that is not a finite number")
    ascending = sorted(values)
    if list(values) not in (ascending, ascending[::-1]):
        raise UserError(f"{name}={list(values)} is unsorted: write {setting(name, ascending[::-1])}")
    for first, second in itertools.pairwise(ascending):
        if first == second:
            raise UserError(f"{name} holds {first:.15g} twice")
    for value in ascending:
        if Budget(kind, value).mistake:
            plural, says = MEASURES[kind].plural, MEASURES[kind].says
            allowed = f"{plural} ({says}) lie in (0, 1]" if MEASURES[kind].share else "quality parameters are 0 or more"
            percent = f"; {value:.15g} % is {value / 100:.15g}" if MEASURES[kind].share and 2 <= value <= 100 else ""
            raise UserError(f"{name} holds {value:.15g}: {allowed}{percent}")
    return ascending


#: (lowest, highest, which of the two is excluded, the keys with these limits)
_RANGES: tuple[tuple[float, float, OpenEnd, tuple[str, ...]], ...] = (
    (0, math.inf, "neither", ("train.epochs", "retrain.epochs", "reg.strength", "runtime.checkpoint_seconds")),
    (0, math.inf, "neither", ("runtime.job", "runtime.gpu_jobs")),
    (1, math.inf, "neither", ("train.batch_size", "runtime.threads", "runtime.cores")),
    (0, math.inf, "low", ("train.lr", "train.clip", "retrain.lr_factor", "reg.lr_factor")),
    (0, 1, "high", ("train.momentum", "train.warmup", "train.label_smoothing")),
    (0, 1, "low", ("train.gamma",)),
    (0, 1, "neither", ("retrain.distillation.weight",)),
    (0, math.inf, "low", ("retrain.distillation.temperature",)),
    (0, 2**31 - 1, "neither", ("seed",)),
)


def validate(config: DictConfig, own: Sequence[str] = ()) -> None:
    """Check everything that can be checked without torch. ``own`` are modules that the user's own folder holds.

    Raises:
        ConfigKeyError: there is a key that nothing reads, as ``+key=value`` gets past the types.
        UserError: a value is out of its limits, a list is unusable, or a ``_target_`` is not allowed; the sentence
            names the key, the value and what is allowed.
    """
    values = plain(config)
    OmegaConf.merge(OmegaConf.structured(Config), values)
    for group in NEEDED:
        if not isinstance(values[group], dict):
            said = "null" if values[group] is None else values[group]
            raise UserError(f"{group}={said}: the keys of a group are a mapping; a file chooses in its defaults list")
    budgets(config)
    for low, high, excluded, keys in _RANGES:
        for key in keys:
            if (value := _at(values, key)) is not None:  # the types know which keys may be null
                check_number(key, value, low, high, open_end=excluded)
    check_number("criterion.min_keep", _at(values, "criterion.min_keep"), 0, whole=True)
    for key in ("train.milestones", "retrain.milestones"):
        marks = _at(values, key)
        if any(not 0 < mark < 1 for mark in marks) or list(marks) != sorted(marks):
            raise UserError(f"{key}={marks}: milestones are ascending fractions of the training, between 0 and 1")
    _check_scope(values["criterion"])
    check_trainer(values["train"]["trainer"])
    _check_tags(values["runtime"]["tags"])
    allowed = (*ALLOWED_TARGETS, *values["runtime"]["allow"], *own)
    for path, target in targets(values):
        check_target(path, target, allowed)


def _check_scope(criterion: Mapping[str, Any]) -> None:
    layers, exclude = criterion["layers"], criterion.get("exclude", [])
    if not isinstance(layers, list):
        raise UserError(
            f"criterion.layers={layers}: allowed is a list of kinds, as in 'criterion.layers=[conv,linear]'"
        )
    if not isinstance(exclude, list) or not all(isinstance(pattern, str) for pattern in exclude):
        raise UserError(
            f"criterion.exclude={exclude}: allowed is a list of names or patterns of layers as text, as in "
            '\'criterion.exclude=[head,"blocks.*","5"]\''
        )


def check_number(
    key: str,
    value: Any,
    low: float,
    high: float = math.inf,
    *,
    open_end: OpenEnd = "neither",
    whole: bool = False,
) -> None:
    """Refuse what is no finite number from ``low`` to ``high``; ``open_end`` says which of the two is none either.

    Raises:
        UserError: names the key, the value and what is allowed.
    """
    above, below = open_end in ("low", "both"), open_end in ("high", "both")
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool) and math.isfinite(value)
    if number and low <= value <= high and not (above and value == low) and not (below and value == high):
        return
    least = f"above {low}" if above else f"{low} or more"
    most = f" and below {high}" if below else f", and at most {high}"
    kind = "a whole number, " if whole else "" if isinstance(value, int | float) else "a number, "
    allowed = f"{kind}{least}{most if math.isfinite(high) else ''}"
    shown = f"{value:.15g}" if isinstance(value, float) else value
    raise UserError(f"{key}={shown}: allowed is {allowed}")


def _at(values: Any, key: str) -> Any:
    """The value at a dotted key; None where a choice of the user's own does not have it."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def check_trainer(asked: Any) -> None:
    """Refuse what is neither the name of a trainer of ours nor the node of one of the user's.

    Raises:
        UserError: names what is allowed.
    """
    names = [AUTOMATIC, *sorted(path.stem for path in _TRAINERS.glob("[a-z]*.py"))]
    if asked not in names and not (isinstance(asked, dict) and "_target_" in asked):
        raise UserError(
            f"train.trainer={asked}: allowed is {', '.join(names)}, or a trainer of yours, as in "
            "'train.trainer={_target_: my_trainers.Mine}'"
        )


def _check_tags(tags: Any) -> None:
    pairs = tags.items() if isinstance(tags, dict) else [] if tags is None else [("", tags)]
    for name, value in pairs:
        named = re.fullmatch(r"[A-Za-z]\w{0,99}", str(name)) and name not in (CURVE, SWEEP, "mlflow", "pruneexp")
        if not named or not isinstance(value, str | int | float):
            raise UserError(
                f"runtime.tags={tags}: allowed are names of letters, digits and _, but not {CURVE} or {SWEEP}, with a "
                f"word or number each, as in 'runtime.tags={{paper: han2015}}'"
            )


def check_study_name(key: str, name: str | None) -> None:
    """Refuse a name of a study that could be the path of a file elsewhere; without one, ours is taken.

    Raises:
        UserError: says what a name is made of.
    """
    if name and not re.fullmatch(r"[\w+-][\w.+-]*", str(name)):
        raise UserError(
            f"{key}={name}: a study's name is of letters, digits, '_', '-', '+' and '.', and starts with no '.'"
        )


def targets(node: Any, path: str = "") -> list[tuple[str, str]]:
    """All ``_target_`` entries below a plain node, as (path of the node, target)."""
    below: dict[str, Any] = {}
    if isinstance(node, dict):
        below = {f"{path}.{key}" if path else str(key): value for key, value in node.items()}
    elif isinstance(node, list):
        below = {f"{path}[{index}]": value for index, value in enumerate(node)}
    here = [(path, str(node["_target_"]))] if isinstance(node, dict) and "_target_" in node else []
    return here + [found for where, value in below.items() for found in targets(value, where)]


def check_plugins(hydra: DictConfig) -> None:
    """Refuse a ``_target_`` in Hydra's own node that is neither a launcher nor a sweeper.

    Raises:
        UserError: names the target, and says what may name one.
    """
    run = {key: OmegaConf.to_container(hydra[key], resolve=True) for key in ("callbacks", "launcher", "sweeper")}
    written = OmegaConf.to_container(hydra, resolve=False)
    assert isinstance(written, dict)
    for path, target in targets(written | run, "hydra"):
        if path not in ("hydra.launcher", "hydra.sweeper"):
            raise UserError(f"{path}._target_={target}: of Hydra, hydra/launcher and hydra/sweeper alone name code")
        if not _PLUGINS.fullmatch(target):
            raise UserError(f"{path}._target_={target} is no plug-in of Hydra's")


def is_known(target: str) -> bool:
    """Whether a ``_target_`` is of the packages that every configuration may name."""
    return target.startswith(tuple(f"{package}." for package in ALLOWED_TARGETS))


def check_target(path: str, target: str, allowed: Sequence[str]) -> None:
    """Refuse a ``_target_`` outside the allowed packages.

    Raises:
        UserError: names the target and how to allow its package.
    """
    if not any(target.startswith(prefix + ".") for prefix in allowed):
        package = target.split(".", maxsplit=1)[0]
        raise UserError(
            f"{path}._target_={target} is not allowed: targets come from {', '.join(allowed)}; "
            f"if you trust the package, add 'runtime.allow=[{package}]'"
        )
    if is_known(target) and any(part.startswith("_") for part in target.split(".")):
        raise UserError(f"{path}._target_={target} is not allowed: names with a leading '_' are not for use by others")
