"""Which recorded point a command line means: by the id of its run, by its key, or by conditions. Loads no torch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from pruneexp import schema
from pruneexp.errors import UserError, guess
from pruneexp.schema import MEASURES, LayerRow, PointIdentity, PointResult
from pruneexp.tracking import StoredRun, Tracker, existing
from pruneexp.tracking.runs import PARENT

_IS_POINT = {f"tags.{schema.KIND}": "point", "attributes.status": "FINISHED"}
_TYPES = schema.flat_types(PointIdentity)
_DEFAULTS = schema.flat_defaults(PointIdentity)
#: Names that say nothing to a person.
_KEYS = ("curve_key", "point_key", "dense_key", "mask_key", "final_key", "data_fingerprint")
#: What every point has as text among its params, so that a tracking store can choose by it.
_TEXTS = tuple(name for name, kind in _TYPES.items() if kind is str and name not in (*_DEFAULTS, *_KEYS))
_LINES, _VALUES = 8, 8
_SLACK = 1e-9  # of a number: 3 * 1e-5 and 3e-5 differ in their last bit


@dataclass(frozen=True)
class RecordedPoint:
    """A finished point as it is recorded, with the store that has it."""

    run: StoredRun
    tracker: Tracker
    identity: PointIdentity
    result: PointResult

    def configuration(self) -> str:
        """The configuration that the curve or search of the point was asked for under, as YAML."""
        return self.tracker.text(self.run.tags.get(PARENT, self.run.run_id), schema.CONFIG_FILE)

    def layers(self) -> list[LayerRow]:
        """The rows of its layers, in the order of the network."""
        rows = json.loads(self.tracker.text(self.run.run_id, schema.LAYERS_FILE))
        return [schema.unflatten(LayerRow, row) for row in rows]


@dataclass(frozen=True)
class _Candidate:
    run: StoredRun
    tracker: Tracker

    @property
    def key(self) -> str:
        return self.run.tags[schema.POINT_KEY]

    def value(self, name: str) -> str:
        """A value of the identity as text, the sweep's name as well; ``none`` for what is absent."""
        if name == "sweep":
            return self.run.tags.get(schema.SWEEP, "none")
        default = _DEFAULTS.get(name)
        return _flat_identity(self.run).get(name, "none" if default is None else str(default))


def _flat_identity(run: StoredRun) -> dict[str, str]:
    """The identity of a point: params of its run, and tags of the names that begin with ours."""
    tags = {tag.removeprefix("pruneexp."): value for tag, value in run.tags.items() if tag.startswith("pruneexp.")}
    return {**{name: value for name, value in tags.items() if name in _TYPES}, **run.params}


def find_point(
    words: Sequence[str], uri: str, experiments: Sequence[str], *, best: bool | None = None
) -> RecordedPoint:
    """The point that ``words`` mean, in the experiments named or in all.

    Of several it is the ``best`` on val, by their primary metric, if that is asked for, and the earliest of equals;
    None is for commands that cannot ask for it. A trial that a search does not allow is not the best.

    Raises:
        UserError: they mean none, or several; the message says what is near, or what tells them apart. Or the tracking
            store cannot be read, or the best is asked for of points of several metrics.
    """
    distinct = _finalists(_distinct(words, uri, experiments))
    if len(distinct) == 1:
        return _read(distinct[0])
    if not best:
        hint = "\n  or --best takes the one with the best score on val" * (best is not None)
        raise UserError(_told_apart(distinct, " ".join(words)) + hint)
    points = [point for each in distinct if _keeps_to_limit(point := _read(each))]
    if not points:
        raise UserError(f"no recorded point of {' '.join(words)} keeps to the study.max_cost of its search: no best")
    metrics = {point.identity.primary for point in points}
    if len(metrics) > 1:
        raise UserError(f"the points have several metrics, {', '.join(sorted(each.name for each in metrics))}: no best")
    (metric,) = metrics
    sign = 1.0 if metric.direction == "maximize" else -1.0
    return max(points, key=lambda point: sign * point.result.val.after.metrics[metric.name])


def _finalists(found: list[_Candidate]) -> list[_Candidate]:
    """Without the trials of a search that were retrained later, and are recorded so beside their first look."""
    retrained = {_trial(each) for each in found if each.value("retrain_epochs") != "0"} - {None}
    return [each for each in found if each.value("retrain_epochs") != "0" or _trial(each) not in retrained]


