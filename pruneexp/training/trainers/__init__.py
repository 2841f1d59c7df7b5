"""Trainers: one file each, a frozen dataclass of the file's name, as ``pruneexp.training.trainer`` describes it."""
