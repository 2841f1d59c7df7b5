"""The commands, one file each: what ``python -m analysis COMMAND`` parses, reads and prints.

A file of a command has

    SUMMARY                    one line, for the help of all commands and its own
    add_arguments(parser)      its own arguments; those of every command (``options.common``) are there already
    run(given) -> int          does what is asked for, and returns the exit status; raises UserError where it cannot

and its name stands in ``analysis.__main__``. Help imports every file, so pandas and all that needs it is imported by
``run``. ``options.supply`` reads what is logged as the arguments ask for it. Figures and tables are commands without a
file of their own: ``making`` makes any of them.
"""
