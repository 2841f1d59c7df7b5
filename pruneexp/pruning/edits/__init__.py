"""Edits, what compression makes of weights: one file each, a frozen dataclass of ``edit.Editor``.

Without one, an edit is the mask itself: what is pruned is zero, and all else is free.
"""
