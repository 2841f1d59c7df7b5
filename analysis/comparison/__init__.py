"""Two sides beside each other: which points each holds, which curves of theirs belong together, what tells them apart.

A side is an experiment, a sweep, or points that conditions choose. Knows no figure or table, and no command line.
"""
