"""Checks of a composed configuration that need no torch: ranges, budget lists, allowed targets."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pruneexp.config.groups import TABLE
from pruneexp.config.skeleton import Config, CurveConfig, RetrainConfig, RuntimeConfig, TrainConfig
from pruneexp.errors import UserError
from pruneexp.schema import CURVE, SWEEP, Budget

#: What a curve asks for when neither curve.densities nor curve.qualities is given.
DEFAULT_DENSITIES = (0.5, 0.3, 0.2, 0.1, 0.05)

#: Packages whose classes and functions a configuration may name in ``_target_``; ``runtime.allow`` adds to them.
#: Of this project those with parts that are chosen: others hold functions that run programs or move files.
ALLOWED_TARGETS = tuple(package for group in TABLE for package in group.packages)

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
        UserError: both kinds are given, or a list is empty, out of range, unsorted or holds a value twice.
    """
    densities, qualities = plain(config.curve.densities), plain(config.curve.qualities)
    if densities is not None and qualities is not None:
        raise UserError("curve.densities and curve.qualities are both given: set the one you do not want to null")
    if qualities is not None:
        values = ordered("curve.qualities", qualities)
        if values[0] < 0:
            raise UserError(f"curve.qualities holds {as_typed(values[0])}: quality parameters are 0 or more")
        return tuple(Budget("quality", value) for value in values)
    values = ordered("curve.densities", list(DEFAULT_DENSITIES) if densities is None else densities)
    for value in values:
        if not 0 < value <= 1:
            raise UserError(f"curve.densities holds {as_typed(value)}: densities (kept / total weights) lie in (0, 1]")
    return tuple(Budget("density", value) for value in reversed(values))


def as_typed(number: float) -> str:
    """A number with all its digits, as short as people write it: 5, 0.1, 1e-9."""
    return repr(number).removesuffix(".0").replace("e-0", "e-").replace("e+", "e")


def ordered(name: str, values: Sequence[float]) -> list[float]:
    """A list of levels, ascending.

    Raises:
        UserError: it is empty or unsorted, or holds a value twice or one that is not a finite number.
    """
    if not values:
        raise UserError(f"{name} is empty: give at least one value, such as {name}=[0.5]")
    if not all(math.isfinite(value) for value in values):
        raise UserError(f"{name}={list(values)} holds a value that is not a finite number")
    ascending = sorted(values)
    if list(values) not in (ascending, ascending[::-1]):
        raise UserError(f"{name}={list(values)} is unsorted: write {name}={ascending[::-1]}")
    for first, second in itertools.pairwise(ascending):
        if first == second:
            raise UserError(f"{name} holds {as_typed(first)} twice")
    return ascending


def validate(config: DictConfig, own: Sequence[str] = ()) -> None:
    """Check everything that can be checked without torch. ``own`` are modules that the user's own folder holds.

    Raises:
        UserError: a value is out of its range, a list is unusable, or a ``_target_`` is not allowed; the sentence
            names the key, the value and what is allowed.
    """
    values = plain(config)
    _check_keys(values)
    budgets(config)
    for key, low, high, open_low in _RANGES:
        _check_range(values, key, low, high, open_low)
    for key in ("train.milestones", "retrain.milestones"):
        marks = _at(values, key)
        if any(not 0 < mark < 1 for mark in marks) or list(marks) != sorted(marks):
            raise UserError(f"{key}={marks}: milestones are ascending fractions of the training, between 0 and 1")
    least = _at(values, "criterion.min_keep")
    if isinstance(least, bool) or not isinstance(least, int):
        raise UserError(f"criterion.min_keep={least}: allowed is a whole number, 0 or more")
    layers = _at(values, "criterion.layers")
    if not isinstance(layers, list):
        raise UserError(f"criterion.layers={layers}: allowed is a list of kinds, as in criterion.layers=[conv,linear]")
    strength = values["reg"].get("strength", 0.0) if isinstance(values["reg"], dict) else 0.0
    if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength < math.inf:
        raise UserError(f"reg.strength={strength}: the strength of a regularizer is a number, 0 or more")
    _check_tags(values["runtime"]["tags"])
    allowed = (*ALLOWED_TARGETS, *values["runtime"]["allow"], *own)
    for path, target in targets(values):
        check_target(path, target, allowed)


_SKELETON = {
    "": Config,
    "train": TrainConfig,
    "retrain": RetrainConfig,
    "curve": CurveConfig,
    "runtime": RuntimeConfig,
}

#: (key, lowest, highest, whether the lowest itself is excluded)
_RANGES = (
    ("train.epochs", 0, math.inf, False),
    ("train.batch_size", 1, math.inf, False),
    ("train.lr", 0, math.inf, True),
    ("train.momentum", 0, 0.999999, False),
    ("train.gamma", 0, 1, True),
    ("train.warmup", 0, 0.999999, False),
    ("train.clip", 0, math.inf, True),
    ("train.label_smoothing", 0, 0.999999, False),
    ("retrain.epochs", 0, math.inf, False),
    ("retrain.lr_factor", 0, math.inf, True),
    ("criterion.min_keep", 0, math.inf, False),
    ("seed", 0, 2**31 - 1, False),
    ("runtime.checkpoint_seconds", 0, math.inf, False),
    ("runtime.threads", 1, math.inf, False),
    ("runtime.job", 0, math.inf, False),
    ("runtime.gpu_jobs", 0, math.inf, False),
)

#: Why a key has the bounds it has, where that is not plain.
_REASONS = {"seed": " (a seed has 31 bits)"}


def _check_keys(values: Mapping[str, Any]) -> None:
    """``+key=value`` gets past the types; a key that nothing reads must not look as if it did something."""
    for path, kind in _SKELETON.items():
        known = sorted(field.name for field in fields(kind))
        for key in _at(values, path) if path else values:
            if key not in known:
                where = f"{path}.{key}" if path else key
                raise UserError(f"+{where}: nothing reads this key; there are {', '.join(known)}")


def _check_tags(tags: Any) -> None:
    if tags is None:
        return
    if not isinstance(tags, dict) or not all(isinstance(value, str | int | float) for value in tags.values()):
        raise UserError(f"runtime.tags={tags}: allowed are names with a word or number each: {{paper: han2015}}")
    for name in tags:
        if not re.fullmatch(r"[A-Za-z]\w{0,99}", str(name)) or name in (CURVE, SWEEP, "mlflow", "pruneexp"):
            raise UserError(
                f"runtime.tags: {name!r} cannot name a tag: letters, digits and _ can, but not {CURVE!r} or {SWEEP!r}"
            )


def _at(values: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key; None where a choice of the user's own does not have it."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None  # type: ignore[assignment]
    return values


def _check_range(values: Mapping[str, Any], key: str, low: float, high: float, open_low: bool) -> None:
    value = _at(values, key)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{key}={value}: allowed is a number")
    if not (low < value if open_low else low <= value) or not value <= high or not math.isfinite(value):
        bound = f"above {as_typed(low)}" if open_low else f"{as_typed(low)} or more"
        if math.isfinite(high):
            bound += f", and at most {as_typed(high)}"
        raise UserError(f"{key}={as_typed(value)}: allowed is {bound}{_REASONS.get(key, '')}")


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
    found: list[tuple[str, str]] = []
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_":
                found.append((path, str(value)))
            else:
                found += targets(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found += targets(value, f"{path}[{index}]")
    return found


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
            f"if you trust the package, add runtime.allow=[{package}]"
        )
    if is_known(target) and any(part.startswith("_") for part in target.split(".")):
        raise UserError(f"{path}._target_={target} is not allowed: names with a leading '_' are not for use by others")
