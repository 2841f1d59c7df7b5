"""From a command to files: which figures and tables there are, what they are made of, and what is kept of each.

Knows the contract of figures and tables (``analysis.figures``), and none of them by name.
"""
