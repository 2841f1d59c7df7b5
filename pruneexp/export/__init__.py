"""Networks out: the network of one recorded point as files that need no record, and in part no pruneexp, to be used.

Knows what is recorded and how a job is made again of it; trains nothing by itself.
"""
