"""Pruning of weights: scores, allocations, schedules, masks, and the neurons that masks leave dead.

Knows networks and their weights; knows nothing of data, training, records or files.
"""
