"""The tables of Liu et al. 2019 by the method that they prune by: their rows, and which of them records are of.

Knows the columns of points and the paper's numbers, and no figure or table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

from analysis.paper import PaperNumber, discrepancies, paper_numbers
from pruneexp.errors import UserError
from pruneexp.summary.spread import Spread

#: ``logged`` is no table of the paper's: it holds all that is recorded.
Method = Literal[
    "logged", "l1_norm", "thinet", "regression", "slimming", "sparse_structure", "unstructured", "soft_filter"
]
LOGGED: Method = "logged"
UNPRUNED, PRUNED = "Unpruned", "Pruned"
SAME_DENSITY = 0.005  # a paper's number stands under ours where densities, or shares of units, differ by no more
SAME_SIZE = 0.02  # so near are parameters and FLOP to the printed ones: 0.73 M and 0.77 M are two networks
SAME_SPEED = 0.05  # "5x" and "2x" are rounded

#: The paper's networks by their names here; its VGG-16 on ImageNet has batch norm where weights are pruned alone.
_MODELS: Mapping[tuple[str, str], str] = {
    ("VGG-16", "CIFAR-10"): "vgg16_cifar",
    ("VGG-16", "ImageNet"): "vgg16",
    ("VGG-11", "ImageNet"): "vgg11_bn",
    ("VGG-19", "CIFAR-10"): "vgg19_cifar",
    ("VGG-19", "CIFAR-100"): "vgg19_cifar",
}
_DATA = {"CIFAR-10": "cifar10", "CIFAR-100": "cifar100", "ImageNet": "imagenet"}
_PLAIN = {"DenseNet-BC-100": "densenet_bc_100"}
#: Targets of which no source of ours says what they keep.
_UNKNOWN = ("VGG-GAP", "VGG-Tiny")


class MethodTable(NamedTuple):
    """A table of the paper's: ``file`` has its numbers, empty where none is confirmed; ``criteria`` are its method's.

    ``changes``: it prints changes of the accuracy. ``untuned``: its networks are pruned and not fine-tuned. ``preset``
    is what the presets of its rows are called, by the target that they prune to or by network and data, or the preset
    of a table without rows. ``capped``: Scratch-B has twice the epochs at most.
    """

    number: str
    title: str
    file: str
    criteria: tuple[str, ...]
    changes: bool = False
    untuned: bool = False
    preset: str = ""
    capped: bool = False


TABLES: Mapping[Method, MethodTable] = {
    "l1_norm": MethodTable(
        "Table 1", "L1-norm filter pruning", "rethinking_table1_l1norm", ("channel_magnitude", "channel_predefined"),
        preset="l1_norm/{target}",
    ),
    "thinet": MethodTable(
        "Table 2", "ThiNet", "rethinking_table2_thinet", ("thinet",), changes=True, preset="thinet/{target}",
        capped=True,
    ),
    "regression": MethodTable(
        "Table 3", "regression-based feature reconstruction", "rethinking_table3_regression", ("lasso",), changes=True,
        preset="regression/{target}", capped=True,
    ),
    "slimming": MethodTable(
        "Table 4", "Network Slimming", "rethinking_table4_slimming", ("slimming",), preset="slimming/{network}"
    ),
    "sparse_structure": MethodTable(
        "Table 5", "Sparse Structure Selection", "rethinking_table5_sss", ("sparse_structure", "sparse_blocks"),
        untuned=True, preset="sparse_structure/{network}",
    ),
    "unstructured": MethodTable(
        "Table 6", "unstructured magnitude pruning", "rethinking_table6_unstructured", ("global_magnitude",),
        preset="unstructured/{network}",
    ),
    "soft_filter": MethodTable(
        "appendix", "Soft Filter Pruning", "", ("soft_filter",), preset="soft_filter/resnet56"
    ),
}  # fmt: skip


class PaperRow(NamedTuple):
    """A row of the paper's, with our names of its network and data set, and its numbers by column.

    ``target`` is what it calls the pruned network. ``kept`` is the share of weights or units that is left, where the
    paper's own measure of pruning is one.
    """

    table: Method
    model: str
    data: str
    target: str
    kept: float | None
    scores: tuple[tuple[str, Spread], ...]

    @property
    def of(self) -> MethodTable:
        """The table that it is a row of."""
        return TABLES[self.table]

    @property
    def source(self) -> str:
        """``Liu et al. 2019, Table 6``."""
        return f"Liu et al. 2019, {self.of.number}"

    @property
    def numbers(self) -> dict[str, Spread]:
        """Its numbers of pruned networks by our columns."""
        return {name: value for name, value in self.scores if not name.startswith(UNPRUNED)}

    @property
    def unpruned(self) -> tuple[Spread, ...]:
        """Its dense network; of two, the first is the original paper's, the second its own."""
        return tuple(value for name, value in self.scores if name.startswith(UNPRUNED))


