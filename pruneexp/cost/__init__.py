"""What a pruned network costs: weights, FLOP, activations and bytes, per layer and in total; knows no files."""
