"""The commands, one file each: what ``python -m analysis COMMAND`` parses, reads and prints.

A command has

    add_arguments(parser)    its own arguments; those of every command (``options.common``) are there already
    run(given) -> int        does what is asked for and returns the exit status; UserError where it cannot

as functions of its file, with the line of its help, ``SUMMARY``; or as methods of an object that holds the figures and
tables it is about. ``analysis.__main__`` names them all. Help imports every file, so pandas and all that needs it is
imported where a command runs. ``options.supply`` reads what is logged as the arguments ask for it.
"""
