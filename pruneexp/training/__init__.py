"""Training of one network on one source of batches: the loop, its recipe, penalties, dropout, evaluation and seeds."""
