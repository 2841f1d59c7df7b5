"""The pure, cached steps of an experiment: dense training, masks, retraining, training from scratch.

Each function describes one step as a ``Stage``; nothing is computed until a ``Runner`` asks for it. A stage is told
everything by its ``Setting``, its parents and its own arguments, and all of that is in its key. A change of what a
stage computes must raise its VERSION.
"""
