"""Configuration: the typed skeleton, the checks that need no torch, and plain words for what Hydra complains of.

The only rooms besides the entry point and ``experiment`` that know Hydra.
"""
