"""Data sets: labelled images in three splits, ready for the device.

A data set is any callable that returns a ``dataset.Dataset``; the families shipped here are one file each. Knows
nothing of networks, training, configuration or records.
"""
