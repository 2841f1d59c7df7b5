"""The command ``python -m pruneexp.store``: what lies in the store of results, whether it is whole, what may go."""
