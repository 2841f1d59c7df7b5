"""Searches over an experiment: sensitivity scans, per-layer thresholds, the knee of a curve.

``python -m sweeps study=NAME`` takes the same groups and keys as ``python -m pruneexp``. The only package that knows
Optuna; everything it computes goes through ``pruneexp.experiment``, which stores and records it.
"""
