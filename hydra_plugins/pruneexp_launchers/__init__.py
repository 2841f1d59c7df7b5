"""Where the jobs of a sweep run: ``hydra/launcher=joblib`` (one machine), ``slurm`` and ``ray`` (many)."""
