"""The one reader of the tracking store: runs of points and of scans in, typed records out.

SQLite files, the default, are read directly (``sqlite`` says why); servers and other databases through MLflow's
client. Nothing is ever written to the store, and a store that is missing is not created. What was read once is kept in
a local copy (``copies``) where the caller names a folder for it.
"""

from analysis.load.copies import FOLDER as COPIES
from analysis.load.records import flat_points, points, scans
from analysis.load.stores import open_store
from analysis.load.uris import DEFAULT_URI

__all__ = ["COPIES", "DEFAULT_URI", "flat_points", "open_store", "points", "scans"]
