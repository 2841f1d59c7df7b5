"""Configuration: the typed skeleton, the checks that need no torch, and plain words for what Hydra complains of.

Hydra and OmegaConf are known here, in the entry points, in ``experiment`` and in what composes and defines studies.
"""
