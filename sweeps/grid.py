"""A sweep as a value: which jobs ``product``, ``zip``, ``exclude`` and ``include`` ask for. Pure; knows no Hydra.

Jobs come in a fixed order: the product with its last key fastest, for each of its elements every row of the first zip,
and so on; then what is excluded is left out, and what is included comes last.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from pruneexp.config.words import quoted
from pruneexp.errors import UserError

Job = Mapping[str, Any]

WORDS = ("description", "with", "product", "zip", "exclude", "include")

_KEY = re.compile(r"[+~]{0,2}[A-Za-z_][\w./@-]*", re.ASCII)

#: Keys that belong to the command, not to what is swept.
_OF_THE_COMMAND = ("hydra", "plan", "runtime.sweep", "runtime.sweeps", "runtime.job", "runtime.log")

#: Text that a command line takes as it is; YAML calls 1e-3 a text, and a command line the number that is meant.
_PLAIN = re.compile(r"[A-Za-z0-9_./+-][\w./+:@%?|-]*", re.ASCII)


@dataclass(frozen=True)
class SweepGrid:
    """``zips`` are blocks of rows, of which each is one choice; a key that a row lacks is at its default there.

    ``exclude`` patterns hold, for each key, the values that match.
    """

    fixed: Job
    product: Mapping[str, Sequence[Any]]
    zips: Sequence[Sequence[Job]] = ()
    exclude: Sequence[Mapping[str, Sequence[Any]]] = ()
    include: Sequence[Job] = ()

    def jobs(self) -> list[Job]:
        """Every job, with what all of them share.

        Raises:
            UserError: a pattern excludes nothing, a job is asked for twice, or none is left.
        """
        jobs = list(self._crossed())
        for pattern in self.exclude:
            kept = [job for job in jobs if not _matches(job, pattern)]
            if len(kept) == len(jobs):
                raise UserError(f"exclude: {_shown(pattern)} matches no job that is left: take it out, or mend it")
            jobs = kept
        jobs = [{**self.fixed, **job} for job in [*jobs, *self.include]]
        seen: set[frozenset[str]] = set()
        for lines in map(overrides, jobs):
            if frozenset(lines) in seen:
                raise UserError(f"the job {' '.join(lines)} is asked for twice")
            seen.add(frozenset(lines))
        if not jobs:
            raise UserError("no job is left: everything is excluded")
        return jobs

    def swept(self) -> set[str]:
        """Keys that differ, or may differ, from one job to the next."""
        rows = [row for block in self.zips for row in block]
        return {key for part in (self.product, *rows, *self.include) for key in part}

    def _crossed(self) -> Iterator[Job]:
        if not self.product and not self.zips:
            return iter([] if self.include else [{}])
        axes: list[list[Job]] = [[{key: value} for value in values] for key, values in self.product.items()]
        axes += [list(block) for block in self.zips]
        return ({key: value for part in parts for key, value in part.items()} for parts in itertools.product(*axes))


def grid(tree: object) -> SweepGrid:
    """A grid from what a file holds.

    Raises:
        UserError: it holds something else than ``WORDS`` allow; says where, and what is allowed.
    """
    if not isinstance(tree, Mapping) or not tree:
        raise UserError(f"a sweep is a mapping of {', '.join(WORDS)}")
    for word in tree:
        if word not in WORDS:
            raise UserError(f"{word}: no such word; a sweep is made of {', '.join(WORDS)}")
    if not isinstance(tree.get("description", ""), str):
        raise UserError("description: give a text")
    zips = tree.get("zip") or []
    found = SweepGrid(
        fixed=_values("with", tree.get("with") or {}),
        product=_lists("product", tree.get("product") or {}),
        zips=[_rows(block) for block in (zips if isinstance(zips, list) else [zips])],
        exclude=[_pattern(each) for each in _items("exclude", tree)],
        include=[_values("include", each, least=1) for each in _items("include", tree)],
    )
    _check_keys(found)
    return found


def overrides(job: Job) -> list[str]:
    """A job as words of a command line."""
    return [key if key.startswith("~") and value is None else f"{key}={text(value)}" for key, value in job.items()]


def text(value: Any) -> str:
    """A value as a command line writes it; text that would be read as something else is quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and isinstance(yaml.safe_load(value), str)
        return value if plain else quoted(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(text, value)) + "]"
    raise UserError(f"{value}: a value is a text, a number, true, false, null, a list or a mapping of them")


