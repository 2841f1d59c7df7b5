"""What pictures have in common: the house style, and where panels and words stand on a page.

Knows nothing of records.
"""
