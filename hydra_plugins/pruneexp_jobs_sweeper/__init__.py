"""``hydra/sweeper=jobs``, the usual one: a list of jobs by number, planned as a whole, resumed by its name."""
