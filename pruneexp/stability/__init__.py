"""What pruning changes beside the score: which answers, which classes, and whether seeds keep the same weights."""
