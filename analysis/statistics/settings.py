"""What hashes of settings stand for, in words: the values of the configuration in which their records differ.

Pure: is handed the configurations that runs carry, and knows neither where these lie nor what becomes of the words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from string import ascii_uppercase
from typing import Any

import pandas as pd

from analysis.names import display_name
from analysis.records.frames import BUDGET, SUBJECT, Kind
from analysis.statistics import selection
from analysis.statistics.conditions import RETRAINING, hashed, kinds, number, telling

#: The nested configurations of runs, by run id; a run whose configuration cannot be read is left out.
Configurations = Callable[[Sequence[str]], Mapping[str, Mapping[str, Any]]]

#: The groups of the configuration that a hash covers; of others, all that decides numbers.
_COVERED: Mapping[str, tuple[str, ...]] = {
    "reg_settings": ("reg",),
    "dense_settings": ("model", "data", "train", "dropout"),
    "prune_settings": ("criterion", "retrain", "dropout"),
    "schedule_settings": ("schedule",),
    "mode_settings": ("mode",),
    "data_fingerprint": ("data",),
}
_NEVER = ("runtime", "plan", "seed", "curve", "device", "hydra")
_PLACES = ("data.root", "data.download", "data.workers")
#: Groups that a value is told with, where the name of its key would say too little.
_NAMED_WITH = ("retrain", "dropout", "data")


def told(rows: pd.DataFrame, kind: Kind, configurations: Configurations) -> pd.DataFrame:
    """The rows with words in the place of each hash that a reader must be told to tell them apart.

    Where configurations do not say in what two hashes differ, such as in the code of a part, they become ``settings A``
    and ``settings B``.
    """
    names = [name for name in kind.settings if name not in (*SUBJECT, *BUDGET, "seed")]
    if not any(rows[name].nunique() > 1 for name in names if hashed(name)):
        return rows
    made = rows.copy()
    for _, of_subject in selection.groups(rows, SUBJECT):
        for known in (names, [name for name in names if name not in RETRAINING]):  # and before any retraining
            keys = selection.combinations(made.loc[of_subject.index], known)
            for column in [name for name in telling(keys, known) if hashed(name)]:
                of_column = made.loc[of_subject.index, column]
                if of_column.str.contains(" ").any():
                    continue  # the first look has put it into words
                firsts = of_subject.groupby(column, sort=True)["run_id"].min()
                found = configurations(list(firsts))
                leaves = {value: dict(_leaves(found.get(run, {}), column)) for value, run in firsts.items()}
                base = [name for name in telling(keys, known) if name != column]
                made.loc[of_subject.index, column] = of_column.map(_words(keys, base, column, leaves))
    return made


def _words(
    keys: Sequence[Mapping[str, Any]], base: Sequence[str], column: str, leaves: Mapping[Any, Mapping[str, Any]]
) -> dict[Any, str]:
    """For each hash the values of those leaves that are needed beside the conditions ``base``."""
    wider = [{**key, **{f".{leaf}": value for leaf, value in leaves[key[column]].items()}} for key in keys]
    every = sorted({leaf for of in leaves.values() for leaf in of}, key=lambda leaf: (leaf.count("."), leaf))
    wider = [{**{f".{leaf}": None for leaf in every}, **key} for key in wider]
    needed: list[str] = []
    for leaf in every:
        names = [*base, *(f".{one}" for one in needed)]
        if kinds(wider, names) < kinds(wider, (*names, f".{leaf}")):
            needed.append(leaf)
    words = {value: ", ".join(_phrase(leaf, of.get(leaf)) for leaf in needed) for value, of in leaves.items()}
    if kinds(wider, [*base, *(f".{leaf}" for leaf in needed)]) == kinds(wider, (*base, column)):
        return words
    letters = dict(zip(words, _letters(), strict=False))
    return {value: ", ".join(filter(None, (text, f"settings {letters[value]}"))) for value, text in words.items()}


def _letters() -> Iterator[str]:
    """A to Z, then AA, AB and so on."""
    yield from ascii_uppercase
    yield from (first + second for first in ascii_uppercase for second in ascii_uppercase)


def _leaves(node: Mapping[str, Any], column: str) -> Iterator[tuple[str, Any]]:
    covered = _COVERED.get(column, tuple(group for group in node if group not in _NEVER))
    for group in covered:
        for path, value in _flat(node.get(group, {}), group):
            if path not in _PLACES:
                yield path, value


def _flat(node: Any, path: str) -> Iterable[tuple[str, Any]]:
    if not isinstance(node, Mapping):
        yield path, _plain(node)
        return
    for key, value in node.items():
        yield from _flat(value, f"{path}.{key}")


def _plain(value: Any) -> Any:
    """A value that can be compared and put into words; a list as text, absent where it is empty."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " and ".join(str(_plain(each)) for each in value) or None
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _phrase(leaf: str, value: Any) -> str:
    """``temperature 0.5`` of ``criterion.score.temperature``, ``allocation global_threshold`` of a target."""
    group, *keys = leaf.split(".")
    target = bool(keys) and keys[-1] == "_target_"
    keys = keys[:-1] if target else keys[-1:]
    name = " ".join(([group] if group in _NAMED_WITH or not keys else []) + keys).replace("_", " ")
    if value is None:
        return f"no {name}"
    return f"{name} {display_name(group, _choice(str(value))) if target else number(value)}"


def _choice(target: str) -> str:
    """``global_threshold`` of ``...allocations.global_threshold.GlobalThreshold``, as choices of groups are written."""
    return re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", target.rpartition(".")[2]).lower()
