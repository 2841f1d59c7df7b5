"""Allocations: one file each, a frozen dataclass that says how many weights each layer keeps."""
