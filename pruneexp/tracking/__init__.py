"""The only writer of MLflow: one run per curve, one nested run per trade-off point.

Knows the vocabulary of ``pruneexp.schema``, the result store and MLflow's client; knows nothing of torch, stages or
configuration. Importing it is cheap: MLflow itself (1.6 s, plus 0.9 s for its SQL store) is loaded when a ``Tracker``
is made.
"""

from pruneexp.tracking.artefacts import Parent
from pruneexp.tracking.board import PageLink, opener
from pruneexp.tracking.bulk import StoredRun
from pruneexp.tracking.models import Network
from pruneexp.tracking.monitor import monitored
from pruneexp.tracking.naming import curve_name, point_name
from pruneexp.tracking.notes import Place, counted, marked, places
from pruneexp.tracking.recording import Recording
from pruneexp.tracking.stores import default_uri, resolved
from pruneexp.tracking.tracker import Tracker, existing

__all__ = [
    "Network",
    "PageLink",
    "Parent",
    "Place",
    "Recording",
    "StoredRun",
    "Tracker",
    "counted",
    "curve_name",
    "default_uri",
    "existing",
    "marked",
    "monitored",
    "opener",
    "places",
    "point_name",
    "resolved",
]
