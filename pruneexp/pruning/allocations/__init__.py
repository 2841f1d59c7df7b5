"""Allocations: one file each, a frozen dataclass that computes how many weights each layer keeps."""
