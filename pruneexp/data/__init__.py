"""Data sets: examples in three splits, ready for the device.

A data set is any callable that returns a ``dataset.Dataset``; each shipped family is one file. Knows nothing of
networks, training, configuration or records.
"""