def unknown(table: Method) -> UserError:
    """Why there is nothing in a table without a confirmed number, and what fills it."""
    criteria = " or ".join(TABLES[table].criteria)
    command = f"python -m pruneexp -m experiment=rethinking/{TABLES[table].preset} seed=0,1,2,3,4 mode=prune,scratch_e"
    return UserError(f"--table {table}: no number of the paper's is confirmed, and no point of criterion {criteria} is "
                     f"logged in two modes: {command} makes them.")  # fmt: skip


def table_of(criterion: str) -> Method | None:
    """The table of a criterion; None where the paper has none."""
    return next((name for name, table in TABLES.items() if criterion in table.criteria), None)


@cache
def printed(table: Method) -> tuple[PaperRow, ...]:
    """The rows of a table in the paper's order; those without a confirmed number are not among them."""
    if table == LOGGED or not TABLES[table].file:
        return ()
    numbers = [number for number in paper_numbers(TABLES[table].file) if "v1 value" not in number.method]
    dense = [number for number in numbers if number.method.startswith(UNPRUNED)]
    rows: dict[tuple[str, str, str], list[PaperNumber]] = {}
    for number in numbers:
        if number not in dense:
            rows.setdefault((number.model, number.dataset, number.row), []).append(number)
    return tuple(_row(table, key, [*_of_network(dense, key), *found]) for key, found in rows.items())


def _of_network(dense: Sequence[PaperNumber], key: tuple[str, str, str]) -> list[PaperNumber]:
    return [number for number in dense if (number.model, number.dataset) == key[:2]]


def _row(table: Method, key: tuple[str, str, str], numbers: Sequence[PaperNumber]) -> PaperRow:
    model, data, name = key
    share = next((number.x for number in numbers if number.x is not None), None)
    scores = tuple((number.method.replace(" (no fine-tuning)", ""), _spread(number)) for number in numbers)
    kept = None if share is None else 1.0 - share / 100.0
    return PaperRow(table, _model(table, model, data), _DATA[data], name.removeprefix(f"{model} "), kept, scores)


def _spread(number: PaperNumber) -> Spread:
    """Mean and standard deviation of 5 runs on CIFAR and one run on ImageNet; no extremes."""
    return Spread(number.value, number.std, number.value, number.value, 1 if number.std is None else 5)


def _model(table: Method, model: str, data: str) -> str:
    if (table, model, data) == ("unstructured", "VGG-16", "ImageNet"):
        return "vgg16_bn"
    return _MODELS.get((model, data), _PLAIN.get(model, model.lower().replace("-", "")))


def row_of(key: Mapping[str, Any], means: Mapping[str, float]) -> PaperRow | None:
    """The row of the paper's that records are of; None where it has none.

    ``key`` has their network, data set, criterion and budget, ``means`` the means over them of ``density_scope``,
    ``removed_parameters``, ``removed_flop`` and ``flop_total``, where a number may be NaN.
    """
    table = table_of(str(key["criterion"]))
    if table is None:
        return None
    among = [row for row in printed(table) if (row.model, row.data) == (key["model"], key["data"])]
    return next((row for row in among if _is_of(row, key, means)), None)


def _is_of(row: PaperRow, key: Mapping[str, Any], means: Mapping[str, float]) -> bool:
    if row.kept is not None and row.table == "unstructured":
        return abs(means["density_scope"] - row.kept) <= SAME_DENSITY
    if row.kept is not None:
        return _keeps_units(key, row.kept)
    costs = _costs().get((row.target, row.data), {"parameters": math.nan, "flops": math.nan})
    size = math.isclose(means["removed_parameters"], 1e6 * costs["parameters"], rel_tol=SAME_SIZE)
    if row.target.endswith("%"):  # printed FLOP are of networks whose blocks halve their maps elsewhere
        return size and _keeps_units(key, float(row.target.rpartition("-")[2].removesuffix("%")) / 100.0)
    if row.target.endswith("x"):
        times = float(row.target.rpartition("-")[2].removesuffix("x"))
        return math.isclose(means["flop_total"], times * means["removed_flop"], rel_tol=SAME_SPEED)
    products = 1e9 * costs["flops"]  # multiply-adds, or two FLOP for each, as each original paper counts
    return size and any(math.isclose(means["removed_flop"], n * products, rel_tol=SAME_SIZE) for n in (1.0, 2.0))


