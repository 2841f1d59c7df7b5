"""Sweeps on disk: what each asked for, and where each of its jobs stands.

``runtime.sweeps`` (``.pruneexp/sweeps``) holds one folder per sweep, shared by whoever runs its jobs and whoever looks
on. Knows files and locks only: nothing of Hydra, torch, MLflow or of what a job computes.
"""
