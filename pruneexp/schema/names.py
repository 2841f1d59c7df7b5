"""Names of MLflow tags and artefacts, and of derived metrics."""

from __future__ import annotations

#: MLflow tags. Runs of this project have ``KIND``; the project ignores all other runs in a tracking store.
KIND = "pruneexp.kind"  # "curve", "point", "scan", "study", "summary" or "sweep"
CURVE_KEY = "pruneexp.curve_key"
POINT_KEY = "pruneexp.point_key"
SCAN_KEY = "pruneexp.scan_key"
STUDY_KEY = "pruneexp.study_key"
COLLAPSE = "pruneexp.collapse"  # JSON list of the layers that keep ``min_keep`` weights on top of the budget
DENSITY_MISSED = "pruneexp.density_missed"  # "true" if the achieved density is not the requested one
DISCONNECTED = "pruneexp.disconnected"  # "true" if the network gives the same outputs for every image
UNDEFINED = "pruneexp.undefined"  # the splits and numbers of images whose logits are not numbers
FAILURE = "pruneexp.failure"  # why a FAILED run failed, in one sentence
OVERLOOKED = "pruneexp.overlooked"  # of curves, studies and points: weights not pruned and FLOP not counted, if any
RETRAINING = "pruneexp.retraining"  # of a point: ``python -m pruneexp.retraining`` has put its file on the run
MEASURED = "pruneexp.measured"  # of a point: what ``python -m pruneexp.measure`` found last, as JSON
NETWORK_KEY = "pruneexp.network_key"  # of a logged model: the stage that trained it
JOB = "pruneexp.job"  # of curves and points: the number of their job in the sweep
SUMMARY_KEY = "pruneexp.summary_key"
SUMMARY_OF = "pruneexp.summary_of"  # "curves" or "points": the records whose mean over seeds a summary has
CONTEST = "pruneexp.contest"  # a key that summaries share if they differ in the mode alone
COMPARED = "pruneexp.compared"  # "true" if a contest has both pruned networks and networks from scratch
DIGEST = "pruneexp.digest"  # of the inputs of a summary, or of the description of a curve
SCHEMA = "pruneexp.schema"  # version of this vocabulary
SCHEMA_VERSION = "1"

#: Artefacts of the runs of points, scans and curves.
LAYERS_FILE = "layers.json"
WEIGHTS_FILE = "weights.json"  # of a point: what ``python -m pruneexp.stability`` found of its weights
RETRAINING_FILE = "retraining.json"  # of a point: what ``python -m pruneexp.retraining`` found of it
SENSITIVITY_FILE = "sensitivity.json"
CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
POINTS_FOLDER = "points"  # of curves and studies: a Parquet file of their points for each result store

#: Tags without a prefix, for people to filter by; ``runtime.tags`` sets the others.
CURVE = "curve"  # the name of the curve
SWEEP = "sweep"  # of curves and points: the sweep that recorded them first

#: Metrics that follow from others, for MLflow's charts; readers of records do not need them.
COMPRESSION = "compression"  # dense / kept weights
LOG2_COMPRESSION = "compression_log2"  # for charts without a logarithmic axis: 3 is 8 times fewer weights
NETWORK_COMPRESSION = "network_compression"  # the same of all numbers that a network ships
SECONDS = "seconds"  # of all stages behind a point; a stage from the store counts with its original time
STAGES = "stages"
CACHE_HITS = "cache_hits"  # stages that came from the store
RECORDED = "points"  # of a curve
FAILED = "points_failed"  # of a curve
SEEDS = "n"  # of a summary
SPREAD = "_std"  # ending of a summary's sample standard deviations
LEVEL = "level/"  # beginning of the levels of a trial's layers
SHARE = "share/"  # beginning of the name of the cost that a trial's search makes small, a share of the dense network's
MAX_COST = "max_cost"  # of a study: the largest such share that is allowed, where it seeks the best network within it


def change_name(split: str, when: str, metric: str) -> str:
    """``val.change_after.top1``: ``Metric.change`` of a point against its dense network, a loss of accuracy below 0.

    Args:
        split: val or test.
        when: before or after (retraining).
        metric: its name.
    """
    return f"{split}.change_{when}.{metric}"
