"""What lies in a store, by kind, and whether every byte of it is what was written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pruneexp.cache import referrers
from pruneexp.cache.inventory import Entry, damages, entries
from pruneexp.cache.manifests import DamageError
from pruneexp.cache.paths import Paths


def show(root: Path) -> int:
    """Print count and size of each kind."""
    print(f"store {root}")
    table(entries(Paths(root)))
    return 0


def verify(root: Path) -> int:
    """Read every file; name what is damaged. 1 where anything is."""
    paths = Paths(root)
    found = entries(paths)
    damaged = [f"{folder}: {reason}" for folder, reason in damages(paths, found)]
    try:
        referrers.noted(paths.referrers())
    except DamageError as damage:
        damaged.append(str(damage))
    for sentence in damaged:
        print(f"damaged: {sentence}")
    looked_at = [entry for entry in found if entry.kind != "damaged"]
    print(f"{len(looked_at)} folders, {size_text(sum(entry.size for entry in looked_at))}: {len(damaged)} damaged")
    if damaged:
        print("a damaged result is set aside and computed again when it is next asked for")
    return int(bool(damaged))


def table(found: Iterable[Entry]) -> None:
    """Print count and size of each kind, and of all."""
    kinds: dict[str, list[Entry]] = {}
    for entry in found:
        kinds.setdefault(entry.kind, []).append(entry)
    everything = [entry for group in kinds.values() for entry in group]
    for kind, group in [*sorted(kinds.items()), ("all", everything)]:
        print(f"  {kind:<12} {len(group):>7}  {size_text(sum(entry.size for entry in group)):>10}")


def size_text(size: int) -> str:
    """Bytes with three digits and a decimal unit."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