def _keeps_to_limit(point: RecordedPoint) -> bool:
    """Whether a point costs no more than its search allows; true where nothing sets a limit."""
    if not point.identity.study:
        return True
    above = point.tracker.find({"attributes.run_id": point.run.tags.get(PARENT, "")}, ("params",))
    params = above[0].params if above else {}
    share = point.run.metrics.get(f"{schema.SHARE}{params.get('cost')}", point.result.density)
    return share <= float(params.get(schema.MAX_COST, math.inf))


def _trial(candidate: _Candidate) -> tuple[str, str] | None:
    study = candidate.value("study")
    return None if study in ("", "none") else (study, candidate.value("trial"))


def find_points(words: Sequence[str], uri: str, experiments: Sequence[str]) -> list[RecordedPoint]:
    """The points that ``words`` mean, oldest first; raises as ``find_point`` does, but not for several."""
    return [_read(each) for each in _distinct(words, uri, experiments)]


def _distinct(words: Sequence[str], uri: str, experiments: Sequence[str]) -> list[_Candidate]:
    """One run of each of these points, the newest."""
    conditions = _conditions(words)
    trackers = existing(uri, experiments)
    found = _matching(trackers, conditions) if conditions else _named(trackers, words[0])
    distinct = {each.key: each for each in sorted(found, key=lambda each: each.run.started)}
    if not distinct:
        raise UserError(_nearest(trackers, conditions, " ".join(words)))
    return list(distinct.values())


def _read(candidate: _Candidate) -> RecordedPoint:
    [run] = candidate.tracker.find({"attributes.run_id": candidate.run.run_id})
    try:
        return RecordedPoint(run, candidate.tracker, *schema.read_point(_flat_identity(run), run.metrics))
    except (KeyError, ValueError) as error:
        raise UserError(f"the record of the point {candidate.key[:8]} (run {run.run_id}) lacks {error}") from error


# --- one word ---


def _named(trackers: Sequence[Tracker], word: str) -> list[_Candidate]:
    """The points of a run, or those whose key begins like this."""
    found: list[_Candidate] = []
    for tracker in trackers:
        for run in tracker.find({"attributes.run_id": word}) if len(word) == 32 else ():
            found += _of_run(tracker, run)
    if found:
        return found
    if len(word) == 64:
        return _points(trackers, {f"tags.{schema.POINT_KEY}": word})
    return [each for each in _points(trackers, {}) if each.key.startswith(word)]


def _of_run(tracker: Tracker, run: StoredRun) -> list[_Candidate]:
    kind = run.tags.get(schema.KIND, "no record of pruneexp")
    if kind in ("curve", "study"):
        return _points([tracker], {f"tags.{PARENT}": run.run_id})
    if kind != "point" or run.status != "FINISHED":
        failed = f"a point that failed: {run.tags.get(schema.FAILURE, run.status)}" if kind == "point" else f"a {kind}"
        raise UserError(f"the run {run.run_id} is {failed}; a finished point can be exported")
    return [_Candidate(run, tracker)]


def _points(trackers: Sequence[Tracker], where: Mapping[str, str]) -> list[_Candidate]:
    named = ("params", "tags")  # a point has some eighty metrics
    return [_Candidate(run, tracker) for tracker in trackers for run in tracker.find({**_IS_POINT, **where}, named)]


# --- conditions ---


def _conditions(words: Sequence[str]) -> dict[str, str]:
    """What each name is to be; nothing where one word names a run or a key.

    Raises:
        UserError: a word is neither, or there is no such name.
    """
    if len(words) == 1 and re.fullmatch(r"[0-9a-f]{4,64}", words[0]):
        return {}
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UserError(
                f"{word}: a point is named by the id of its run, by the beginning of its key (4 digits or more), or by "
                "conditions such as model=lenet5 reg=l2 density=0.1 seed=0"
            )
        if name in MEASURES:
            found |= {"budget.kind": name, "budget.value": value}
        elif name in (*_TYPES, "sweep"):
            found[name] = value
        else:
            known = [*MEASURES, *(known for known in _TYPES if known not in _KEYS), "sweep"]
            raise UserError(f"{word}: points have no {name!r}{guess(name, known)}; they have {', '.join(known)}")
    return found


