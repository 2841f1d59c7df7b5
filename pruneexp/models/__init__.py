"""Networks to prune: one file per family, plain ``nn.Module``s with an ``input_shape``; knows nothing of pruning."""
