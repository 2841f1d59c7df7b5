"""Names under which runs carry what is no number: MLflow tags and artefacts."""

from __future__ import annotations

#: MLflow tags. Runs of this project carry ``KIND``; everything else in a tracking store is left alone.
KIND = "pruneexp.kind"  # "curve", "point", "scan" or "study"
CURVE_KEY = "pruneexp.curve_key"
POINT_KEY = "pruneexp.point_key"
SCAN_KEY = "pruneexp.scan_key"
STUDY_KEY = "pruneexp.study_key"
COLLAPSE = "pruneexp.collapse"  # comma-separated layers that were kept from losing their last weight
DENSITY_MISSED = "pruneexp.density_missed"  # "true" where the achieved density is not the asked one
FAILURE = "pruneexp.failure"  # why a FAILED run failed, in one sentence
SWEEP = "pruneexp.sweep"  # of curves and points: the sweep that recorded them first
JOB = "pruneexp.job"  # their job's number there
SCHEMA = "pruneexp.schema"  # version of this vocabulary
SCHEMA_VERSION = "1"

#: Artefacts of the runs of points, scans and curves.
LAYERS_FILE = "layers.json"
SENSITIVITY_FILE = "sensitivity.json"
CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
