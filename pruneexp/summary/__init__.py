"""What records say together: spreads over seeds, and what else dashboards and publications must show alike.

Loads neither torch nor MLflow, and knows the vocabulary of records alone.
"""
