"""How much accuracy each layer costs when it alone is pruned, without retraining (Han et al. 2015, Figure 6).

A scan gives exactly the results of one full evaluation per layer and level, but faster: it runs an operation that does
not depend on the weights of the pruned layer only once, for the dense network. Knows no data sets, models or records.
"""
