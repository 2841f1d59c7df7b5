"""The one reader of the tracking store: runs of points and of scans in, typed records out.

SQLite files, the default, are read directly (``sqlite`` says why); servers and other databases through MLflow's
client. Nothing is ever written to the store but the page that ``attaching`` has the tracker put on a run, and a store
that is missing is not created. Points come from the Parquet files that curves carry (``parquet``) and, where these lack
some, from the points' own runs; what was read once is kept in a local copy (``copies``) where the caller names a folder
for it.
"""

from analysis.records.reading import (
    course_name,
    courses,
    experiments,
    layers,
    measurements,
    points,
    retrainings,
    scans,
    stability,
    sweeps,
    weights,
)
from analysis.records.stores import open_store
from analysis.records.uris import COPIES, DEFAULT_URI

__all__ = [
    "COPIES", "DEFAULT_URI", "course_name", "courses", "experiments", "layers", "measurements", "open_store", "points",
    "retrainings", "scans", "stability", "sweeps", "weights",
]  # fmt: skip
