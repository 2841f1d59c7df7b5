"""Tables, one file each, found by file name; each is made once from all selected runs.

A table file has ``data``, ``rows`` and perhaps ``runs`` and ``MADE_OF`` as a figure has (``analysis.figures``), and
``sheet(made) -> TableSheet``: what ``analysis.publishing`` renders as Markdown, as LaTeX, as HTML and for a terminal.
``table_sheet`` makes one of texts, and of a ``Cell`` where one is bold.

    OF_ALL_METRICS    (optional) True: records that are judged by different metrics stay in one table
"""
