"""Tables, one file each, found by file name; each is made once from all selected runs.

A table file has ``data``, ``rows`` and perhaps ``runs`` and ``MADE_OF`` as a figure has (``analysis.figures``), and
``sheet(made) -> TableSheet``: the cells that ``analysis.publishing`` renders as Markdown, as LaTeX and for a terminal.

    OF_ALL_METRICS    (optional) True: records that are judged by different metrics stay in one table
"""