def _matching(trackers: Sequence[Tracker], conditions: Mapping[str, str]) -> list[_Candidate]:
    """The points that meet all conditions; those that searches asked for only where no curve has one."""
    texts = {name: conditions[name] for name in _TEXTS if name in conditions and not set("'\\") & set(conditions[name])}
    found = _points(trackers, {f"params.{name}": value for name, value in texts.items()})
    found = [each for each in found if not _unmet(each, conditions)]
    of_curves = [each for each in found if not each.run.params.get("study")]
    return found if "study" in conditions or not of_curves else of_curves


def _unmet(candidate: _Candidate, conditions: Mapping[str, str]) -> list[str]:
    return [name for name, value in conditions.items() if not _equal(name, candidate.value(name), value)]


def _equal(name: str, recorded: str, asked: str) -> bool:
    """Whether the two mean the same: 1e-4 and 0.0001 are one number."""
    return recorded == asked or _distance(name, recorded, asked) <= _SLACK


def _distance(name: str, recorded: str, asked: str) -> float:
    """How far two values are from each other, numbers relative to the larger one, texts by their letters."""
    try:
        one, other = (float(each) for each in (recorded, asked) if _TYPES.get(name) in (int, float))
    except ValueError:
        return 1.0 - SequenceMatcher(None, recorded, asked).ratio()
    return abs(one - other) / max(abs(one), abs(other)) if math.isfinite(one - other) and one != other else 0.0


# --- what is said ---


def _nearest(trackers: Sequence[Tracker], conditions: Mapping[str, str], said: str) -> str:
    """That there is no such point, and those that miss the fewest conditions by the least."""
    if not conditions:
        return f"no run and no recorded point has an id or a key that begins with {said}"

    def far(candidate: _Candidate) -> tuple[int, float]:
        unmet = _unmet(candidate, conditions)
        return len(unmet), sum(_distance(name, candidate.value(name), conditions[name]) for name in unmet)

    ordered = sorted(_points(trackers, {}), key=far)
    lines: dict[str, str] = {}
    for each in ordered:
        lines.setdefault(_text(each, _unmet(each, conditions)), f"  {each.key[:8]}  ")
        if len(lines) == _LINES:
            break
    if not lines:
        return "there is no finished point in this tracking store"
    return f"no recorded point has {said}; the nearest have\n" + "\n".join(key + text for text, key in lines.items())


def _told_apart(found: Sequence[_Candidate], said: str) -> str:
    """That there are several such points, and the values in which they differ."""
    names = [name for name in (*_TYPES, "sweep") if name not in _KEYS and len({each.value(name) for each in found}) > 1]
    plain = [name for name in names if not name.endswith("_settings")] or names
    kinds = {each.value("budget.kind") for each in found}
    shown = {name: next(iter(kinds)) if name == "budget.value" and len(kinds) == 1 else name for name in plain[:_LINES]}
    width = max(map(len, shown.values()))
    lines = [f"  {text:<{width}}  {_values(each.value(name) for each in found)}" for name, text in shown.items()]
    keys = _values(each.key[:8] for each in found)
    return "\n".join([f"{len(found)} recorded points have {said}; they differ in", *lines, f"  or by key: {keys}"])


def _values(values: Iterable[str]) -> str:
    shown = sorted(set(values), key=_order)
    return " | ".join(shown[:_VALUES]) + (f" | ... ({len(shown)})" if len(shown) > _VALUES else "")


def _order(text: str) -> tuple[float, str]:
    """Numbers by their size, after texts by their letters."""
    try:
        return float(text), ""
    except ValueError:
        return -math.inf, text


def _text(candidate: _Candidate, names: Sequence[str]) -> str:
    """Values as conditions, a budget as one."""
    kind, shown = candidate.value("budget.kind"), dict.fromkeys(names)
    if {"budget.kind", "budget.value"} & set(shown):
        shown = {"budget.value": None, **{name: None for name in names if not name.startswith("budget.")}}
    told = {name: kind if name == "budget.value" else name for name in shown}
    return " ".join(f"{told[name]}={candidate.value(name)}" for name in shown)
