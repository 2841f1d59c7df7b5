"""How much accuracy each layer costs when it alone is pruned, without retraining (Han et al. 2015, Figure 6).

Exactly what one full evaluation per layer and level gives, faster: an operation whose result does not depend on the
weights of the layer in question is run once, for the dense network, and not again. Knows no data sets, models or
records.
"""
