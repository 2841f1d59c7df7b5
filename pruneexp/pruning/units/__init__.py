"""Units, what is kept or pruned as a whole: one file each, a frozen dataclass that says which weights make one."""
