"""Criteria: one file each, a frozen dataclass called with (weights, generator) that returns a score per weight."""
