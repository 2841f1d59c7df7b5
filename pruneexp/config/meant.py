"""What a person meant by a key that there is not: one of another place, or another tool's name for ours."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pruneexp.config.groups import GROUPS
from pruneexp.config.keys import comments, meanings, setting
from pruneexp.config.skeleton import conf_folder
from pruneexp.config.values import as_list

#: What other tools and papers call our keys and groups.
_OTHER_NAMES = {
    "model": ("network", "net", "arch", "architecture"),
    "data": ("dataset", "datasets"),
    "criterion": ("method", "pruning", "pruner", "prune", "strategy"),
    "reg": ("regularization", "regularisation", "regularizer", "regulariser", "penalty"),
    "plan": ("dry_run", "dryrun"),
    "retrain": ("finetune", "fine_tune", "finetuning"),
    "train.epochs": ("epoch",),
    "train.lr": ("learning_rate",),
    "train.optimizer": ("optim", "optimiser"),
    "train.batch_size": ("batch", "bs"),
    "reg.strength": ("lambda", "lam"),
    "curve.densities": ("density",),
    "runtime.sweep": ("name",),
    "runtime.tracking_uri": ("mlflow", "uri", "tracking"),
    "hydra.launcher.n_jobs": ("n_jobs", "jobs"),
}
_OURS = {other: key for key, others in _OTHER_NAMES.items() for other in others}
_SPARSITIES = ("sparsity", "sparsities")
_GPUS = ("gpu", "gpus", "cuda")
#: Keys of other tools that are a choice of ``reg`` with a strength here.
_PENALTIES = ("l1", "l2", "weight_decay")


def meant_by(key: str, value: str | None, siblings: Iterable[str] = ()) -> str | None:
    """How a key that there is not should be written, with its value where one is given; None where that is open.

    ``siblings`` are the keys that there are where it was looked for.
    """
    above, _, leaf = key.rpartition(".")
    if leaf in _SPARSITIES:
        return _from_sparsities(value or "")
    if leaf in _GPUS:
        return "device=cuda"
    if leaf in _PENALTIES:
        return f"reg={leaf} reg.strength={value}" if value else f"reg.strength with reg={leaf}"
    found = _named_so(above, leaf, siblings)
    return " or ".join(each if value is None else _set(each, value) for each in found) or None


def _named_so(above: str, leaf: str, siblings: Iterable[str]) -> list[str]:
    known = dict.fromkeys([*GROUPS, *meanings()])
    if above in _OURS and (moved := f"{_OURS[above]}.{leaf}") in known:
        return [moved]
    if above and f"{leaf}s" in siblings:
        return []  # a slip, which the keys that there are set right
    if leaf in _OURS:
        return [_OURS[leaf]]
    if longer := [each for each in siblings if above and each.startswith(f"{leaf}_")]:
        return [f"{above}.{longer[0]}"]
    same = [each for each in known if each.rpartition(".")[2] == leaf and not each.startswith("data.info")]
    highest = min((each.count(".") for each in same), default=0)
    return [each for each in same if each.count(".") == highest][:3] or _of_a_study(leaf)


def _of_a_study(leaf: str) -> list[str]:
    files = (conf_folder() / "study").glob("*.yaml")
    return [f"study.{leaf}"] if any(f"study.{leaf}" in comments(file, "study") for file in files) else []


def _set(key: str, value: str) -> str:
    return as_list(key, value) if key == "curve.densities" else f"{key}={value}"


def _from_sparsities(value: str) -> str:
    """Densities, for a value that holds sparsities, as shares or in percent."""
    written = as_list("curve.densities", value).partition("=")[2]
    shares = [float(each) for each in re.findall(r"[\d.]+(?:e-?\d+)?", written)]
    kept = [round(1 - (share / 100 if share > 1 else share), 12) for share in shares]
    return f"{setting('curve.densities', kept)}, as density = 1 - sparsity" if kept else "curve.densities, 1 - sparsity"