def _keeps_units(key: Mapping[str, Any], share: float) -> bool:
    return bool(key["budget.kind"] == "units") and abs(key["budget.value"] - share) <= SAME_DENSITY


@cache
def _costs() -> dict[tuple[str, str], dict[str, float]]:
    """Millions of parameters and giga-FLOP of the pruned networks that the paper gives no share of."""
    made: dict[tuple[str, str], dict[str, float]] = {}
    for number in (*paper_numbers("cifar_networks"), *paper_numbers("imagenet_networks")):
        if number.table == "pruned model cost":
            made.setdefault((number.row, _DATA[number.dataset]), {})[number.metric] = number.value
    return made


def commands(rows: Sequence[PaperRow]) -> Iterator[str]:
    """What runs these rows, commands for each preset that a shell reads as they are; and which rows have none."""
    known = [row for row in rows if row.target not in _UNKNOWN]
    alike: dict[str, list[PaperRow]] = {}
    for row in known:
        alike.setdefault(_preset(row), []).append(row)
    for preset, same in alike.items():
        targets, seeds = ", ".join(row.target for row in same), "0" if same[0].data == "imagenet" else "0,1,2,3,4"
        command = f"python -m pruneexp -m experiment=rethinking/{preset} seed={seeds}"
        yield f"To be run ({targets}): {'; '.join(f'{command} {modes}' for modes in _modes(same[0]))}"
    if len(known) < len(rows):
        lacking = ", ".join(row.target for row in rows if row not in known)
        yield f"No source of ours says what is left of some, so that they have no preset ({lacking})."


def _modes(row: PaperRow) -> tuple[str, ...]:
    """The end of each command, for fine-tuned networks and those from scratch are initialised in ways of their own."""
    if row.table == "unstructured":
        return "mode=prune", "mode=scratch_e,scratch_b mode.scaled_init=true"
    if row.of.capped:
        return "mode=prune", "mode=scratch_e +mode.small_init=true", "mode=scratch_b mode.cap=2 +mode.small_init=true"
    return "mode=prune", "mode=scratch_e,scratch_b +mode.small_init=true"


def _preset(row: PaperRow) -> str:
    """``thinet/resnet50_70``, ``slimming/vgg19_cifar100``, ``unstructured/resnet50``."""
    network, _, last = row.target.lower().rstrip("%").rpartition("-")
    data = "" if row.data == "imagenet" else f"_{row.data}"
    return row.of.preset.format(
        target=f"{network.replace('-', '')}_{last}", network=row.model.removesuffix("_cifar") + data
    )


def conflicts(table: Method) -> tuple[str, ...]:
    """Where the authors' code release, or the first edition, has other numbers than the table."""
    return tuple(f"{row}: {difference}" for of, row, difference in discrepancies() if of == table)


def on_changes() -> str:
    """What the numbers are of where the paper prints changes."""
    criteria = ", ".join(name for table in TABLES.values() if table.changes for name in table.criteria)
    return (
        f"Under {criteria}, as in the paper, changes of the accuracy in points: ours against the dense network of the "
        "same seed; the paper's fine-tuned networks against the first of its two dense ones, which is that of the "
        "original paper, and those from scratch against the second, its own."
    )


def notes(rows: Sequence[PaperRow], lacking: Sequence[PaperRow]) -> tuple[str, ...]:
    """What a reader of rows of the paper's must know, and the commands that run those which are lacking."""
    if not rows:
        return ()
    said = [
        (
            "Liu et al. 2019: five runs on CIFAR (160 epochs, 40 of fine-tuning), one on ImageNet (90 epochs). Ours "
            "are in the row whose share of weights or channels they keep, or whose parameters and multiply-adds they "
            "have."
        )
    ]
    if found := [each for table in dict.fromkeys(row.table for row in rows) for each in conflicts(table)]:
        said.append(f"Its code release, or its first edition, has other numbers: {'; '.join(found)}.")
    return (*said, *commands(lacking))
