"""The publication: figures and tables made again from logged runs alone.

Of the project it knows the vocabulary of records (``pruneexp.schema``) and nothing of how they came to be.
"""
