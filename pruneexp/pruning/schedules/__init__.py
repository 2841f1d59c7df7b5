"""Schedules: one file each, a frozen dataclass whose ``path`` gives the budgets of the rounds that lead to a target."""
