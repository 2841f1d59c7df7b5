"""What pruning gains on this machine: recorded points, timed side by side in every form that could run them."""
