"""What a point and a scan become in MLflow: metrics, tags and files. Pure functions; knows no store."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pruneexp import schema
from pruneexp.tracking.runs import Value


def remarks(point: schema.TradeoffPoint) -> dict[str, str]:
    """Tags of what a reader of the numbers must know; absent where there is nothing."""
    found = {
        schema.COLLAPSE: schema.names_text(point.collapsed) if point.collapsed else "",
        schema.DENSITY_MISSED: "true" if point.density_missed else "",
        schema.DISCONNECTED: "true" if point.disconnected else "",
        schema.UNDEFINED: schema.undefined(point.result),
    }
    return {tag: text for tag, text in found.items() if text}


def point_metrics(point: schema.TradeoffPoint, numbers: Mapping[str, float]) -> list[Value]:
    """The numbers of a point and what follows from them; ``numbers`` adds to them."""
    found = {**numbers, **schema.derived(point.result), **schema.flatten(point.result)}
    return [Value(name, value) for name, value in found.items()]


def layers_file(point: schema.TradeoffPoint) -> dict[str, str]:
    """The rows of the layers, as a list of objects."""
    return {schema.LAYERS_FILE: json.dumps([schema.flatten(row) for row in point.layers], indent=1)}


def scan_metrics(scan: schema.Scan) -> list[Value]:
    """Each layer as a series of accuracy changes (points) over its pruned weights (permille)."""
    metrics = [Value("images", scan.images), Value("dense.top1", scan.dense.top1)]
    for row in scan.rows:
        change, pruned = row.val.top1 - scan.dense.top1, round(1000 * (1 - row.density))
        metrics.append(Value(f"sensitivity/{row.group}/top1_change", change, pruned))
    return metrics


def scan_file(scan: schema.Scan) -> dict[str, str]:
    """The exact numbers of a scan."""
    table = {
        "dense": schema.flatten(scan.dense),
        "images": scan.images,
        "rows": [schema.flatten(row) for row in scan.rows],
    }
    return {schema.SENSITIVITY_FILE: json.dumps(table, indent=1)}
