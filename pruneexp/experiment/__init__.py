"""One job from its composed configuration to its recorded points: instantiate, plan, run, record, tell.

The only room that sees everything; ``build`` is the one place that instantiates.
"""
