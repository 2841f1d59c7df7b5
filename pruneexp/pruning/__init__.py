"""What is pruned and how much of it: scores, allocations, schedules, masks and what they leave dead.

Knows networks and their weights; knows nothing of data, training, records or files.
"""
