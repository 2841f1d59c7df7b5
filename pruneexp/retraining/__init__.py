"""What retraining does to a pruned network: its loss from before to after, and its weights epoch by epoch."""
