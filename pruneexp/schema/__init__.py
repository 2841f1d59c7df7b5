"""The vocabulary of records: what a trade-off point and a scan are, and how they are written and read back.

Knows neither torch nor MLflow, so that a reader of records needs neither. Units, everywhere: accuracies are percent
(93.6 means 93.6 %), densities and shares are fractions in [0, 1], sizes are bytes, times are seconds, and one
multiply-add is two FLOP.
"""

from pruneexp.schema.codec import flat_names, flatten, unflatten
from pruneexp.schema.names import (
    COLLAPSE,
    CONFIG_FILE,
    CURVE_KEY,
    DENSITY_MISSED,
    ENVIRONMENT_FILE,
    FAILURE,
    JOB,
    KIND,
    LAYERS_FILE,
    POINT_KEY,
    SCAN_KEY,
    SCHEMA,
    SCHEMA_VERSION,
    SENSITIVITY_FILE,
    STUDY_KEY,
    SWEEP,
)
from pruneexp.schema.points import (
    Budget,
    BudgetKind,
    Effort,
    LayerRow,
    Ledger,
    PointIdentity,
    PointResult,
    Score,
    Scores,
    TradeoffPoint,
)
from pruneexp.schema.scans import LayerSensitivity, Scan, ScanIdentity

__all__ = [
    "COLLAPSE",
    "CONFIG_FILE",
    "CURVE_KEY",
    "DENSITY_MISSED",
    "ENVIRONMENT_FILE",
    "FAILURE",
    "JOB",
    "KIND",
    "LAYERS_FILE",
    "POINT_KEY",
    "SCAN_KEY",
    "SCHEMA",
    "SCHEMA_VERSION",
    "SENSITIVITY_FILE",
    "STUDY_KEY",
    "SWEEP",
    "Budget",
    "BudgetKind",
    "Effort",
    "LayerRow",
    "LayerSensitivity",
    "Ledger",
    "PointIdentity",
    "PointResult",
    "Scan",
    "ScanIdentity",
    "Score",
    "Scores",
    "TradeoffPoint",
    "flat_names",
    "flatten",
    "unflatten",
]
