"""What lies in a store, by kind, and whether every byte of it is what was written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pruneexp.cache.files import Paths
from pruneexp.cache.inventory import Entry, damages, entries


def show(root: Path) -> int:
    """Print count and size of each kind."""
    print(f"store {root}")
    table(entries(Paths(root)))
    return 0


def verify(root: Path) -> int:
    """Read every file; name what is damaged. 1 where anything is."""
    found = list(damages(Paths(root)))
    damaged = [(folder, reason) for folder, reason in found if reason is not None]
    for folder, reason in damaged:
        print(f"damaged: {folder}: {reason}")
    print(f"{len(found)} folders: {len(damaged)} damaged")
    if damaged:
        print("a damaged result is set aside and computed again when it is next asked for")
    return int(bool(damaged))


def table(found: Iterable[Entry]) -> None:
    """Print count and size of each kind, and of all."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for entry in found:
        sizes[entry.kind].append(entry.size)
    everything = [size for kind in sizes.values() for size in kind]
    for kind, group in [*sorted(sizes.items()), ("all", everything)]:
        print(f"  {kind:<12} {len(group):>7}  {size_text(sum(group)):>10}")


def size_text(size: int) -> str:
    """Bytes with three digits and a decimal unit."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
