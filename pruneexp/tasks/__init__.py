"""Tasks: what networks learn from data, and how well they do it; each shipped task is one file.

Knows tensors and the vocabulary of records; neither networks, nor data sets by name, nor how networks are trained.
"""
