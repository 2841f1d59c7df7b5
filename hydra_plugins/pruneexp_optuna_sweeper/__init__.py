"""``hydra/sweeper=optuna``: Optuna chooses the values of a sweep, Hydra's launcher runs the jobs."""
