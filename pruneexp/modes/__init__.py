"""Where the surviving weights come from: one file per mode, each naming the stages that yield a trade-off point.

A mode computes nothing. It is any object with ``route(setting, path)``: ``path`` holds the budgets of the pruning
rounds, mildest first and the budget of the point last. Modes do not import one another.
"""