def _check_keys(found: SweepGrid) -> None:
    blocks = {
        f"zip {index + 1}" if index else "zip": dict.fromkeys(key for row in block for key in row)
        for index, block in enumerate(found.zips)
    }
    places: dict[str, str] = {}
    for place, keys in {"product": found.product, **blocks}.items():
        for key in keys:
            if key in places:
                raise UserError(f"{key}: stands in {places[key]} and in {place}; it can take its values from one")
            places[key] = place
    for key in found.fixed:
        if key in places:
            raise UserError(f"{key}: stands in with and in {places[key]}; it is either fixed or swept")
    for pattern in found.exclude:
        for key in pattern:
            if key not in places:
                known = ", ".join(places) or "nothing"
                raise UserError(f"exclude: {key}: neither product nor zip has this key; they have {known}")


def _items(word: str, tree: Mapping[str, Any]) -> list[Any]:
    found = tree.get(word) or []
    if not isinstance(found, list):
        raise UserError(f"{word}: give a list of mappings, as in [{{reg: l1, seed: 0}}]")
    return found


def _values(word: str, found: object, least: int = 0) -> dict[str, Any]:
    if not isinstance(found, Mapping) or len(found) < least:
        raise UserError(f"{word}: give a mapping of keys to values, as in {{reg: l1}}")
    for key, value in found.items():
        _check_key(word, key)
        text(value)
    return dict(found)


def _lists(word: str, found: object) -> dict[str, list[Any]]:
    for key, values in _values(word, found).items():
        if not isinstance(values, list) or not values:
            raise UserError(f"{word}: {key}: give a list of values, as in {key}: [{text(values) if values else '...'}]")
        if word == "product" and (twice := [text(v) for i, v in enumerate(values) if _same(v, values[:i])]):
            raise UserError(f"product: {key} holds {twice[0]} twice")
    return _values(word, found)


def _rows(block: object) -> list[Job]:
    """A block of a zip: lists side by side, or a list of its rows."""
    if isinstance(block, list):
        return [_values("zip", row, least=1) for row in block]
    lists = _lists("zip", block)
    lengths = {key: len(values) for key, values in lists.items()}
    if len(set(lengths.values())) > 1:
        counted = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise UserError(f"zip: lists that go together are of equal length; {counted}")
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _pattern(found: object) -> dict[str, list[Any]]:
    return {key: value if isinstance(value, list) else [value] for key, value in _values("exclude", found, 1).items()}


def _check_key(word: str, key: object) -> None:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise UserError(f"{word}: {key}: a key is a group or a dotted name, as in reg or train.epochs")
    bare = key.lstrip("+~")
    if bare in _OF_THE_COMMAND or bare.startswith(("hydra.", "hydra/")):
        raise UserError(f"{word}: {key}: belongs on the command line, not in the sweep")


def _matches(job: Job, pattern: Mapping[str, Sequence[Any]]) -> bool:
    return all(key in job and _same(job[key], values) for key, values in pattern.items())


def _same(value: Any, values: Sequence[Any]) -> bool:
    """Whether a value is among others as a command line writes them: 1 and true differ, 1.0 and 1 too."""
    return text(value) in map(text, values)


def _shown(pattern: Mapping[str, Sequence[Any]]) -> str:
    return "{" + ", ".join(f"{key}: {text(v[0] if len(v) == 1 else v)}" for key, v in pattern.items()) + "}"
