"""One pass of a network as a graph of torch's own operations; knows neither pruning nor what a graph is used for."""
