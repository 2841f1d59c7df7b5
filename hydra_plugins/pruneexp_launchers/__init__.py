"""Where the jobs of a sweep run: ``hydra/launcher=local`` (one machine), ``slurm`` and ``ray`` (many)."""
