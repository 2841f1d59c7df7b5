"""What was configured, and with what it was computed: what all runs have in common, and what differs.

Knows the resolved configurations that runs carry as nested mappings, and none of their keys but those it leaves out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from analysis.report.markup import Html, element, joined, table
from analysis.statistics.conditions import text

#: Where and how a job ran, which decides no number; and the name of the machine, which is nobody else's business.
LEFT_OUT = ("runtime.", "plan", "machine.host")
ABSENT = "absent"


class Compared(NamedTuple):
    """Keys with the value that all have, and keys with each of several values and how many have it."""

    common: tuple[tuple[str, str], ...]
    varying: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]


def compared(configurations: Iterable[Mapping[str, Any]]) -> Compared:
    """What nested mappings have in common, by dotted keys in the order of the first that has one."""
    flat = [dict(_flat(one)) for one in configurations]
    names = [name for name in dict.fromkeys(name for one in flat for name in one) if not name.startswith(LEFT_OUT)]
    counts = {name: Counter(one.get(name, ABSENT) for one in flat) for name in names}
    common = [(name, next(iter(found))) for name, found in counts.items() if len(found) == 1]
    varying = [(name, tuple(sorted(found.items(), key=_order))) for name, found in counts.items() if len(found) > 1]
    return Compared(tuple(common), tuple(varying))


def _order(value: tuple[str, int]) -> tuple[float, str]:
    """Numbers by their size, then texts."""
    try:
        return float(value[0]), ""
    except ValueError:
        return math.inf, value[0]


def _flat(node: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_text, value))}]"
    return text(value)


def differing(found: Compared, of: str) -> Html:
    """What differs as a table; ``of`` is what is counted, in the plural."""
    if not found.varying:
        return element("p", "Nothing differs.")
    rows = [(element("code", name), _values(values)) for name, values in found.varying]
    return table("What differs", ("key", f"values, and how many of {of} have each"), "ll", rows)


def common(found: Compared, of: str) -> Html:
    """What is the same as a table."""
    rows = [(element("code", name), value) for name, value in found.common]
    return table(f"What {of} have in common", ("key", "value"), "ll", rows)


def _values(values: Sequence[tuple[str, int]]) -> Html:
    return joined([f"{value} ({count})" for value, count in values], "; ")
