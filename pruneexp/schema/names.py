"""Names under which runs carry what is no number: MLflow tags and artefacts."""

from __future__ import annotations

#: MLflow tags. Runs of this project carry ``KIND``; everything else in a tracking store is left alone.
KIND = "pruneexp.kind"  # "curve", "point", "scan", "study" or "summary"
CURVE_KEY = "pruneexp.curve_key"
POINT_KEY = "pruneexp.point_key"
SCAN_KEY = "pruneexp.scan_key"
STUDY_KEY = "pruneexp.study_key"
COLLAPSE = "pruneexp.collapse"  # JSON list of the layers that were kept from losing their last weight
DENSITY_MISSED = "pruneexp.density_missed"  # "true" where the achieved density is not the asked one
DISCONNECTED = "pruneexp.disconnected"  # "true" where the network answers every image with the same outputs
UNDEFINED = "pruneexp.undefined"  # where logits are not numbers, and on how many images
FAILURE = "pruneexp.failure"  # why a FAILED run failed, in one sentence
OVERLOOKED = "pruneexp.overlooked"  # of curves, studies and points: weights not pruned and FLOP not counted, if any
NETWORK_KEY = "pruneexp.network_key"  # of a logged model: the stage that trained it
JOB = "pruneexp.job"  # of curves and points: the number of their job in the sweep
SUMMARY_KEY = "pruneexp.summary_key"
SUMMARY_OF = "pruneexp.summary_of"  # "curves" or "points": what a summary has the mean of, over seeds
CONTEST = "pruneexp.contest"  # the same on summaries that differ in the mode alone
COMPARED = "pruneexp.compared"  # "true" where a contest has pruned networks and networks from scratch
DIGEST = "pruneexp.digest"  # of what a summary, or the description of a curve, was made of
SCHEMA = "pruneexp.schema"  # version of this vocabulary
SCHEMA_VERSION = "1"

#: Artefacts of the runs of points, scans and curves.
LAYERS_FILE = "layers.json"
SENSITIVITY_FILE = "sensitivity.json"
CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
DRAWING_FILE = "curve.svg"
POINTS_FOLDER = "points"  # of curves and studies: a Parquet file of their points for each result store

#: Tags without a prefix, for people to filter by; ``runtime.tags`` sets the others.
CURVE = "curve"  # the name of the curve
SWEEP = "sweep"  # of curves and points: the sweep that recorded them first

#: Metrics that follow from others, so that MLflow can draw them; readers of records never need them.
ACCURACY_LOSS = "accuracy_loss"  # points: dense minus after, on val
ACCURACY_LOSS_TEST = "accuracy_loss_test"
ACCURACY_LOSS_BEFORE = "accuracy_loss_before"  # points: dense minus before retraining, on val
COMPRESSION = "compression"  # dense / kept weights
SECONDS = "seconds"  # of all stages behind a point; what came from the store counts what it once took
STAGES = "stages"
CACHE_HITS = "cache_hits"  # stages that came from the store
RECORDED = "points"  # of a curve
FAILED = "points_failed"  # of a curve
SEEDS = "n"  # of a summary
SPREAD = "_std"  # ending of a summary's sample standard deviations
LEVEL = "level/"  # beginning of the levels of a trial's layers
