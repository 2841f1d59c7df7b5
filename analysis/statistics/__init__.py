"""What is asked of records over seeds: which of them, what tells them apart, curves with their spread, doubts.

Knows frames of records, and neither the store they came from nor what is drawn or printed of them.
"""
