"""Sweeps on disk: what each asked for, where each of its jobs stands, and how that is shown.

``runtime.sweeps`` (``.pruneexp/sweeps``) holds one folder per sweep, shared by the processes that run its jobs and
those that look on. Knows files and locks only: nothing of Hydra, torch, MLflow or of what a job computes.
"""
